/** The events of one execution: pages from its beginning, and the tail by push once the end is reached. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import { ask, documents, type Failure, follow, type types } from '../api';

export type EventLine = types.EventLineFragment;

const pageSize = 200;
/** Events that are held; the first ones are let go of. */
const most = 20_000;

export function useEvents(id: string) {
  const found = useInfiniteQuery({
    queryKey: ['ExecutionEvents', id],
    initialPageParam: null as string | null,
    queryFn: async ({ pageParam, signal }) => {
      const { data } = await ask(documents.ExecutionEvents, { id, first: pageSize, after: pageParam }, { signal });
      return data.execution?.events ?? { nodes: [], pageInfo: { hasNextPage: false, endCursor: null } };
    },
    getNextPageParam: ({ pageInfo }) => (pageInfo.hasNextPage ? pageInfo.endCursor : null),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const [tail, setTail] = useState<EventLine[]>([]);
  const [refused, setRefused] = useState<Failure>();
  const pages = found.data?.pages;
  const lastPage = pages?.at(-1);
  const isAtEnd = lastPage !== undefined && !lastPage.pageInfo.hasNextPage;
  const cursor = isAtEnd ? (lastPage.pageInfo.endCursor ?? null) : undefined;

  useEffect(() => {
    setTail([]);
    setRefused(undefined);
    if (cursor === undefined) return;
    return follow(
      documents.Watch,
      { id, after: cursor },
      {
        next({ executionEvents }) {
          setTail((before) => [...before, ...executionEvents.events].slice(-most));
        },
        refused: setRefused,
      },
    );
  }, [id, cursor]);

  const events = useMemo(() => [...(pages ?? []).flatMap(({ nodes }) => nodes), ...tail], [pages, tail]);
  return {
    events,
    isThere: pages !== undefined,
    failure: found.error ?? refused ?? null,
    hasMore: found.hasNextPage,
    isLoadingMore: found.isFetchingNextPage,
    loadMore: () => void found.fetchNextPage(),
    again: () => void found.refetch(),
  };
}
