// Hooks for React 18 and later. What several components show of one execution is followed once.

import {
  createContext, createElement, useCallback, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore,
  type ReactElement, type ReactNode,
} from 'react';
import { createClient, type Client, type ClientOptions, type SubmitOptions } from './client.js';
import type { Connection } from './connection.js';
import type { TakeoffError } from './error.js';
import type { ExecutionHandle } from './execution.js';
import {
  LIVE, connectionOf, connectionOfExecution, liveEvents, liveExecution, liveSession, withSession,
  type EventsView, type ExecutionView, type Live, type SessionView,
} from './live.js';
import type { SessionHandle, WriteOptions } from './session.js';
import type { Execution, Session } from './types.js';

export type { EventsView, ExecutionView, SessionView } from './live.js';

const Context = createContext<Client | null>(null);

export type TakeoffProviderProps = { readonly children?: ReactNode } & ({ readonly client: Client } | ClientOptions);

/**
 * Gives the hooks below their client: one of the page's, or one that is made for `url`. A `token` that is another function
 * at each render is fine: the newest is asked, and nothing is connected again.
 */
export function TakeoffProvider({ children, ...props }: TakeoffProviderProps): ReactElement {
  const latest = useRef<ClientOptions>({});
  const options = 'client' in props ? {} : props;
  // Also before the first effect of a child, which may connect.
  if (latest.current.token === undefined) latest.current = options;
  useEffect(() => {
    latest.current = options;
  });
  const url = String(options.url ?? '.');
  const given = 'client' in props ? props.client : undefined;
  const isTokenGiven = options.token !== undefined;
  const client = useMemo(() => given ?? createClient({
    ...latest.current,
    url,
    token: isTokenGiven ? () => (latest.current.token ?? (() => Promise.reject(new Error('the page has no token any more'))))() : undefined,
    headers: () => latest.current.headers?.() ?? {},
  }), [given, url, isTokenGiven]);
  return createElement(Context.Provider, { value: client }, children);
}

export function useClient(): Client {
  const client = useContext(Context);
  if (!client) throw new Error('there is no TakeoffProvider above');
  return client;
}

/** Whether what the page shows is current. */
export function useConnection(): Connection {
  const client = useClient();
  return useSyncExternalStore(
    useCallback((listener: () => void) => client.onConnection(listener), [client]),
    () => client.connection,
    () => client.connection,
  );
}

const nothing = () => () => {};

/** Nothing where there is no id. */
function useLive<T>(of: (client: Client, id: string) => Live<T>, id: string | null | undefined): T | undefined {
  const client = useClient();
  const live = useMemo(() => (id ? of(client, id) : undefined), [client, of, id]);
  const read = () => live?.value;
  return useSyncExternalStore(live?.listen ?? nothing, read, read);
}

export interface UseExecution<Result> extends Omit<ExecutionView, 'result' | 'pending'> {
  readonly result: Result | undefined;
  /** Whether it is current. */
  readonly connection: Connection;
  cancel(reason?: string): Promise<Execution>;
  /** Runs its intent again, as another execution. */
  rerun(): Promise<ExecutionHandle<Result>>;
}

/** How an execution stands, live. */
export function useExecution<Result = unknown>(id: string | null | undefined): UseExecution<Result> {
  const client = useClient();
  useConnection();
  const view = useLive(liveExecution, id);
  const actions = useMemo(() => {
    const handle = async () => client.execution<Result>(id as string);
    return {
      cancel: async (reason?: string) => (await handle()).cancel(reason),
      rerun: async () => (await handle()).rerun(),
    };
  }, [client, id]);
  return {
    execution: view?.execution,
    progress: view?.progress,
    error: view?.error,
    result: view?.result as Result | undefined,
    connection: connectionOfExecution(client, view),
    ...actions,
  };
}

const NO_EVENTS: EventsView = { events: [], isComplete: false, isTruncated: false, error: undefined };

/** The events of an execution, past ones and live ones; the newest 1,000 of them. */
export function useEvents(id: string | null | undefined): EventsView & { readonly connection: Connection } {
  const connection = useConnection();
  const view = useLive(liveEvents, id) ?? NO_EVENTS;
  return { ...view, connection: view.isComplete ? LIVE : connection };
}

export interface UseSession extends Omit<SessionView, 'pending'> {
  readonly connection: Connection;
  /** Writes the whole state; with `ifVersion` only if it has that version. */
  set(state: unknown, options?: WriteOptions): Promise<Session>;
  /** Writes a JSON Merge Patch. */
  merge(patch: unknown, options?: WriteOptions): Promise<Session>;
  /** Makes the new state of the one that is there, again if another writer was first. */
  update(change: (state: unknown) => unknown): Promise<Session>;
}

/** A session and its state. */
export function useSession(id: string | null | undefined): UseSession {
  const client = useClient();
  useConnection();
  const view = useLive(liveSession, id);
  const actions = useMemo(() => {
    const told = async (write: (handle: SessionHandle) => Promise<Session>) => {
      const session = await write(client.session(id as string));
      liveSession(client, session.id).apply(withSession(session));
      return session;
    };
    return {
      set: (state: unknown, options?: WriteOptions) => told((handle) => handle.set(state, options)),
      merge: (patch: unknown, options?: WriteOptions) => told((handle) => handle.merge(patch, options)),
      update: (change: (state: unknown) => unknown) => told((handle) => handle.update(change)),
    };
  }, [client, id]);
  return { session: view?.session, error: view?.error, connection: connectionOf(client, view, view?.session), ...actions };
}

export interface UseSubmit<Parameters, Result> extends Omit<UseExecution<Result>, 'execution'> {
  /** Gives back the execution, or undefined when the submit was refused: then `error` says why. */
  submit(parameters: Parameters, options?: Partial<SubmitOptions>): Promise<ExecutionHandle<Result> | undefined>;
  /** What was submitted last: at once as it will be, with the `executionId` of the options or an empty `id`, then as it is. */
  readonly execution: Execution | undefined;
  readonly parameters: Parameters | undefined;
  /** True until the server has accepted or refused it. */
  readonly isOptimistic: boolean;
  /** Forgets it; what was submitted goes on. */
  reset(): void;
}

interface Submission<Parameters> {
  readonly parameters?: Parameters;
  readonly id?: string;
  readonly chosenId?: string;
  readonly submittedAt?: string;
  readonly error?: TakeoffError;
}

/** Submits intents of a type and follows the newest. `options` are those of each submit; `sessionId` is needed somewhere. */
export function useSubmit<Parameters = unknown, Result = unknown>(
  type: string, options: Partial<SubmitOptions> = {},
): UseSubmit<Parameters, Result> {
  const client = useClient();
  const [submission, setSubmission] = useState<Submission<Parameters>>({});
  const latest = useRef({ options, count: 0 });
  useEffect(() => {
    latest.current.options = options;
  });
  const { execution, error, ...followed } = useExecution<Result>(submission.id);
  const submit = useCallback(async (parameters: Parameters, more?: Partial<SubmitOptions>) => {
    const count = ++latest.current.count;
    const tell = (result: Submission<Parameters>) => {
      if (count === latest.current.count) setSubmission(result);
    };
    const given = { ...latest.current.options, ...more } as SubmitOptions;
    const begun = { parameters, submittedAt: new Date().toISOString(), chosenId: given.executionId ?? '' };
    tell(begun);
    try {
      const handle = await client.submit<string, Result>(type, parameters, given);
      tell({ ...begun, id: handle.id });
      return handle;
    } catch (refusal) {
      tell({ parameters, error: refusal as TakeoffError });
      return undefined;
    }
  }, [client, type]);
  const reset = useCallback(() => {
    latest.current.count++;
    setSubmission({});
  }, []);
  const { chosenId = '', id = '', submittedAt } = submission;
  const optimistic: Execution | undefined = submittedAt === undefined ? undefined : {
    id: id || chosenId, status: 'CREATED', attempt: 0, intent: { id: '', intentType: type }, waitingFor: null, createdAt: submittedAt,
    startedAt: null, finishedAt: null, cancelRequestedAt: null, error: null,
  };
  return {
    ...followed,
    execution: execution ?? optimistic,
    error: submission.error ?? error,
    parameters: submission.parameters,
    isOptimistic: submittedAt !== undefined && !id,
    submit,
    reset,
  };
}
