// One execution: how it stands, its events, its result.

import { CANCEL, EVENTS, RERUN, STATUS_EVENTS } from './documents.js';
import { TakeoffError, need, type UserError } from './error.js';
import type { RequestOptions } from './http.js';
import { findExecution, followEvents, isFinal } from './follow.js';
import { iterate } from './iterate.js';
import type { Runtime } from './runtime.js';
import { newKey } from './runtime.js';
import type { Execution, ExecutionEvent } from './types.js';
import { backoffMs, sleep } from './wait.js';

export interface SignalOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface EventsOptions extends SignalOptions {
  /** Only events behind this cursor. */
  readonly after?: string | undefined;
}

export interface RerunOptions extends SignalOptions {
  /** Made by the client when left out, so that a request that is sent again is the same. */
  readonly idempotencyKey?: string | undefined;
}

/** An execution by its id. Nothing is asked until one of its methods is called. */
export class ExecutionHandle<Result = unknown> {
  readonly id: string;
  /** True if the submit was known already and this is its execution. */
  readonly replayed: boolean;
  readonly #runtime: Runtime;

  constructor(runtime: Runtime, id: string, replayed = false) {
    need(id, 'executionId');
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
    return iterate((sink) => followEvents(this.#runtime, EVENTS, this.id, after, sink), signal);
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
      const events = iterate((sink) => followEvents(this.#runtime, STATUS_EVENTS, this.id, undefined, sink), signal);
      while (!(await events.next()).done);
      found = await find();
    }
    if (found.status === 'COMPLETED') return found.result as Result;
    const { code, message, retryable } = found.error ?? { code: 'CANCELLED', message: 'the execution was cancelled', retryable: false };
    throw new TakeoffError(found.status === 'CANCELLED' ? 'CANCELLED' : code, message, { retryable, data: found });
  }

  /** Cancels it, with its children. It may run on until its handler has stopped. */
  async cancel(reason?: string, { signal }: SignalOptions = {}): Promise<Execution> {
    type Answer = { execution: Execution; errors: UserError[] };
    return (await this.#runtime.http.change<Answer>(CANCEL, { executionId: this.id, reason }, { signal })).execution;
  }

  /** Runs the intent of this finished execution again, as another execution. */
  rerun({ idempotencyKey = newKey(), signal }: RerunOptions = {}): Promise<ExecutionHandle<Result>> {
    return submitted(this.#runtime, RERUN, { executionId: this.id, idempotencyKey }, { signal });
  }
}

interface Accepted {
  readonly execution: { readonly id: string };
  readonly replayed: boolean;
  readonly errors: readonly UserError[];
}

/** What has a key, or an id that it brings: it is submitted once, however often it is sent. */
export async function submitted<Result>(runtime: Runtime, mutation: string, input: object, options: SignalOptions): Promise<ExecutionHandle<Result>> {
  const { execution, replayed } = await runtime.http.change<Accepted>(mutation, input, { retryMs: runtime.http.retryMs, ...options });
  return new ExecutionHandle<Result>(runtime, execution.id, replayed);
}
