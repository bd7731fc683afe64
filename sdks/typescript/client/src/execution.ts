// One execution: how it stands, its events, its result.

import { CANCEL, EVENTS, EXECUTION_BY_ID, RERUN, STATUS_EVENTS } from './documents.js';
import { TakeoffError, checked, invalid, type UserError } from './error.js';
import type { RequestOptions } from './http.js';
import { iterate } from './iterate.js';
import type { Runtime } from './runtime.js';
import { newKey } from './runtime.js';
import type { Following, Sink } from './socket.js';
import type { Execution, ExecutionEvent, ExecutionStatus } from './types.js';
import { backoffMs, sleep } from './wait.js';

export interface SignalOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface EventsOptions extends SignalOptions {
  /** Only events behind this cursor. */
  readonly after?: string | undefined;
}

export interface Accepted {
  readonly payload: { readonly execution: { readonly id: string } | null; readonly replayed: boolean; readonly errors: readonly UserError[] };
}

/** What ends an execution's events, and the status that it then has. */
export const ENDINGS: Readonly<Record<string, ExecutionStatus>> = {
  'execution.completed': 'COMPLETED',
  'execution.failed': 'FAILED',
  'execution.cancelled': 'CANCELLED',
};

export const isFinal = ({ status }: { readonly status: ExecutionStatus }): boolean => Object.values(ENDINGS).includes(status);

/** An execution by its id. Nothing is asked until one of its methods is called. */
export class ExecutionHandle<Result = unknown> {
  readonly id: string;
  /** True if the submit was known already and this is its execution. */
  readonly replayed: boolean;
  readonly #runtime: Runtime;

  constructor(runtime: Runtime, id: string, replayed = false) {
    if (!id) throw invalid('an execution needs an id', 'executionId');
    this.#runtime = runtime;
    this.id = id;
    this.replayed = replayed;
  }

  /** The execution as it stands. */
  status(options: RequestOptions = {}): Promise<Execution> {
    return findExecution(this.#runtime, this.id, false, options);
  }

  /** Its events, past ones first, to its terminal one, over lost connections: each once and in order. */
  events({ after, signal }: EventsOptions = {}): AsyncIterableIterator<ExecutionEvent> {
    const batches = iterate<readonly ExecutionEvent[]>((sink) => followEvents(this.#runtime, EVENTS, this.id, after, sink), signal);
    return oneByOne(batches, signal);
  }

  /**
   * Its result, as soon as it is there. One that fails or is cancelled is thrown as a `TakeoffError` with its code,
   * or `CANCELLED`.
   */
  async result({ signal }: SignalOptions = {}): Promise<Result> {
    const find = () => findExecution(this.#runtime, this.id, true, { signal, retryMs: Infinity });
    let found = await find();
    // What is read may lag behind the events.
    for (let failures = 0; !isFinal(found); failures++) {
      if (failures > 0) await sleep(backoffMs(failures), signal);
      const events = iterate<unknown>((sink) => followEvents(this.#runtime, STATUS_EVENTS, this.id, undefined, sink), signal);
      while (!(await events.next()).done);
      found = await find();
    }
    if (found.status === 'COMPLETED') return found.result as Result;
    const { code, message, retryable } = found.error ?? { code: 'CANCELLED', message: 'the execution was cancelled', retryable: false };
    throw new TakeoffError(found.status === 'CANCELLED' ? 'CANCELLED' : code, message, { retryable, data: found });
  }

  /** Cancels it, with its children. It may run on until its handler has stopped. */
  async cancel(reason?: string, { signal }: SignalOptions = {}): Promise<Execution> {
    type Answer = { payload: { execution: Execution; errors: UserError[] } };
    const input = { executionId: this.id, reason };
    return this.#runtime.http.ask(CANCEL, { input }, { signal }, ({ payload }: Answer) => checked(payload).execution);
  }

  /** Runs the intent of this finished execution again, as another execution. */
  async rerun(options: SignalOptions & { readonly idempotencyKey?: string | undefined } = {}): Promise<ExecutionHandle<Result>> {
    const { idempotencyKey = newKey(), signal } = options;
    const { http, retryMs } = this.#runtime;
    const input = { executionId: this.id, idempotencyKey };
    return http.ask(RERUN, { input }, { signal, retryMs }, (data: Accepted) => accepted(this.#runtime, data));
  }
}

export function accepted<Result>(runtime: Runtime, { payload }: Accepted): ExecutionHandle<Result> {
  const { execution, replayed } = checked(payload);
  return new ExecutionHandle<Result>(runtime, (execution as { id: string }).id, replayed);
}

export async function findExecution(
  { http, retryMs }: Runtime, id: string, withResult: boolean, options: RequestOptions,
): Promise<Execution & { readonly result?: unknown }> {
  type Answer = { execution: Execution | null };
  const found = await http.ask(EXECUTION_BY_ID, { id, withResult }, { retryMs, ...options }, ({ execution }: Answer) => execution);
  if (!found) throw new TakeoffError('NOT_FOUND', `there is no execution ${id} for the caller`);
  return found;
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
  let following: Following | undefined;
  const checking = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let cursor = after;
  let last = 0;
  let isOver = false;
  let failures = 0;

  function begin(): void {
    let isNew = false;
    following = runtime.socket.follow(document, { id, after: cursor }, {
      next({ data }) {
        const batch = data['executionEvents'] as { cursor: string; events: readonly E[] };
        cursor = batch.cursor;
        const events = batch.events.filter(({ sequence }) => Number(sequence) > last);
        if (events.length === 0) return;
        isNew = true;
        failures = 0;
        last = Number(events.at(-1)?.sequence);
        isOver = events.some(({ type }) => type in ENDINGS);
        sink.next(events);
        if (isOver) {
          following?.stop();
          sink.complete();
        }
      },
      error: (error) => sink.error(error),
      complete() {
        if (!isOver) timer = setTimeout(isNew ? begin : check, backoffMs(failures++));
      },
    });
  }

  /** The server says that nothing follows: so it is where `after` was the place of the terminal event. */
  function check(): void {
    findExecution(runtime, id, false, { retryMs: Infinity, signal: checking.signal }).then((found) => {
      if (isOver) return;
      if (isFinal(found)) {
        isOver = true;
        sink.complete();
      } else begin();
    }, (error: unknown) => {
      if (!isOver) sink.error(error);
    });
  }

  begin();
  return {
    stop() {
      isOver = true;
      clearTimeout(timer);
      checking.abort();
      following?.stop();
    },
    pause: () => following?.pause() ?? false,
    resume: () => following?.resume(),
  };
}

function oneByOne<T>(batches: AsyncIterableIterator<readonly T[]>, signal: AbortSignal | undefined): AsyncIterableIterator<T> {
  const waiting: T[] = [];
  return {
    async next() {
      // What has come already is not wanted any more.
      signal?.throwIfAborted();
      while (waiting.length === 0) {
        const batch = await batches.next();
        if (batch.done) return batch;
        waiting.push(...batch.value);
      }
      return { value: waiting.shift() as T, done: false };
    },
    async return() {
      waiting.length = 0;
      await batches.return?.();
      return { value: undefined, done: true };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
