/**
 * A list of executions that keeps itself up to date: pages of the server, and above them what the feed has told since.
 * A row never goes back to an earlier state, whichever answer comes first.
 */
import { useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState } from 'react';
import { ask, documents, type Failure, type types } from '../api';
import { onChanges } from './feed';
import { type Filter, inOrder, later, orders, type Row } from './rows';

export type { Filter, Row } from './rows';

const pageSize = 100;
const idsAtOnce = 100;
/** Rows that the feed has brought; of more the pages are asked for again. */
const mostPatched = 5_000;

const isRow = (node: types.ExecutionRowsQuery['nodes'][number]): node is Row => node !== null && '__typename' in node;

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
    const { placeOf, sign } = orders[orderBy];
    const rows = new Map<string, Row>();
    for (const page of pages) for (const row of page.nodes) rows.set(row.id, later(row, patched.get(row.id)));
    const lastRow = pages.at(-1)?.nodes.at(-1);
    const last = lastRow && placeOf(lastRow);
    const isWhole = !pages.at(-1)?.pageInfo.hasNextPage;
    for (const row of patched.values()) {
      const place = placeOf(row);
      const isInside = isWhole || (last && place !== null && (place < last ? -1 : 1) * sign < 0);
      if (isInside && !filter.idempotencyKey) rows.set(row.id, later(row, rows.get(row.id)));
    }
    return inOrder([...rows.values()], filter, orderBy);
  }, [pages, patched, filter, orderBy]);
  const { placeOf, sign } = orders[orderBy];
  const rows = useMemo(
    () => (floor === undefined ? all : all.filter((row) => (placeOf(row) ?? '') <= floor)),
    [all, floor, placeOf],
  );
  const top = useRef<string | undefined>(undefined);
  top.current = (all[0] && placeOf(all[0])) ?? undefined;

  return {
    rows,
    held: all.length - rows.length,
    release: () => setFloor(undefined),
    data: found.data !== undefined,
    failure: found.error ?? (found.data ? null : found.failureReason),
    isFormer: found.isPlaceholderData,
    // Where a page has failed, the next attempt is for people to ask for.
    hasMore: found.hasNextPage && found.error === null,
    isLoadingMore: found.isFetchingNextPage,
    loadMore: () => void found.fetchNextPage(),
    again: () => void found.refetch(),
    setTop(isTop) {
      if (isTop) setFloor(undefined);
      else if (sign < 0) setFloor((before) => before ?? top.current);
    },
  };
}
