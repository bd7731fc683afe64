// What is followed, as an asynchronous iterator. What its reader has not taken yet is bounded: a reader who is slow makes
// the subscription pause, and go on from its place later.

import type { Following, Sink } from './socket.js';

const MAX_WAITING = 32;

export function iterate<T>(follow: (sink: Sink<T>) => Following, signal?: AbortSignal): AsyncIterableIterator<T> {
  const waiting: T[] = [];
  let readers: { resolve(result: IteratorResult<T>): void; reject(error: unknown): void }[] = [];
  let following: Following | undefined;
  let isPaused = false;
  let end: { error?: unknown } | undefined;

  function finish(how: { error?: unknown }): void {
    if (end) return;
    end = how;
    signal?.removeEventListener('abort', abort);
    const unserved = readers;
    readers = [];
    for (const reader of unserved) serve(reader);
  }

  function abort(): void {
    following?.stop();
    waiting.length = 0;
    finish({ error: signal?.reason });
  }

  function serve(reader: (typeof readers)[number]): void {
    if (waiting.length > 0) {
      reader.resolve({ value: waiting.shift() as T, done: false });
    } else if (end && 'error' in end) {
      const { error } = end;
      end = {};
      reader.reject(error);
    } else if (end) {
      reader.resolve({ value: undefined, done: true });
    } else {
      readers.push(reader);
    }
    if (isPaused && waiting.length === 0 && !end) {
      isPaused = false;
      following?.resume();
    }
  }

  function begin(): void {
    if (following || end) return;
    if (signal?.aborted) return abort();
    signal?.addEventListener('abort', abort, { once: true });
    following = follow({
      next(value) {
        if (end) return;
        const reader = readers.shift();
        if (reader) return reader.resolve({ value, done: false });
        waiting.push(value);
        if (waiting.length >= MAX_WAITING && !isPaused) isPaused = following?.pause() ?? false;
      },
      error: (error) => finish({ error }),
      complete: () => finish({}),
    });
  }

  return {
    next() {
      begin();
      return new Promise((resolve, reject) => serve({ resolve, reject }));
    },
    async return() {
      following?.stop();
      waiting.length = 0;
      finish({});
      return { value: undefined, done: true };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
