// What is followed over more than one subscription: an execution's events to the terminal one, and feeds, which have no end.

import { EXECUTION_BY_ID, FEED_HEAD } from './documents.js';
import type { RequestOptions } from './http.js';
import type { Runtime } from './runtime.js';
import type { Following, Sink } from './socket.js';
import type { Execution, ExecutionStatus } from './types.js';
import { backoffMs } from './wait.js';

/** What ends an execution's events, and the status that it then has. */
export const ENDINGS: Readonly<Record<string, ExecutionStatus>> = {
  'execution.completed': 'COMPLETED',
  'execution.failed': 'FAILED',
  'execution.cancelled': 'CANCELLED',
};

export const isFinal = ({ status }: { readonly status: ExecutionStatus }): boolean => Object.values(ENDINGS).includes(status);

export function findExecution(
  { http }: Runtime, id: string, withResult: boolean, options: RequestOptions,
): Promise<Execution & { readonly result?: unknown }> {
  return http.find(EXECUTION_BY_ID, { id, withResult }, options, 'execution');
}

interface Batch {
  readonly cursor: string;
  readonly events: readonly never[];
}

interface Way {
  readonly document: string;
  readonly variables: Record<string, unknown>;
  /** The place behind which it begins. */
  after: string | undefined;
  /** Finds that place first. */
  readonly find?: ((signal: AbortSignal) => Promise<string | null>) | undefined;
  /** Gives back whether that was all. */
  take(batch: Batch): boolean;
  /** Asked when the server says that nothing follows, and nothing came before it. */
  isOver?(signal: AbortSignal): Promise<boolean>;
}

/** Follows `batch` of a subscription, and begins it anew behind its place where the server ends it before its time. */
function followBatches(runtime: Runtime, way: Way, sink: Sink<never>): Following {
  const controller = new AbortController();
  const { signal } = controller;
  let following: Following | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;

  function stop(): void {
    controller.abort();
    clearTimeout(timer);
    following?.stop();
  }

  function finish(): void {
    if (signal.aborted) return;
    stop();
    sink.complete();
  }

  function fail(error: unknown): void {
    if (!signal.aborted) sink.error(error);
  }

  function begin(): void {
    if (signal.aborted) return;
    let isNew = false;
    following = runtime.socket.follow(way.document, { ...way.variables, after: way.after }, {
      next({ data }) {
        const batch = data['batch'] as Batch;
        way.after = batch.cursor;
        isNew = true;
        failures = 0;
        if (way.take(batch)) finish();
      },
      error: fail,
      complete() {
        Promise.resolve(!isNew && way.isOver?.(signal)).then((isOver) => {
          if (isOver) finish();
          else timer = setTimeout(begin, backoffMs(failures++));
        }).catch(fail);
      },
    });
  }

  Promise.resolve(way.find ? way.find(signal) : way.after).then((place) => {
    way.after = place ?? undefined;
    begin();
  }).catch(fail);
  return {
    stop,
    pause: () => following?.pause() ?? false,
    resume: () => following?.resume(),
  };
}

interface Step {
  readonly type: string;
  readonly sequence: string;
}

/**
 * Follows the batches of an execution's events. Only a terminal event completes it; an event that is not behind the last
 * one is dropped.
 */
export function followEvents<E extends Step>(
  runtime: Runtime, document: string, id: string, after: string | undefined, sink: Sink<readonly E[]>,
): Following {
  let last = 0;
  return followBatches(runtime, {
    document,
    variables: { id },
    after,
    take({ events }) {
      const fresh = (events as readonly E[]).filter(({ sequence }) => Number(sequence) > last);
      if (fresh.length > 0) sink.next(fresh);
      last = Number(fresh.at(-1)?.sequence ?? last);
      return fresh.some(({ type }) => type in ENDINGS);
    },
    // So it is where `after` was the place of the terminal event.
    isOver: async (signal) => isFinal(await findExecution(runtime, id, false, { retryMs: Infinity, signal })),
  }, sink);
}

/** Where the feed of a session, or of the tenant, ends now; null while nothing has happened. */
export function findHead({ http }: Runtime, id: unknown, options: RequestOptions): Promise<string | null> {
  return http.find(FEED_HEAD, { id }, { retryMs: Infinity, ...options });
}

/** Follows a feed, which has no end: from now on, behind `after`, or where that is null from the oldest event that is kept. */
export function followFeed<E>(
  runtime: Runtime, document: string, variables: Record<string, unknown>, after: string | null | undefined, sink: Sink<readonly E[]>,
): Following {
  return followBatches(runtime, {
    document,
    variables,
    after: after ?? undefined,
    find: after === undefined ? (signal) => findHead(runtime, variables['id'], { signal }) : undefined,
    take({ events }) {
      sink.next(events);
      return false;
    },
  }, sink);
}
