// What a page shows of an execution or a session, kept current while somebody looks: one query and one subscription each,
// however many components show it. Nothing here goes backwards.

import type { Client } from './client.js';
import type { Connection } from './connection.js';
import { EVENTS, SESSION_ACTIVITY, STATUS_EVENTS } from './documents.js';
import { TakeoffError } from './error.js';
import { ENDINGS, findExecution, followEvents, isFinal } from './execution.js';
import type { Following } from './socket.js';
import type { Execution, ExecutionEvent, Session } from './types.js';

/** A value that is kept current while it is listened to. */
export interface Live<T> {
  readonly value: T;
  listen(listener: () => void): () => void;
  /** Takes over what came another way, if anybody listens. */
  apply(change: (value: T) => Partial<T>): void;
}

interface Shared<T> {
  value: T;
  readonly listeners: Set<() => void>;
  set(patch: Partial<T>): void;
  stop(): void;
}

/** That of what has ended, which does not grow old. */
export const LIVE: Connection = { status: 'live', staleSince: null };
/** The most events that are kept; older ones are left out. */
export const MAX_EVENTS = 1_000;
/** A session is not read again more often. */
const READ_MS = 250;

const all = new WeakMap<Client, Map<string, Shared<unknown>>>();

/** The same value for all that ask for the same key; it runs from the first listener to the last. */
function shared<T>(client: Client, key: string, initial: T, run: (get: () => T, set: (patch: Partial<T>) => void) => () => void): Live<T> {
  let ofClient = all.get(client);
  if (!ofClient) all.set(client, (ofClient = new Map()));
  const of = ofClient as Map<string, Shared<T>>;
  function start(): Shared<T> {
    const one: Shared<T> = {
      value: initial,
      listeners: new Set(),
      set(patch) {
        one.value = { ...one.value, ...patch };
        for (const listener of [...one.listeners]) listener();
      },
      stop: () => {},
    };
    of.set(key, one);
    one.stop = run(() => one.value, one.set);
    return one;
  }
  return {
    get value() {
      return of.get(key)?.value ?? initial;
    },
    listen(listener) {
      const one = of.get(key) ?? start();
      // The same function may listen twice.
      const own = () => listener();
      one.listeners.add(own);
      return () => {
        one.listeners.delete(own);
        // Whoever comes back at once, as React's StrictMode does, finds it running.
        setTimeout(() => {
          if (one.listeners.size > 0 || of.get(key) !== one) return;
          of.delete(key);
          one.stop();
        });
      };
    },
    apply(change) {
      const one = of.get(key);
      one?.set(change(one.value));
    },
  };
}

const isExpired = (error: unknown) => error instanceof TakeoffError && error.code === 'CURSOR_EXPIRED';

export interface ExecutionView {
  /** Undefined until the server has answered. */
  readonly execution: Execution | undefined;
  readonly progress: { readonly fraction: number; readonly message: string | null } | undefined;
  /** The result, once it is completed. */
  readonly result: unknown;
  readonly error: TakeoffError | undefined;
}

const NO_EXECUTION: ExecutionView = { execution: undefined, progress: undefined, result: undefined, error: undefined };

const rank = (execution: Execution) => (isFinal(execution) ? 2 : Number(execution.status === 'RUNNING'));

/** Whichever of the two is further. */
function further(known: Execution | undefined, found: Execution): Execution {
  if (!known) return found;
  const [a, b] = [rank(known), rank(found)];
  return b > a || (b === a && found.attempt >= known.attempt) ? found : known;
}

interface StatusEvent {
  readonly type: string;
  readonly sequence: string;
  readonly occurredAt: string;
  readonly attempt?: number;
  readonly fraction?: number;
  readonly message?: string | null;
}

/** The view after some events. */
function after(view: ExecutionView, events: readonly StatusEvent[]): ExecutionView {
  let { execution, progress } = view;
  for (const { type, occurredAt, attempt, fraction, message } of events) {
    const change = (patch: Partial<Execution>) => {
      if (execution) execution = further(execution, { ...execution, ...patch });
    };
    if (attempt) change({ status: 'RUNNING', attempt, waitingFor: null, startedAt: execution?.startedAt ?? occurredAt });
    if (fraction !== undefined) progress = { fraction, message: message ?? null };
    if (type === 'execution.retrying') change({ waitingFor: 'RETRY' });
    if (type === 'execution.cancel_requested') change({ cancelRequestedAt: occurredAt });
    const status = ENDINGS[type];
    if (status) change({ status, waitingFor: null, finishedAt: occurredAt });
  }
  return { ...view, execution, progress };
}

export function liveExecution(client: Client, id: string): Live<ExecutionView> {
  return shared<ExecutionView>(client, `execution ${id}`, NO_EXECUTION, (get, set) => {
    const controller = new AbortController();
    let following: Following | undefined;
    const fail = (error: TakeoffError) => {
      if (!controller.signal.aborted) set({ error });
    };
    const read = async () => {
      const found = await findExecution(client.runtime, id, true, { signal: controller.signal, retryMs: Infinity });
      const { result, ...execution } = found;
      set({ execution: further(get().execution, execution), result, error: undefined });
    };
    const begin = () => {
      read().then(() => {
        const { execution } = get();
        if (controller.signal.aborted || !execution || isFinal(execution)) return;
        following = followEvents<StatusEvent>(client.runtime, STATUS_EVENTS, id, undefined, {
          next: (events) => set(after(get(), events)),
          complete: () => read().catch(fail),
          error(error) {
            // After a restored backup it is another history.
            if (!isExpired(error)) return fail(error as TakeoffError);
            set(NO_EXECUTION);
            begin();
          },
        });
      }, fail);
    };
    begin();
    return () => {
      controller.abort();
      following?.stop();
    };
  });
}

export interface EventsView {
  /** The newest ones, oldest of them first. */
  readonly events: readonly ExecutionEvent[];
  /** True after the terminal event. */
  readonly isComplete: boolean;
  /** True if there were more than are kept. */
  readonly isTruncated: boolean;
  readonly error: TakeoffError | undefined;
}

const NO_EVENTS: EventsView = { events: [], isComplete: false, isTruncated: false, error: undefined };

export function liveEvents(client: Client, id: string): Live<EventsView> {
  return shared<EventsView>(client, `events ${id}`, NO_EVENTS, (get, set) => {
    let following: Following | undefined;
    const begin = () => {
      following = followEvents<ExecutionEvent>(client.runtime, EVENTS, id, undefined, {
        next(batch) {
          const events = [...get().events, ...batch];
          set({ events: events.slice(-MAX_EVENTS), isTruncated: get().isTruncated || events.length > MAX_EVENTS });
        },
        complete: () => set({ isComplete: true }),
        error(error) {
          if (!isExpired(error)) return set({ error: error as TakeoffError });
          set(NO_EVENTS);
          begin();
        },
      });
    };
    begin();
    return () => following?.stop();
  });
}

export interface SessionView {
  readonly session: Session | undefined;
  readonly error: TakeoffError | undefined;
}

const NO_SESSION: SessionView = { session: undefined, error: undefined };

function newer(known: Session | undefined, found: Session): Session {
  if (!known) return found;
  const [a, b] = [BigInt(known.stateVersion), BigInt(found.stateVersion)];
  return b > a || (b === a && found.updatedAt >= known.updatedAt) ? found : known;
}

/** The view with a session that came: a state that is known already to be older is dropped. */
export const withSession = (session: Session) => (view: SessionView): SessionView => ({
  session: newer(view.session, session), error: undefined,
});

/**
 * A session is read at first, when something has happened in it, and when the connection is back. What others write to
 * its state without an execution is seen with the next of these.
 */
export function liveSession(client: Client, id: string): Live<SessionView> {
  return shared<SessionView>(client, `session ${id}`, NO_SESSION, (get, set) => {
    const controller = new AbortController();
    let following: Following | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = () => {
      timer = undefined;
      client.session(id).get({ signal: controller.signal, retryMs: Infinity }).then(
        (found) => set(withSession(found)(get())),
        (error: TakeoffError) => {
          if (!controller.signal.aborted) set({ error });
        },
      );
    };
    const readSoon = () => {
      timer ??= setTimeout(read, READ_MS);
    };
    const begin = () => {
      following = client.follow<{ sessionEvents: { hasMorePastEvents: boolean } }>(SESSION_ACTIVITY, { id }, {
        next: ({ sessionEvents }) => {
          if (!sessionEvents.hasMorePastEvents) readSoon();
        },
        complete: () => {},
        error(error) {
          if (!isExpired(error)) return set({ error: error as TakeoffError });
          set(NO_SESSION);
          readSoon();
          begin();
        },
      });
    };
    let { status } = client.connection;
    const stopListening = client.onConnection((connection) => {
      if (status === 'reconnecting' && connection.status === 'live') readSoon();
      status = connection.status;
    });
    read();
    begin();
    return () => {
      controller.abort();
      clearTimeout(timer);
      stopListening();
      following?.stop();
    };
  });
}

export function connectionOf(client: Client, execution: Execution | undefined): Connection {
  return execution && isFinal(execution) ? LIVE : client.connection;
}
