/** Answers of the server as components use them, kept by TanStack Query. */
import { keepPreviousData, QueryClient, useQuery } from '@tanstack/react-query';
import { type Answer, ask } from './ask';
import { session } from './caller';
import { onReturn } from './client';
import type { Document } from './document';
import { Failure } from './failure';

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      gcTime: 120_000,
      refetchOnWindowFocus: false,
      // Whether the server is there is for the server to say, not for the browser.
      networkMode: 'always',
      retry: (count, fault) => fault instanceof Failure && fault.kind === 'network' && count < 8,
      retryDelay: (count) => Math.min(500 * 2 ** count, 4_000),
    },
    mutations: { networkMode: 'always' },
  },
});

onReturn(() => void queries.invalidateQueries());
// What one caller was told is not shown to the next.
session.follow(() => queries.clear());

export const keyOf = (document: { name: string }, variables: unknown) => [document.name, variables] as const;

/** What a page has of an answer: data, why there is none, and what is missing in it. */
export interface Shown<Data> {
  data: Data | undefined;
  failure: Error | null;
  isPartial: boolean;
  partial: Answer<Data>['partial'];
  isLoading: boolean;
  isFetching: boolean;
  again(): void;
}

export interface UseAskOptions {
  isOn?: boolean;
  /** Shows the answer to other variables until this one is there. */
  keepsFormer?: boolean;
  staleMs?: number;
}

export function useAsk<Data, Variables>(
  document: Document<Data, Variables>,
  variables: Variables,
  { isOn = true, keepsFormer = false, staleMs }: UseAskOptions = {},
): Shown<Data> {
  const found = useQuery({
    queryKey: keyOf(document, variables),
    queryFn: ({ signal }) => ask(document, variables, { signal }),
    enabled: isOn,
    ...(keepsFormer && { placeholderData: keepPreviousData }),
    ...(staleMs !== undefined && { staleTime: staleMs }),
  });
  const partial = found.data?.partial ?? [];
  return {
    data: found.data?.data,
    failure: found.error ?? (found.failureCount > 0 && !found.data ? found.failureReason : null),
    isPartial: partial.length > 0,
    partial,
    isLoading: found.isPending && found.fetchStatus !== 'idle',
    isFetching: found.isFetching,
    again: () => void found.refetch(),
  };
}
