// Queries and mutations by POST. A request is sent again only where that cannot do anything twice: reads, and submits
// with an idempotency key, as the caller says by `retryMs`; and one that was refused for its token.

import { TakeoffError, ofGraphql, type GraphqlError } from './error.js';
import type { Tokens } from './token.js';
import { backoffMs, sleep } from './wait.js';

/** The server ends what takes longer than 10 s. A connection that is dead without a word is noticed by this alone. */
const TIMEOUT_MS = 15_000;

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** For how long the request may be sent again after a passing failure; not at all when left out. */
  readonly retryMs?: number | undefined;
}

export interface HttpSettings {
  readonly url: URL;
  readonly tokens: Tokens;
  readonly fetch: typeof fetch;
  readonly headers: () => Record<string, string>;
}

interface Answer {
  readonly data?: unknown;
  readonly errors?: readonly GraphqlError[];
}

export class Http {
  readonly #settings: HttpSettings;

  constructor(settings: HttpSettings) {
    this.#settings = settings;
  }

  /** What `read` makes of the data; its errors count as the request's. */
  async ask<T>(query: string, variables: unknown, options: RequestOptions, read: (data: never) => T): Promise<T> {
    const { signal, retryMs = 0 } = options;
    const end = Date.now() + retryMs;
    for (let failures = 0; ; failures++) {
      try {
        return read((await this.#once(query, variables, signal)) as never);
      } catch (error) {
        if (signal?.aborted || !(error instanceof TakeoffError) || !error.retryable) throw error;
        const wait = Math.max(error.retryAfterMs ?? 0, backoffMs(failures));
        if (Date.now() + wait > end) throw error;
        await sleep(wait, signal);
      }
    }
  }

  async #once(query: string, variables: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    const { tokens } = this.#settings;
    const token = await tokens.get();
    let response = await this.#send(query, variables, token, signal);
    if (response.status === 401 && token) {
      tokens.refuse(token);
      response = await this.#send(query, variables, await tokens.get(), signal);
    }
    const { status } = response;
    const answer = (await response.json().catch(() => null)) as Answer | null;
    signal?.throwIfAborted();
    if (answer?.errors?.length) throw ofGraphql(answer.errors, answer.data, status);
    if (!answer?.data) {
      const retryable = status === 429 || status >= 500;
      throw new TakeoffError('BAD_ANSWER', `an answer that is not one of the API, with status ${status}`, { status, retryable });
    }
    return answer.data;
  }

  async #send(query: string, variables: unknown, token: string | undefined, signal: AbortSignal | undefined): Promise<Response> {
    const { url, fetch, headers } = this.#settings;
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    try {
      return await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/graphql-response+json, application/json',
          ...headers(),
          ...(token && { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify({ query, variables }),
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
    } catch (cause) {
      if (signal?.aborted) throw cause;
      throw new TakeoffError('NETWORK', 'the server cannot be reached', { retryable: true, cause });
    }
  }
}
