/**
 * The feed of the tenant's events, begun at its present end and shared by all of the page. Whoever listens is told which
 * executions have changed, at most four times a second.
 */
import { useEffect, useRef } from 'react';
import { ask, documents, type Failure, follow, onReturn, queries, session, store } from '../api';

export interface Change {
  executionId: string;
  /** The execution is new. */
  isNew: boolean;
  /** What happened, the last last. */
  types: string[];
}

const everyMs = 250;
type Listener = (changes: ReadonlyMap<string, Change>) => void;

const listeners = new Set<Listener>();
let changes = new Map<string, Change>();
let _timer: ReturnType<typeof setTimeout> | undefined;
let stop: (() => void) | undefined;

/** Why there is no feed. */
export const feedFailure = store<Failure | undefined>(undefined);

function tell() {
  _timer = undefined;
  const now = changes;
  changes = new Map();
  for (const run of listeners) run(now);
}

function take(executionId: string, type: string) {
  const change = changes.get(executionId) ?? { executionId, isNew: false, types: [] };
  changes.set(executionId, change);
  change.isNew ||= type === 'execution.created';
  change.types.push(type);
  _timer ??= setTimeout(tell, everyMs);
}

async function begin(signal: AbortSignal) {
  const { data } = await ask(documents.FeedHead, {}, { signal });
  if (signal.aborted) return;
  const end = follow(
    documents.Feed,
    { after: data.feedHead },
    {
      next({ tenantEvents: { events } }) {
        for (const { executionId, type } of events) take(executionId, type);
      },
      refused(failure) {
        if (failure.code === 'CURSOR_EXPIRED') restart();
        else feedFailure.set(failure);
      },
    },
  );
  signal.addEventListener('abort', end);
}

function restart() {
  stop?.();
  const abort = new AbortController();
  stop = () => abort.abort();
  const run = () => {
    begin(abort.signal).then(
      () => queries.invalidateQueries(),
      (failure: Failure) => {
        if (abort.signal.aborted) return;
        if (failure.kind === 'network') setTimeout(() => !abort.signal.aborted && run(), 1_000);
        else feedFailure.set(failure);
      },
    );
  };
  feedFailure.set(undefined);
  run();
}

/**
 * Starts the feed for the caller that is known now, unless it runs. The sooner, the better: what is asked for after the
 * head of the feed is known need not be asked for again.
 */
export function startFeed(): () => void {
  if (!stop) restart();
  return () => {
    stop?.();
    stop = undefined;
  };
}

session.follow(() => stop && restart());
onReturn(() => stop && feedFailure.get()?.kind === 'network' && restart());

export function onChanges(run: Listener): () => void {
  listeners.add(run);
  return () => listeners.delete(run);
}

/** Runs after changes that matter, once in so many milliseconds at most, for as long as the component is there. */
export function useChanges(
  run: () => void,
  leastMs: number,
  matters: (changes: ReadonlyMap<string, Change>) => boolean = () => true,
) {
  const latest = useRef({ run, matters });
  latest.current = { run, matters };
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = onChanges((found) => {
      if (!latest.current.matters(found)) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        latest.current.run();
      }, leastMs);
    });
    return () => {
      end();
      clearTimeout(timer);
    };
  }, [leastMs]);
}
