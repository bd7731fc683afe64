/** Lists of the server, page by page. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { ask } from './ask';
import type { Document } from './document';

interface Page<Row> {
  nodes: readonly Row[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

export interface Pages<Row> {
  rows: Row[];
  isThere: boolean;
  failure: Error | null;
  hasMore: boolean;
  isLoadingMore: boolean;
  loadMore(): void;
  again(): void;
}

/** The pages of a list, as far as they were asked for. `pick` takes the page out of an answer. */
export function usePages<Data, Variables extends { first?: number | null; after?: string | null }, Row>(
  document: Document<Data, Variables>,
  variables: Omit<Variables, 'after'>,
  pick: (data: Data) => Page<Row>,
): Pages<Row> {
  const found = useInfiniteQuery({
    queryKey: [document.name, 'pages', variables],
    initialPageParam: null as string | null,
    queryFn: async ({ pageParam, signal }) => {
      const { data } = await ask(document, { ...variables, after: pageParam } as Variables, { signal });
      return pick(data);
    },
    getNextPageParam: ({ pageInfo }) => (pageInfo.hasNextPage ? pageInfo.endCursor : null),
  });
  return {
    rows: found.data?.pages.flatMap(({ nodes }) => nodes) ?? [],
    isThere: found.data !== undefined,
    failure: found.error ?? (found.data ? null : found.failureReason),
    hasMore: found.hasNextPage,
    isLoadingMore: found.isFetchingNextPage,
    loadMore: () => void found.fetchNextPage(),
    again: () => void found.refetch(),
  };
}
