/**
 * Subscriptions over the one WebSocket of the page. Each goes on from its last cursor after the connection was lost,
 * so that nothing is missed and nothing comes twice.
 */
import { revive } from './caller';
import { client } from './client';
import type { Document } from './document';
import { type Failure, failureOf } from './failure';

export interface Follower<Data> {
  next(data: Data): void;
  /** The server refuses it; nothing more will come. */
  refused(failure: Failure): void;
}

/** Follows a subscription until it is told to stop. */
export function follow<Data, Variables extends { after?: string | null }>(
  document: Document<Data, Variables>,
  variables: Variables,
  { next, refused }: Follower<Data>,
): () => void {
  const following = client().follow<Data, Variables>(document.text, variables, {
    next,
    error(error) {
      const failure = failureOf(error);
      // The client was closed because there is another caller.
      if (failure.code === 'CLOSED') return;
      if (failure.kind === 'proof') revive('The session has ended: its key or token is not valid any more.');
      else refused(failure);
    },
    complete() {},
  });
  return () => following.stop();
}
