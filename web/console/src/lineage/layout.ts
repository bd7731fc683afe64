/**
 * A layered layout of a lineage. The ranks are known (an artifact's generation), which is the slow third of such a layout;
 * what is left is to order each rank so that few edges cross, and to place the nodes near their neighbours.
 *
 * Long edges pass through a dummy node on each rank between. Ranks are ordered by barycentres, swept from both ends
 * (Sugiyama, Tagawa, Toda 1981), and placed by isotonic regression: the closest places to the wished ones that keep the
 * order and the distance.
 */

export interface LayoutInput {
  /** The rank of each node. */
  ranks: ArrayLike<number>;
  /** Pairs of node numbers, from parent to child. */
  edges: ArrayLike<number>;
}

export interface LayoutResult {
  /** x and y of each node. */
  places: Float64Array;
  /** Points of each edge, x and y in turn; `starts` has where those of an edge begin. */
  points: Float64Array;
  starts: Uint32Array;
}

export const nodeWidth = 208;
export const nodeHeight = 52;
const rankGap = 108;
const nodeGap = 20;
const dummySize = 12;
const sweeps = 12;

export function layout({ ranks, edges }: LayoutInput): LayoutResult {
  const real = ranks.length;
  const rank: number[] = Array.from(ranks);
  const up: number[][] = rank.map(() => []);
  const down: number[][] = rank.map(() => []);
  const ways: number[][] = [];
  const join = (from: number, to: number) => {
    down[from]?.push(to);
    up[to]?.push(from);
  };
  for (let at = 0; at < edges.length; at += 2) {
    const from = edges[at] ?? 0;
    const to = edges[at + 1] ?? 0;
    const way = [from];
    for (let between = (rank[from] ?? 0) + 1; between < (rank[to] ?? 0); between += 1) {
      const dummy = rank.length;
      rank.push(between);
      up.push([]);
      down.push([]);
      join(way.at(-1) ?? from, dummy);
      way.push(dummy);
    }
    join(way.at(-1) ?? from, to);
    way.push(to);
    ways.push(way);
  }

  const least = rank.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const layers: number[][] = [];
  for (let node = 0; node < rank.length; node += 1) {
    const at = (rank[node] ?? 0) - least;
    while (layers.length <= at) layers.push([]);
    layers[at]?.push(node);
  }
  const size = (node: number) => (node < real ? nodeHeight + nodeGap : dummySize);

  // Begins with the order of a walk, so that connected parts lie together.
  const place = new Float64Array(rank.length);
  walkOrder(rank.length, up, down).forEach((node, at) => {
    place[node] = at;
  });
  for (const layer of layers) layer.sort((a, b) => (place[a] ?? 0) - (place[b] ?? 0));
  for (const layer of layers)
    layer.forEach((node, at) => {
      place[node] = at;
    });

  const wish = new Float64Array(rank.length);
  const mean = (node: number, beside: number[][]) => {
    const list = beside[node] ?? [];
    if (list.length === 0) return place[node] ?? 0;
    let sum = 0;
    for (const one of list) sum += place[one] ?? 0;
    return sum / list.length;
  };
  for (let sweep = 0; sweep < sweeps; sweep += 1) {
    const isDown = sweep % 2 === 0;
    for (let step = 1; step < layers.length; step += 1) {
      const layer = layers[isDown ? step : layers.length - 1 - step] ?? [];
      for (const node of layer) wish[node] = mean(node, isDown ? up : down);
      layer.sort((a, b) => (wish[a] ?? 0) - (wish[b] ?? 0) || (place[a] ?? 0) - (place[b] ?? 0));
      layer.forEach((node, at) => {
        place[node] = at;
      });
    }
  }

  // The order stands; now the places themselves.
  for (const layer of layers) {
    let at = 0;
    for (const node of layer) {
      place[node] = at;
      at += size(node);
    }
  }
  for (let sweep = 0; sweep < 8; sweep += 1) {
    const isDown = sweep % 2 === 0;
    for (let step = 0; step < layers.length; step += 1) {
      const layer = layers[isDown ? step : layers.length - 1 - step] ?? [];
      const wished = layer.map((node) => mean(node, isDown ? up : down));
      spread(layer, wished, size, place);
    }
  }

  let top = Number.POSITIVE_INFINITY;
  for (const value of place) top = Math.min(top, value);
  const places = new Float64Array(real * 2);
  for (let node = 0; node < real; node += 1) {
    places[node * 2] = ((rank[node] ?? 0) - least) * (nodeWidth + rankGap);
    places[node * 2 + 1] = (place[node] ?? 0) - top;
  }
  const points: number[] = [];
  const starts = new Uint32Array(ways.length + 1);
  ways.forEach((way, at) => {
    starts[at] = points.length;
    for (const node of way) {
      const x = ((rank[node] ?? 0) - least) * (nodeWidth + rankGap) + (node < real ? 0 : nodeWidth / 2);
      points.push(x, (place[node] ?? 0) - top + (node < real ? nodeHeight / 2 : dummySize / 2));
    }
  });
  starts[ways.length] = points.length;
  return { places, points: Float64Array.from(points), starts };
}

function walkOrder(count: number, up: number[][], down: number[][]): number[] {
  const seen = new Uint8Array(count);
  const order: number[] = [];
  for (let first = 0; first < count; first += 1) {
    const stack = [first];
    while (stack.length > 0) {
      const node = stack.pop() ?? 0;
      if (seen[node]) continue;
      seen[node] = 1;
      order.push(node);
      for (const list of [down[node], up[node]])
        if (list) for (let at = list.length - 1; at >= 0; at -= 1) stack.push(list[at] ?? 0);
    }
  }
  return order;
}

/** The closest places to the wished ones with the order kept and no overlap: pool adjacent violators. */
function spread(layer: number[], wished: number[], size: (node: number) => number, place: Float64Array) {
  const offsets: number[] = [];
  let offset = 0;
  for (const node of layer) {
    offsets.push(offset);
    offset += size(node);
  }
  const sums: number[] = [];
  const counts: number[] = [];
  for (let at = 0; at < layer.length; at += 1) {
    let sum = (wished[at] ?? 0) - (offsets[at] ?? 0);
    let count = 1;
    while (sums.length > 0 && (sums.at(-1) ?? 0) / (counts.at(-1) ?? 1) >= sum / count) {
      sum += sums.pop() ?? 0;
      count += counts.pop() ?? 0;
    }
    sums.push(sum);
    counts.push(count);
  }
  let at = 0;
  sums.forEach((sum, block) => {
    for (let left = counts[block] ?? 0; left > 0; left -= 1) {
      const node = layer[at] ?? 0;
      place[node] = sum / (counts[block] ?? 1) + (offsets[at] ?? 0);
      at += 1;
    }
  });
}
