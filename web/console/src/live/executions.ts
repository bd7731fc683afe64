/**
 * A list of executions that keeps itself up to date: pages of the server, and above them what the feed has told since.
 * A row never goes back to an earlier state, whichever answer comes first.
 */
import { useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState } from 'react';
import { ask, documents, type Failure, type types } from '../api';
import { onChanges } from './feed';

export type Row = types.ExecutionRowFragment;
export type Filter = types.ExecutionFilter;

const pageSize = 100;
const idsAtOnce = 100;
/** Rows that the feed has brought; of more the pages are asked for again. */
const mostPatched = 5_000;

const isOver = ({ status }: Row) => status === 'COMPLETED' || status === 'FAILED' || status === 'CANCELLED';

const isRow = (node: types.ExecutionRowsQuery['nodes'][number]): node is Row => node !== null && '__typename' in node;

/** The later of two states of one execution. */
export function later(one: Row, other: Row | undefined): Row {
  if (!other) return one;
  const rank = (row: Row) => (isOver(row) ? 2 : row.status === 'RUNNING' ? 1 : 0);
  const difference = rank(one) - rank(other) || one.attempt - other.attempt;
  return difference > 0 ? one : other;
}

/** Whether a filter finds a row; what it cannot tell is asked of the server. */
export function fits(row: Row, { status, intentType, sessionId, rootsOnly, createdAfter }: Filter): boolean {
  return (
    (!status || status.includes(row.status)) &&
    (!intentType || intentType.includes(row.intent.intentType)) &&
    (!sessionId || row.intent.session.id === sessionId) &&
    (!rootsOnly || row.parent === null) &&
    (!createdAfter || row.createdAt > createdAfter)
  );
}

export interface ExecutionList {
  rows: Row[];
  /** Rows that have come since the list was scrolled away from its beginning. */
  held: number;
  release(): void;
  data: boolean;
  failure: Error | null;
  isFormer: boolean;
  hasMore: boolean;
  isLoadingMore: boolean;
  loadMore(): void;
  again(): void;
  setTop(isTop: boolean): void;
}

export function useExecutions(filter: Filter, orderBy: types.ExecutionOrder): ExecutionList {
  const asked = JSON.stringify([filter, orderBy]);
  const found = useInfiniteQuery({
    queryKey: ['Executions', asked],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) =>
      ask(documents.Executions, { first: pageSize, after: pageParam, filter, orderBy }, { signal }).then(
        ({ data }) => data.executions,
      ),
    getNextPageParam: ({ pageInfo }) => (pageInfo.hasNextPage ? pageInfo.endCursor : null),
    staleTime: 0,
  });
  const { refetch } = found;
  const [patched, setPatched] = useState(new Map<string, Row>());
  const [floor, setFloor] = useState<string>();
  // biome-ignore lint/correctness/useExhaustiveDependencies: another list begins without what was told of this one
  useEffect(() => {
    setPatched(new Map());
    setFloor(undefined);
  }, [asked]);

  useEffect(() => {
    const waiting = new Set<string>();
    const abort = new AbortController();
    let isAsking = false;
    async function work() {
      if (isAsking) return;
      isAsking = true;
      while (waiting.size > 0 && !abort.signal.aborted) {
        const ids = [...waiting].slice(0, idsAtOnce);
        for (const id of ids) waiting.delete(id);
        const answer = await ask(documents.ExecutionRows, { ids }, { signal: abort.signal }).catch(
          (failure: Failure) => failure,
        );
        // What is missed now is asked for when the server is there again.
        if (answer instanceof Error) break;
        const rows = answer.data.nodes.filter(isRow);
        setPatched((before) => {
          const next = new Map(before);
          for (const row of rows) next.set(row.id, later(row, before.get(row.id)));
          return next;
        });
      }
      isAsking = false;
    }
    const end = onChanges((changes) => {
      for (const id of changes.keys()) waiting.add(id);
      void work();
    });
    return () => {
      end();
      abort.abort();
    };
  }, []);

  useEffect(() => {
    if (patched.size < mostPatched) return;
    setPatched(new Map());
    void refetch();
  }, [patched, refetch]);

  const pages = found.data?.pages;
  const all = useMemo(() => {
    if (!pages) return [];
    const sign = orderBy === 'NEWEST_FIRST' ? -1 : 1;
    const rows = new Map<string, Row>();
    for (const page of pages) for (const row of page.nodes) rows.set(row.id, later(row, patched.get(row.id)));
    const lastId = pages.at(-1)?.nodes.at(-1)?.id;
    const isWhole = !pages.at(-1)?.pageInfo.hasNextPage;
    for (const row of patched.values()) {
      const isInside = isWhole || (lastId !== undefined && (row.id < lastId ? -1 : 1) * sign < 0);
      if (isInside && !filter.idempotencyKey) rows.set(row.id, later(row, rows.get(row.id)));
    }
    const kept = [...rows.values()].filter((row) => fits(row, filter));
    return kept.sort((a, b) => (a.id < b.id ? -sign : a.id > b.id ? sign : 0));
  }, [pages, patched, filter, orderBy]);
  const rows = useMemo(() => (floor === undefined ? all : all.filter(({ id }) => id <= floor)), [all, floor]);
  const top = useRef<string | undefined>(undefined);
  top.current = all[0]?.id;

  return {
    rows,
    held: all.length - rows.length,
    release: () => setFloor(undefined),
    data: found.data !== undefined,
    failure: found.error ?? (found.data ? null : found.failureReason),
    isFormer: found.isPlaceholderData,
    hasMore: found.hasNextPage,
    isLoadingMore: found.isFetchingNextPage,
    loadMore: () => void found.fetchNextPage(),
    again: () => void found.refetch(),
    setTop(isTop) {
      if (isTop) setFloor(undefined);
      else if (orderBy === 'NEWEST_FIRST') setFloor((before) => before ?? top.current);
    },
  };
}
