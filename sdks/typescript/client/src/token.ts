// Tokens that live for minutes. The page's callback is asked for one at a time, kept until three quarters of its life
// are over, and asked again at once when the server refuses it.

import { TakeoffError } from './error.js';

/** A token with its end: RFC 3339 as the server gives it, or milliseconds since 1970. */
export interface Token {
  readonly token: string;
  readonly expiresAt?: string | number | Date | null;
}

/**
 * Gives a valid token. One that throws is asked again, unless it throws a `TakeoffError` that is not retryable. Of a text that is
 * a JWT the life is read from `iat` and `exp`.
 */
export type TokenSource = () => string | Token | Promise<string | Token>;

/** The time for the page's answer. */
const ANSWER_MS = 30_000;
/** No token is asked for more often. */
const MIN_LIFE_MS = 2_000;
/** That of a token which has ended already by the clock here: so the clock is wrong. */
const UNKNOWN_LIFE_MS = 30_000;

interface Kept {
  readonly text: string;
  /** When a fresh one is to be asked for; infinite where the end is not known. */
  readonly renewAt: number;
}

export class Tokens {
  #source: TokenSource | undefined;
  #kept: Kept | undefined;
  #asking: Promise<Kept> | undefined;

  constructor(source: TokenSource | undefined) {
    this.#source = source;
  }

  /** Milliseconds until a fresh one is to be asked for. */
  get renewInMs(): number {
    return Math.max((this.#kept?.renewAt ?? Infinity) - Date.now(), 0);
  }

  /** A token that is good for now; none where the page has no callback. */
  async get(): Promise<string | undefined> {
    if (!this.#source) return undefined;
    if (this.#kept && this.renewInMs > 0) return this.#kept.text;
    // Who asks while another asks gets the same.
    this.#asking ??= this.#ask(this.#source).finally(() => {
      this.#asking = undefined;
    });
    this.#kept = await this.#asking;
    return this.#kept.text;
  }

  /** The server has refused it. Another one that came meanwhile stays. */
  refuse(text: string | undefined): void {
    if (this.#kept?.text === text) this.#kept = undefined;
  }

  async #ask(source: TokenSource): Promise<Kept> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('no answer within 30 s')), ANSWER_MS);
    });
    try {
      const given = await Promise.race([source(), late]);
      const { token, expiresAt = null } = typeof given === 'string' ? { token: given } : given ?? {};
      if (!token || typeof token !== 'string') throw new Error(`\`token\` gave ${JSON.stringify(given)}, not a text or { token, expiresAt }`);
      const now = Date.now();
      const left = expiresAt == null ? lifeOf(token) : new Date(expiresAt).getTime() - now;
      const life = left > 0 ? Math.max(left * 0.75, MIN_LIFE_MS) : UNKNOWN_LIFE_MS;
      return { text: token, renewAt: now + life };
    } catch (cause) {
      // The page says itself that there is none.
      if (cause instanceof TakeoffError) throw cause;
      throw new TakeoffError('TOKEN_UNAVAILABLE', `the page has no token: ${(cause as Error)?.message ?? cause}`, { retryable: true, cause });
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The milliseconds that a JWT has from its making, which does not depend on the clock here; infinite for other tokens. */
function lifeOf(token: string): number {
  try {
    const claims = JSON.parse(atob((token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/'))) as { exp?: unknown; iat?: unknown };
    const { exp, iat = Date.now() / 1_000 } = claims;
    return typeof exp === 'number' ? (exp - Number(iat)) * 1_000 : Infinity;
  } catch {
    return Infinity;
  }
}
