// How current a page is.

export type ConnectionStatus = 'idle' | 'connecting' | 'live' | 'reconnecting';

/**
 * The state of the client's one socket. `idle`: nothing is followed. `live`: what happens is shown as it happens.
 * `reconnecting`: what is shown may be old; it was current at `staleSince`, in milliseconds since 1970.
 */
export interface Connection {
  readonly status: ConnectionStatus;
  readonly staleSince: number | null;
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

  set(value: T): void {
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Gives back what ends it. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
