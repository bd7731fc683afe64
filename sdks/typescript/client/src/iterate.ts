// What is followed, as an asynchronous iterator. What its reader has not taken yet is bounded: a reader who is slow makes
// the subscription pause, and go on from its place later.

import type { Following, Sink } from './socket.js';

const MAX_WAITING = 128;

export function iterate<T>(follow: (sink: Sink<readonly T[]>) => Following, signal?: AbortSignal): AsyncIterableIterator<T> {
  const waiting: T[] = [];
  interface Reader {
    resolve(result: IteratorResult<T>): void;
    reject(error: unknown): void;
  }
  let readers: Reader[] = [];
  let following: Following | undefined;
  let isPaused = false;
  let end: { error?: unknown } | undefined;

  function finish(how: { error?: unknown }): void {
    if (end) return;
    end = how;
    const unserved = readers;
    readers = [];
    for (const reader of unserved) serve(reader);
  }

  function abort(): void {
    following?.stop();
    // What has come already is not wanted any more.
    if (waiting.length > 0) end = undefined;
    waiting.length = 0;
    finish({ error: signal?.reason });
  }

  function leave(): void {
    signal?.removeEventListener('abort', abort);
  }

  function serve(reader: Reader): void {
    if (waiting.length > 0) {
      reader.resolve({ value: waiting.shift() as T, done: false });
    } else if (end && 'error' in end) {
      const { error } = end;
      end = {};
      reader.reject(error);
    } else if (end) {
      leave();
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
      next(values) {
        if (end) return;
        waiting.push(...values);
        while (waiting.length > 0 && readers[0]) serve(readers.shift() as Reader);
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
      leave();
      finish({});
      return { value: undefined, done: true };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
