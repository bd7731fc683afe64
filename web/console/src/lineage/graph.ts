/** A lineage as the page has it: what was asked for, with what was opened besides, laid out by a worker. */
import { useQueries } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState } from 'react';
import { ask, documents, keyOf, type types } from '../api';
import type { LayoutResult } from './layout';

export type LineageNode = types.LineageQuery['lineage']['nodes'][number]['artifact'];
export type LineageEdge = types.LineageQuery['lineage']['edges'][number];

export interface Graph {
  nodes: LineageNode[];
  edges: LineageEdge[];
  /** Nodes beyond which more may be. */
  frontier: ReadonlySet<string>;
  reasons: readonly types.TruncationReason[];
}

export interface Asked {
  root: string;
  direction: types.LineageDirection;
  depth: number;
  open: readonly string[];
}

const mostNodes = 10_000;

export function useGraph({ root, direction, depth, open }: Asked) {
  const variables = [
    { roots: [root], direction, maxDepth: depth, maxNodes: mostNodes },
    ...open.map((id) => ({ roots: [id], direction: 'BOTH' as const, maxDepth: 1, maxNodes: 500 })),
  ];
  const found = useQueries({
    queries: variables.map((one) => ({
      queryKey: keyOf(documents.Lineage, one),
      queryFn: ({ signal }: { signal: AbortSignal }) => ask(documents.Lineage, one, { signal }),
    })),
  });
  const answers = found.map(({ data }) => data?.data.lineage);
  const versions = found.map(({ dataUpdatedAt }) => dataUpdatedAt).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the versions stand for the answers
  const graph = useMemo(() => (answers[0] ? merged(answers, open, depth) : undefined), [versions, open, depth]);
  const first = found[0];
  return {
    graph,
    failure: first?.error ?? (first?.data ? null : (first?.failureReason ?? null)),
    partial: found.slice(1).find(({ error }) => error)?.error ?? null,
    again: () => void Promise.all(found.map(({ refetch }) => refetch())),
  };
}

type Lineage = types.LineageQuery['lineage'];

function merged(answers: (Lineage | undefined)[], open: readonly string[], depth: number): Graph {
  const nodes = new Map<string, LineageNode>();
  const edges = new Map<string, LineageEdge>();
  const frontier = new Set<string>();
  answers.forEach((answer, at) => {
    for (const { artifact, depth: away } of answer?.nodes ?? []) {
      const isNew = !nodes.has(artifact.id);
      nodes.set(artifact.id, artifact);
      if (isNew && away === (at === 0 ? depth : 1)) frontier.add(artifact.id);
    }
    for (const edge of answer?.edges ?? []) edges.set(`${edge.parentId} ${edge.childId} ${edge.intentType}`, edge);
  });
  for (const id of open) frontier.delete(id);
  const first = answers[0];
  // Without a cut at the depth there is nothing beyond.
  if (!first?.truncatedBecause.includes('MAX_DEPTH') && open.length === 0) frontier.clear();
  const reasons = (first?.truncatedBecause ?? []).filter((reason) => reason !== 'MAX_DEPTH');
  return { nodes: [...nodes.values()], edges: [...edges.values()], frontier, reasons };
}

/** Ranks without gaps, by generation. */
export function ranksOf(nodes: readonly LineageNode[]): Uint32Array {
  const generations = [...new Set(nodes.map(({ generation }) => generation))].sort((a, b) => a - b);
  const rank = new Map(generations.map((generation, at) => [generation, at]));
  return Uint32Array.from(nodes, ({ generation }) => rank.get(generation) ?? 0);
}

export interface Placed {
  graph: Graph;
  layout: LayoutResult;
  at: ReadonlyMap<string, number>;
}

/** The layout of a graph, made by a worker; the former one stays until the new one is there. */
export function useLayout(graph: Graph | undefined): Placed | undefined {
  const worker = useRef<Worker | undefined>(undefined);
  const number = useRef(0);
  const [placed, setPlaced] = useState<Placed>();
  useEffect(() => {
    const made = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
    worker.current = made;
    return () => {
      made.terminate();
      worker.current = undefined;
    };
  }, []);
  useEffect(() => {
    const made = worker.current;
    if (!graph || !made) return;
    number.current += 1;
    const mine = number.current;
    const at = new Map(graph.nodes.map(({ id }, index) => [id, index]));
    const known = graph.edges.filter(({ parentId, childId }) => at.has(parentId) && at.has(childId));
    const edges = Uint32Array.from(
      known.flatMap(({ parentId, childId }) => [at.get(parentId) ?? 0, at.get(childId) ?? 0]),
    );
    const begun = performance.now();
    const take = ({ data }: MessageEvent<{ number: number; result: LayoutResult }>) => {
      if (data.number !== mine) return;
      performance.measure('lineage layout', { start: begun, end: performance.now() });
      setPlaced({ graph: { ...graph, edges: known }, layout: data.result, at });
    };
    made.addEventListener('message', take);
    made.postMessage({ number: mine, input: { ranks: ranksOf(graph.nodes), edges } });
    return () => made.removeEventListener('message', take);
  }, [graph]);
  return placed;
}
