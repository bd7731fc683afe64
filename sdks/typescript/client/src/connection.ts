// How current a page is.

import type { TakeoffError } from './error.js';

export type ConnectionStatus = 'idle' | 'connecting' | 'live' | 'reconnecting';

/**
 * The state of the client's one socket. `idle`: nothing is followed. `live`: what happens is shown as it happens.
 * `reconnecting`: what is shown may be old; it was current at `staleSince`, in milliseconds since 1970.
 */
export interface Connection {
  readonly status: ConnectionStatus;
  readonly staleSince: number | null;
  /** Why it is not live: what the last try, which is followed by another one, came to. */
  readonly error?: TakeoffError;
}

/** Runs what a page has passed. What it throws goes where faults of the page go, and stops nothing here. */
export function guard(run: () => void): void {
  try {
    run();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** A value that can be listened to. */
export class Observable<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  get isHeard(): boolean {
    return this.#listeners.size > 0;
  }

  set(value: T): void {
    this.#value = value;
    for (const listener of [...this.#listeners]) guard(listener);
  }

  /** Gives back what ends it. The same function may listen twice. */
  listen(listener: () => void): () => void {
    const own = () => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }
}
