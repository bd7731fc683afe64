// One session and its state, which is changed by compare-and-set.

import { SESSION_BY_ID, SET_STATE } from './documents.js';
import { TakeoffError, need, type UserError } from './error.js';
import type { RequestOptions } from './http.js';
import type { Runtime } from './runtime.js';
import type { Session } from './types.js';

/** How often an update is made anew because another one came between. */
const MAX_UPDATES = 10;

export interface WriteOptions {
  /** Write only when the state has this version; else the error is `STALE_VERSION`. */
  readonly ifVersion?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class SessionHandle {
  readonly id: string;
  readonly #runtime: Runtime;

  constructor(runtime: Runtime, id: string) {
    need(id, 'sessionId');
    this.#runtime = runtime;
    this.id = id;
  }

  get(options: RequestOptions = {}): Promise<Session> {
    return this.#runtime.http.find(SESSION_BY_ID, { id: this.id }, options, 'session');
  }

  /** Writes the whole state. */
  set(state: unknown, options: WriteOptions = {}): Promise<Session> {
    return this.#write('REPLACE', state, options);
  }

  /** Writes some of it: a JSON Merge Patch, in which `null` removes a member. */
  merge(patch: unknown, options: WriteOptions = {}): Promise<Session> {
    return this.#write('MERGE', patch, options);
  }

  /** Makes the new state of the one that is there, and again when another writer was first: nothing is overwritten unseen. */
  async update(change: (state: unknown) => unknown, { signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<Session> {
    for (let updates = 1; ; updates++) {
      const { state, stateVersion } = await this.get({ signal });
      try {
        return await this.set(change(state), { ifVersion: stateVersion, signal });
      } catch (error) {
        if (updates === MAX_UPDATES || !(error instanceof TakeoffError) || error.code !== 'STALE_VERSION') throw error;
      }
    }
  }

  async #write(mode: 'REPLACE' | 'MERGE', state: unknown, { ifVersion, signal }: WriteOptions): Promise<Session> {
    type Answer = { session: Session; errors: UserError[] };
    const input = { sessionId: this.id, mode, state, ifVersion };
    return (await this.#runtime.http.change<Answer>(SET_STATE, input, { signal })).session;
  }
}
