// Queries and mutations by POST. A request is sent again only where that cannot do anything twice: reads, and submits
// with an idempotency key, as the caller says by `retryMs`; and one that was refused for its token.

import { TakeoffError, checked, ofGraphql, type GraphqlError, type UserError } from './error.js';
import type { Tokens } from './token.js';
import { backoffMs, sleep, unlessAborted } from './wait.js';

/** The server ends what takes longer than 10 s. A connection that is dead without a word is noticed by this alone. */
const TIMEOUT_MS = 15_000;

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** For how long the request may be sent again after a passing failure; not at all when left out. */
  readonly retryMs?: number | undefined;
  /** Is told of each failure after which the request is sent again. */
  readonly onRetry?: ((error: TakeoffError) => void) | undefined;
}

export interface HttpSettings {
  readonly url: URL;
  readonly tokens: Tokens;
  readonly fetch: typeof fetch | undefined;
  readonly headers: (() => Record<string, string>) | undefined;
}

interface Answer {
  readonly data?: unknown;
  readonly errors?: readonly GraphqlError[];
}

interface Reply {
  readonly status: number;
  readonly answer: Answer | null;
}

export function parsed<T>(text: string): T | null {
  try {
    return JSON.parse(text) as T;
  } catch {
    return null;
  }
}

/** A browser does not tell a server that is away from one that refuses the page's origin. */
export function unreachable(url: URL, cause?: unknown): TakeoffError {
  const origin = globalThis.location?.origin;
  const hint = origin && origin !== url.origin ? `, or its http.cors_origins lacks ${origin}` : '';
  return new TakeoffError('NETWORK', `${url} cannot be reached${hint}`, { retryable: true, cause });
}

export class Http {
  /** For how long reads, and submits with a key, are sent again. */
  readonly retryMs: number;
  readonly #settings: HttpSettings;

  constructor(settings: HttpSettings, retryMs: number) {
    this.retryMs = retryMs;
    this.#settings = settings;
  }

  /** What `read` makes of the data; its errors count as the request's. */
  async ask<T>(query: string, variables: unknown, options: RequestOptions, read: (data: never) => T): Promise<T> {
    const { signal, retryMs = 0, onRetry } = options;
    const end = Date.now() + retryMs;
    for (let failures = 0; ; failures++) {
      try {
        return read((await this.#once(query, variables, signal)) as never);
      } catch (error) {
        if (signal?.aborted || !(error instanceof TakeoffError) || !error.retryable) throw error;
        const wait = Math.max(error.retryAfterMs ?? 0, backoffMs(failures));
        if (Date.now() + wait > end) throw error;
        onRetry?.(error);
        await sleep(wait, signal);
      }
    }
  }

  /** The one field of a query, which is sent again while the server is away. `what` has the name of what must be there. */
  find<T>(query: string, variables: Readonly<Record<string, unknown>>, options: RequestOptions = {}, what?: string): Promise<T> {
    return this.ask(query, variables, { retryMs: this.retryMs, ...options }, (data: Record<string, T>) => {
      const [found] = Object.values(data);
      if (what && !found) throw new TakeoffError('NOT_FOUND', `there is no ${what} ${variables['id']} for the caller`);
      return found as T;
    });
  }

  /** The payload of a mutation. */
  change<P extends { errors: readonly UserError[] }>(mutation: string, input: object, options: RequestOptions): Promise<P> {
    return this.ask(mutation, { input }, options, (data: { payload: P }) => checked(data.payload));
  }

  async #once(query: string, variables: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    const { tokens, url } = this.#settings;
    const token = await unlessAborted(tokens.get(), signal);
    let reply = await this.#send(query, variables, token, signal);
    if (reply.status === 401 && token) {
      tokens.refuse(token);
      reply = await this.#send(query, variables, await unlessAborted(tokens.get(), signal), signal);
    }
    const { status, answer } = reply;
    if (answer?.errors?.length) throw ofGraphql(answer.errors, answer.data, status);
    if (!answer?.data) {
      const retryable = status === 429 || status >= 500;
      throw new TakeoffError('BAD_ANSWER', `${url} answered ${status} without GraphQL`, { status, retryable });
    }
    return answer.data;
  }

  async #send(query: string, variables: unknown, token: string | undefined, signal: AbortSignal | undefined): Promise<Reply> {
    const { url, fetch = globalThis.fetch, headers } = this.#settings;
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/graphql-response+json, application/json',
          ...headers?.(),
          ...(token && { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify({ query, variables }),
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      // An answer that breaks off is none.
      return { status: response.status, answer: parsed(await response.text()) };
    } catch (cause) {
      if (signal?.aborted) throw cause;
      throw unreachable(url, cause);
    }
  }
}
