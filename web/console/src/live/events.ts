/**
 * The events of one execution: pages from its end, or from its beginning, and the tail by push once its end is there.
 */
import { type InfiniteData, useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import { ask, documents, type Failure, follow, type types } from '../api';

export type EventLine = types.EventLineFragment;

const pageSize = 200;
/** Events that are held of the tail; the first ones are let go of. */
const most = 20_000;

export interface EventsAsked {
  /** Events of these types; of all when left out. */
  types?: string[] | undefined;
  isOldestFirst: boolean;
}

interface Page {
  events: NonNullable<types.ExecutionEventsQuery['execution']>['events'];
  /** After which event the tail begins, of a page that has the end of the log. */
  head?: string | null;
}

const none: Page['events'] = {
  nodes: [],
  pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
};

async function read(id: string, asked: EventsAsked, cursor: string | null, signal: AbortSignal): Promise<Page> {
  const { types = null, isOldestFirst } = asked;
  const get = async (variables: Omit<types.ExecutionEventsQueryVariables, 'id'>) => {
    const { data } = await ask(documents.ExecutionEvents, { id, ...variables }, { signal });
    return data.execution?.events ?? none;
  };
  // Of some types alone, the end of the page is not that of the log. What comes in between comes twice, not never.
  const first = types && cursor === null ? await get({ last: 1 }) : undefined;
  const events = await get(
    isOldestFirst ? { first: pageSize, after: cursor, types } : { last: pageSize, before: cursor, types },
  );
  const isEnd = isOldestFirst ? !events.pageInfo.hasNextPage : cursor === null;
  if (!isEnd) return { events };
  return { events, head: first ? first.pageInfo.endCursor : events.pageInfo.endCursor };
}

/** The newest first, or the oldest. */
export function useEvents(id: string, { types, isOldestFirst }: EventsAsked) {
  const asked = JSON.stringify(types ?? null);
  const found = useInfiniteQuery<Page, Error, InfiniteData<Page>, unknown[], string | null>({
    queryKey: ['ExecutionEvents', id, asked, isOldestFirst],
    initialPageParam: null,
    queryFn: ({ pageParam, signal }) => read(id, { types, isOldestFirst }, pageParam, signal),
    getNextPageParam: ({ events: { pageInfo } }) =>
      isOldestFirst
        ? pageInfo.hasNextPage
          ? pageInfo.endCursor
          : null
        : pageInfo.hasPreviousPage
          ? pageInfo.startCursor
          : null,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const [tail, setTail] = useState<EventLine[]>([]);
  const [refused, setRefused] = useState<Failure>();
  const pages = found.data?.pages;
  const cursor = pages?.find(({ head }) => head !== undefined)?.head;

  useEffect(() => {
    setTail([]);
    setRefused(undefined);
    if (cursor === undefined) return;
    const wanted: string[] | null = JSON.parse(asked);
    return follow(
      documents.Watch,
      { id, after: cursor },
      {
        next({ executionEvents }) {
          const events = executionEvents.events.filter(({ type }) => !wanted || wanted.includes(type));
          if (events.length > 0) setTail((before) => [...before, ...events].slice(-most));
        },
        refused: setRefused,
      },
    );
  }, [id, asked, cursor]);

  const events = useMemo(() => {
    const read = (pages ?? []).map(({ events: { nodes } }) => nodes);
    const inOrder = isOldestFirst ? read.flat() : read.toReversed().flat();
    const all = [...new Map([...inOrder, ...tail].map((event) => [event.id, event])).values()];
    return isOldestFirst ? all : all.reverse();
  }, [pages, tail, isOldestFirst]);
  return {
    events,
    isThere: pages !== undefined,
    failure: found.error ?? refused ?? null,
    // Where a page has failed, the next attempt is for people to ask for.
    hasMore: found.hasNextPage && found.error === null,
    isLoadingMore: found.isFetchingNextPage,
    loadMore: () => void found.fetchNextPage(),
    again: () => void found.refetch(),
  };
}
