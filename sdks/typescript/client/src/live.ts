// What a page shows of an execution or a session, kept current while somebody looks: one query and one subscription each,
// however many components show it. Nothing here goes backwards.

import type { Client } from './client.js';
import { Observable, type Connection } from './connection.js';
import { EVENTS, SESSION_ACTIVITY, STATUS_EVENTS } from './documents.js';
import { TakeoffError } from './error.js';
import { ENDINGS, findExecution, followEvents, findHead, followFeed, isFinal } from './follow.js';
import type { Following } from './socket.js';
import type { Execution, ExecutionEvent, Session } from './types.js';

/** A value that is kept current while it is listened to. */
export interface Live<T> {
  readonly value: T;
  listen(listener: () => void): () => void;
  /** Takes over what came another way, if anybody listens. */
  apply(change: (value: T) => Partial<T>): void;
}

interface Shared<T> extends Observable<T> {
  stop?: () => void;
}

/** That of what has ended, which does not grow old. */
export const LIVE: Connection = { status: 'live', staleSince: null };
const CONNECTING: Connection = { status: 'connecting', staleSince: null };
/** The most events that are kept; older ones are left out. */
export const MAX_EVENTS = 1_000;
/** A session is not read again more often. */
const READ_MS = 250;
/** That another page wrote to a session's state is no event: while the page is seen, its session is read so often. */
const LOOK_MS = 10_000;

const all = new WeakMap<Client, Map<string, Shared<unknown>>>();

/** The same value for all that ask for the same key; it runs from the first listener to the last. */
function shared<T>(client: Client, key: string, initial: T, run: (get: () => T, set: (patch: Partial<T>) => void) => () => void): Live<T> {
  let ofClient = all.get(client);
  if (!ofClient) all.set(client, (ofClient = new Map()));
  const of = ofClient as Map<string, Shared<T>>;
  const change = (one: Shared<T>, patch: Partial<T>) => one.set({ ...one.value, ...patch });
  function start(): Shared<T> {
    const one: Shared<T> = new Observable(initial);
    of.set(key, one);
    one.stop = run(() => one.value, (patch) => change(one, patch));
    return one;
  }
  return {
    get value() {
      return of.get(key)?.value ?? initial;
    },
    listen(listener) {
      const one = of.get(key) ?? start();
      const end = one.listen(listener);
      return () => {
        end();
        // Whoever comes back at once, as React's StrictMode does, finds it running.
        setTimeout(() => {
          if (one.isHeard || of.get(key) !== one) return;
          of.delete(key);
          one.stop?.();
        });
      };
    },
    apply(to) {
      const one = of.get(key);
      if (one) change(one, to(one.value));
    },
  };
}

const isExpired = (error: unknown) => error instanceof TakeoffError && error.code === 'CURSOR_EXPIRED';

/** What has not been read yet. */
interface Pending {
  /** While nothing is shown yet because the server is away. */
  readonly pending?: Connection | undefined;
}

const pendingBy = (error: TakeoffError): Pending => ({ pending: { ...CONNECTING, error } });

export interface ExecutionView extends Pending {
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
      const found = await findExecution(client.runtime, id, true, {
        signal: controller.signal, retryMs: Infinity, onRetry: (error) => set(pendingBy(error)),
      });
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

export interface SessionView extends Pending {
  readonly session: Session | undefined;
  readonly error: TakeoffError | undefined;
}

const NO_SESSION: SessionView = { session: undefined, error: undefined };

function newer(known: Session | undefined, found: Session): Session {
  if (!known) return found;
  const [a, b] = [BigInt(known.stateVersion), BigInt(found.stateVersion)];
  return b > a || (b === a && found.updatedAt > known.updatedAt) ? found : known;
}

/** The view with a session that came: a state that is known already to be older is dropped. */
export const withSession = (session: Session) => (view: SessionView): SessionView => ({
  session: newer(view.session, session), error: undefined, pending: undefined,
});

/** A session is read at first, when something has happened in it, when the connection is back, and every ten seconds. */
export function liveSession(client: Client, id: string): Live<SessionView> {
  return shared<SessionView>(client, `session ${id}`, NO_SESSION, (get, set) => {
    const controller = new AbortController();
    const { signal } = controller;
    let following: Following | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isReading = false;
    let isStale = false;
    const onRetry = (error: TakeoffError) => set(pendingBy(error));
    const fail = (error: TakeoffError) => {
      if (!signal.aborted) set({ error });
    };
    const read = async () => {
      timer = undefined;
      isReading = true;
      isStale = false;
      try {
        const found = await client.session(id).get({ signal, retryMs: Infinity, onRetry });
        const { session, error } = get();
        if (error || newer(session, found) !== session) set(withSession(found)(get()));
      } catch (error) {
        fail(error as TakeoffError);
      }
      isReading = false;
      if (isStale) readSoon();
    };
    const readSoon = () => {
      if (signal.aborted || isReading) isStale = true;
      else timer ??= setTimeout(read, READ_MS);
    };
    const begin = async () => {
      try {
        // First of all: what happens while the session is read is then behind it.
        const head = await findHead(client.runtime, id, { signal, onRetry });
        void read();
        following = followFeed(client.runtime, SESSION_ACTIVITY, { id }, head, {
          next: readSoon,
          complete: () => {},
          error(error) {
            if (!isExpired(error)) return fail(error as TakeoffError);
            set(NO_SESSION);
            void begin();
          },
        });
        if (signal.aborted) following.stop();
      } catch (error) {
        fail(error as TakeoffError);
      }
    };
    let { status } = client.connection;
    const stopListening = client.onConnection((connection) => {
      if (status === 'reconnecting' && connection.status === 'live') readSoon();
      status = connection.status;
    });
    const look = () => {
      if (globalThis.document?.visibilityState !== 'hidden') readSoon();
    };
    const looking = setInterval(look, LOOK_MS);
    globalThis.document?.addEventListener('visibilitychange', look);
    void begin();
    return () => {
      controller.abort();
      clearTimeout(timer);
      clearInterval(looking);
      globalThis.document?.removeEventListener('visibilitychange', look);
      stopListening();
      following?.stop();
    };
  });
}

/** How current that is which is shown. */
export function connectionOf(client: Client, view: (Pending & { readonly error?: unknown }) | undefined, shown: unknown): Connection {
  const { connection } = client;
  return view && !shown && !view.error && connection.status === 'idle' ? view.pending ?? CONNECTING : connection;
}

export function connectionOfExecution(client: Client, view: ExecutionView | undefined): Connection {
  const { execution } = view ?? {};
  return execution && isFinal(execution) ? LIVE : connectionOf(client, view, execution);
}
