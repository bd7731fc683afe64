import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layout, nodeHeight } from './layout';

// The same numbers for the same seed (mulberry32).
function random(seed: number) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
}

// A lineage-like graph: four of five edges come from the rank before.
function graph(nodes: number, edges: number, seed: number) {
  const next = random(seed);
  const depth = Math.ceil(Math.sqrt(nodes) / 2);
  const ranks = Uint32Array.from({ length: nodes }, (_, at) => Math.floor((at * depth) / nodes));
  const first = (rank: number) => Math.ceil((rank * nodes) / depth);
  const pairs: number[] = [];
  while (pairs.length < edges * 2) {
    const child = Math.floor(next() * nodes);
    const rank = ranks[child] ?? 0;
    if (rank === 0) continue;
    const from = next() < 0.8 ? rank - 1 : Math.floor(next() * rank);
    pairs.push(first(from) + Math.floor(next() * (first(from + 1) - first(from))), child);
  }
  return { ranks, edges: Uint32Array.from(pairs) };
}

test('nodes of a rank do not overlap, and edges begin and end at their nodes', () => {
  for (const [nodes, edges, seed] of [
    [1, 0, 1],
    [7, 9, 2],
    [300, 600, 3],
  ] as const) {
    const input = graph(nodes, edges, seed);
    const { places, points, starts } = layout(input);
    const columns = new Map<number, number[]>();
    for (let node = 0; node < nodes; node += 1) {
      const column = columns.get(places[node * 2] ?? 0) ?? [];
      columns.set(places[node * 2] ?? 0, column);
      column.push(places[node * 2 + 1] ?? 0);
    }
    for (const column of columns.values()) {
      column.sort((a, b) => a - b);
      for (let at = 1; at < column.length; at += 1) assert.ok((column[at] ?? 0) - (column[at - 1] ?? 0) >= nodeHeight);
    }
    for (let edge = 0; edge < edges; edge += 1) {
      const [parent, child] = [input.edges[edge * 2] ?? 0, input.edges[edge * 2 + 1] ?? 0];
      assert.equal(points[starts[edge] ?? 0], places[parent * 2]);
      assert.equal(points[(starts[edge + 1] ?? 0) - 2], places[child * 2]);
    }
  }
});

test('the same graph has the same layout', () => {
  assert.deepEqual(layout(graph(200, 400, 5)), layout(graph(200, 400, 5)));
});

test('large graphs are laid out in time', (context) => {
  for (const [nodes, edges, limitMs] of [
    [1_000, 2_000, 300],
    [10_000, 14_321, 2_500],
  ] as const) {
    const input = graph(nodes, edges, 7);
    layout(input);
    const begun = performance.now();
    layout(input);
    const took = performance.now() - begun;
    context.diagnostic(`${nodes} nodes, ${edges} edges: ${took.toFixed(0)} ms`);
    assert.ok(took < limitMs, `${nodes} nodes took ${took.toFixed(0)} ms`);
  }
});
