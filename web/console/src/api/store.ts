/** A value that components follow. */
import { useSyncExternalStore } from 'react';

export interface Store<Value> {
  get(): Value;
  set(value: Value): void;
  follow(run: () => void): () => void;
}

export function store<Value>(first: Value): Store<Value> {
  let value = first;
  const followers = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const run of followers) run();
    },
    follow(run) {
      followers.add(run);
      return () => followers.delete(run);
    },
  };
}

export const useStore = <Value>(of: Store<Value>): Value => useSyncExternalStore(of.follow, of.get);
