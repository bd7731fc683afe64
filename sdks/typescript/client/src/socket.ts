// graphql-transport-ws: one socket for all subscriptions of a client. It is opened when something is followed, and closed
// soon after nothing is.
//
// A subscription that was cut off goes on behind the last batch that came, by the batch's `cursor` as the variable
// `after`. One that has shown something and has no such place would repeat it: it fails instead.

import { Observable, guard, type Connection, type ConnectionStatus } from './connection.js';
import { TakeoffError, ofGraphql, type GraphqlError } from './error.js';
import { parsed } from './http.js';
import type { Tokens } from './token.js';
import { MAX_TIMER_MS, backoffMs } from './wait.js';

/** The time for the server's acknowledgement. */
const ACKNOWLEDGE_MS = 10_000;
/** After such a silence the server is asked whether it is there; its own pings come every 15 s. */
const SILENCE_MS = 20_000;
/** The time for its answer, from the last that was heard. */
const ANSWER_MS = 4_000;
/** How long a socket stays open that nobody uses. */
const LINGER_MS = 1_000;
/** A proof that is refused so often in a row is not good. */
const MAX_REFUSALS = 3;

/** Close codes after which asking again would be refused again. */
const FATAL = /^(100[2379]|400[45]|44(0[069]|29)|4500)$/;
/** The proof is missing, bad or has ended. */
const UNPROVEN = /^440[13]$/;

export interface Result {
  readonly data: Record<string, unknown>;
  /** Of fields that failed alone. */
  readonly errors?: readonly GraphqlError[] | undefined;
}

/** Where something followed goes to. Nothing comes after `error` or `complete`. */
export interface Sink<T> {
  next(value: T): void;
  error(error: unknown): void;
  complete(): void;
}

/** Something followed. */
export interface Following {
  stop(): void;
  /** Lets nothing come until `resume`; then it goes on from there. False where it could not go on. */
  pause(): boolean;
  resume(): void;
}

export interface SocketSettings {
  readonly url: URL;
  readonly tokens: Tokens;
  readonly webSocket: typeof WebSocket | undefined;
  /** The longest wait before it is opened again. */
  readonly maxReconnectMs: number | undefined;
}

interface Message {
  readonly type: string;
  readonly id?: string;
  readonly payload?: unknown;
}

interface Operation {
  /** Its id on the open socket; null while it does not run there. */
  id: string | null;
  readonly query: string;
  variables: Record<string, unknown>;
  readonly sink: Sink<Result>;
  /** True if something came that has no place to go on from. */
  isLost: boolean;
  isPaused: boolean;
  failures: number;
  retry: ReturnType<typeof setTimeout> | undefined;
}

/** The milliseconds since then; many where the clock was set back meanwhile. */
const since = (then: number): number => Math.abs(Date.now() - then);

const lost = (message: string): TakeoffError => new TakeoffError('CONNECTION_LOST', message, { retryable: true });

export class Socket {
  readonly connection = new Observable<Connection>({ status: 'idle', staleSince: null });
  readonly #settings: SocketSettings;
  readonly #operations = new Set<Operation>();
  readonly #running = new Map<string, Operation>();
  #socket: WebSocket | undefined;
  /** The token that the socket goes on with. */
  #token: string | undefined;
  /** Tells a try from those before it. */
  #try = 0;
  #isOpening = false;
  #isReady = false;
  #lastId = 0;
  #failures = 0;
  #refusals = 0;
  #heardAt = 0;
  /** When the server was asked whether it is there; 0 when it has answered. */
  #askedAt = 0;
  #reconnecting: ReturnType<typeof setTimeout> | undefined;
  #acknowledging: ReturnType<typeof setTimeout> | undefined;
  #watching: ReturnType<typeof setTimeout> | undefined;
  #renewing: ReturnType<typeof setTimeout> | undefined;
  #lingering: ReturnType<typeof setTimeout> | undefined;

  constructor(settings: SocketSettings) {
    this.#settings = settings;
  }

  follow(query: string, variables: Record<string, unknown>, sink: Sink<Result>): Following {
    const operation: Operation = {
      id: null, query, variables, sink, isLost: false, isPaused: false, failures: 0, retry: undefined,
    };
    this.#operations.add(operation);
    clearTimeout(this.#lingering);
    this.#begin(operation);
    return {
      stop: () => {
        this.#withdraw(operation);
        this.#remove(operation);
      },
      pause: () => {
        if (operation.isLost) return false;
        operation.isPaused = true;
        this.#withdraw(operation);
        return true;
      },
      resume: () => {
        if (!operation.isPaused) return;
        operation.isPaused = false;
        this.#begin(operation);
      },
    };
  }

  /** Ends everything that is followed. */
  close(): void {
    this.#failAll(new TakeoffError('CLOSED', 'the client was closed'));
  }

  /** The page slept, or the network was away: looks at once. */
  readonly #wake = (): void => {
    if (globalThis.document?.visibilityState === 'hidden') return;
    if (this.#isReady) this.#askWhetherThere();
    else if (this.#reconnecting !== undefined && this.#operations.size > 0) this.#open();
  };

  // --- Operations ---------------------------------------------------------------------------------------------------

  #begin(operation: Operation): void {
    if (!this.#operations.has(operation) || operation.isPaused || operation.id !== null) return;
    clearTimeout(operation.retry);
    operation.retry = undefined;
    if (!this.#isReady) {
      if (this.#reconnecting === undefined) this.#open();
      return;
    }
    const id = operation.id = String(++this.#lastId);
    this.#running.set(id, operation);
    const { query, variables } = operation;
    this.#say({ type: 'subscribe', id, payload: { query, variables } });
  }

  /** Takes it from the socket; it may begin again. */
  #withdraw(operation: Operation): void {
    clearTimeout(operation.retry);
    operation.retry = undefined;
    if (operation.id === null) return;
    this.#running.delete(operation.id);
    if (this.#isReady) this.#say({ type: 'complete', id: operation.id });
    operation.id = null;
  }

  #remove(operation: Operation): void {
    this.#operations.delete(operation);
    if (this.#operations.size > 0) return;
    clearTimeout(this.#lingering);
    this.#lingering = setTimeout(() => {
      if (this.#operations.size === 0) this.#disconnect('idle');
    }, LINGER_MS);
  }

  #fail(operation: Operation, error: unknown): void {
    this.#withdraw(operation);
    this.#remove(operation);
    guard(() => operation.sink.error(error));
  }

  #failAll(error: unknown): void {
    this.#disconnect('idle');
    for (const operation of [...this.#operations]) this.#fail(operation, error);
  }

  #next(operation: Operation, result: Partial<Result>): void {
    const { data, errors } = result;
    if (!data) return this.#refused(operation, errors ?? []);
    operation.failures = 0;
    const [batch] = Object.values(data) as ({ cursor?: unknown } | null)[];
    const cursor = batch?.cursor;
    if (typeof cursor === 'string' && /\$after\b/.test(operation.query)) {
      operation.variables = { ...operation.variables, after: cursor };
    } else {
      operation.isLost = true;
    }
    operation.sink.next({ data, errors });
  }

  /** It was not run, or could not go on. */
  #refused(operation: Operation, errors: readonly GraphqlError[]): void {
    const error = ofGraphql(errors);
    if (!error.retryable || operation.isLost) return this.#fail(operation, error);
    this.#withdraw(operation);
    const wait = Math.max(error.retryAfterMs ?? 0, backoffMs(operation.failures++));
    operation.retry = setTimeout(() => this.#begin(operation), wait);
  }

  // --- The connection -----------------------------------------------------------------------------------------------

  #open(): void {
    if (this.#socket || this.#isOpening) return;
    clearTimeout(this.#reconnecting);
    this.#reconnecting = undefined;
    if (this.connection.value.status === 'idle') {
      globalThis.addEventListener?.('online', this.#wake);
      globalThis.document?.addEventListener('visibilitychange', this.#wake);
      this.#tell('connecting');
    }
    const attempt = ++this.#try;
    this.#isOpening = true;
    this.#settings.tokens.get().then(
      (token) => {
        if (attempt !== this.#try) return;
        this.#isOpening = false;
        this.#connect(token);
      },
      (error: TakeoffError) => {
        if (attempt !== this.#try) return;
        if (error.retryable) this.#lose(error);
        else this.#failAll(error);
      },
    );
  }

  #connect(token: string | undefined): void {
    const { url, webSocket = globalThis.WebSocket } = this.#settings;
    let socket: WebSocket;
    try {
      socket = new webSocket(url, 'graphql-transport-ws');
    } catch (cause) {
      return this.#failAll(new TakeoffError('PROTOCOL', webSocket ? `${url} cannot be opened` : 'no WebSocket here: createClient({ webSocket })', { cause }));
    }
    this.#socket = socket;
    this.#token = token;
    this.#acknowledging = setTimeout(() => this.#silent(), ACKNOWLEDGE_MS);
    const isCurrent = () => this.#socket === socket;
    socket.onopen = () => {
      if (isCurrent()) this.#say({ type: 'connection_init', payload: token ? { authorization: `Bearer ${token}` } : {} });
    };
    socket.onmessage = ({ data }) => {
      if (isCurrent()) this.#hear(data);
    };
    // Its end follows.
    socket.onerror = () => {};
    socket.onclose = ({ code, reason }) => {
      if (isCurrent()) this.#closed(code, reason);
    };
  }

  #hear(data: unknown): void {
    this.#heardAt = Date.now();
    const message = parsed<Message>(String(data));
    if (!message) return this.#failAll(new TakeoffError('PROTOCOL', `${this.#settings.url} does not speak graphql-transport-ws`));
    const { type, id = '', payload } = message;
    if (type === 'connection_ack') return this.#acknowledged();
    this.#failures = 0;
    this.#refusals = 0;
    if (type === 'ping') return this.#say({ type: 'pong' });
    // Only a pong answers: what else comes may have been under way since before the cut.
    if (type === 'pong') this.#askedAt = 0;
    const operation = this.#running.get(id);
    if (!operation) return;
    if (type === 'next') this.#next(operation, payload as Result);
    if (type === 'error') this.#refused(operation, payload as GraphqlError[]);
    if (type === 'complete') {
      this.#running.delete(id);
      operation.id = null;
      this.#remove(operation);
      operation.sink.complete();
    }
  }

  #acknowledged(): void {
    clearTimeout(this.#acknowledging);
    this.#isReady = true;
    this.#watch();
    this.#renewInTime();
    this.#tell('live');
    for (const operation of [...this.#operations]) if (operation.retry === undefined) this.#begin(operation);
  }

  #closed(code: number, reason: string): void {
    const { tokens, url } = this.#settings;
    const what = `${url} ${this.#isReady ? 'was closed' : 'did not open'} (${code}${reason && `: ${reason}`})`;
    if (FATAL.test(`${code}`)) return this.#failAll(new TakeoffError('PROTOCOL', what));
    if (UNPROVEN.test(`${code}`)) {
      tokens.refuse(this.#token);
      if (++this.#refusals >= MAX_REFUSALS) {
        this.#refusals = 0;
        const why = this.#token ? 'the server refuses the token' : 'the server wants a token: createClient({ token })';
        return this.#failAll(new TakeoffError('UNAUTHENTICATED', `${why}; ${what}`));
      }
    }
    this.#lose(lost(what));
  }

  /** The connection is gone: what is followed goes on with the next one. */
  #lose(error: TakeoffError): void {
    this.#disconnect(this.connection.value.status === 'connecting' ? 'connecting' : 'reconnecting', error);
    for (const operation of [...this.#operations]) {
      if (operation.isLost) {
        this.#fail(operation, new TakeoffError('CONNECTION_LOST', 'there is no `cursor` to go on from'));
      }
    }
    if (this.#operations.size > 0) this.#reconnecting = setTimeout(() => this.#open(), backoffMs(this.#failures++, this.#settings.maxReconnectMs));
    else this.#disconnect('idle');
  }

  /** Leaves the socket without waiting for it: its end may be long in coming. */
  #disconnect(status: ConnectionStatus, error?: TakeoffError): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#isOpening = false;
    this.#isReady = false;
    this.#try++;
    this.#askedAt = 0;
    for (const timer of [this.#reconnecting, this.#acknowledging, this.#watching, this.#renewing, this.#lingering]) clearTimeout(timer);
    this.#reconnecting = undefined;
    for (const operation of this.#running.values()) operation.id = null;
    this.#running.clear();
    socket?.close(1000);
    if (status === 'idle') {
      globalThis.removeEventListener?.('online', this.#wake);
      globalThis.document?.removeEventListener('visibilitychange', this.#wake);
    }
    this.#tell(status, error);
  }

  #say(message: Message): void {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  #tell(status: ConnectionStatus, error?: TakeoffError): void {
    const known = this.connection.value;
    if (known.status === status && !error) return;
    const staleSince = status === 'reconnecting' ? (known.staleSince ?? (this.#heardAt || Date.now())) : null;
    this.connection.set({ status, staleSince, ...(error && { error }) });
  }

  // --- Whether the server is there ----------------------------------------------------------------------------------

  /** A cut that nobody told of is noticed by silence. */
  #watch(): void {
    this.#watching = setTimeout(() => {
      if (since(this.#heardAt) >= SILENCE_MS) this.#askWhetherThere();
      this.#watch();
    }, SILENCE_MS / 4);
  }

  #silent(): void {
    this.#lose(lost('the server is silent'));
  }

  #askWhetherThere(): void {
    if (this.#askedAt) return;
    const asked = Date.now();
    this.#askedAt = asked;
    this.#say({ type: 'ping' });
    const socket = this.#socket;
    const look = (): void => {
      if (this.#socket !== socket || this.#askedAt !== asked) return;
      // The answer may be behind much else, as long as that comes.
      const left = ANSWER_MS - Math.min(since(asked), since(this.#heardAt));
      if (left > 0) setTimeout(look, left);
      else this.#silent();
    };
    look();
  }

  /** The socket goes on with a fresh token before the one that it began with ends. */
  #renewInTime(): void {
    const { tokens } = this.#settings;
    if (tokens.renewInMs === Infinity) return;
    const socket = this.#socket;
    this.#renewing = setTimeout(async () => {
      // Where there is no token now, the next turn tries again.
      const token = await tokens.get().catch(() => undefined);
      if (this.#socket !== socket) return;
      if (token && token !== this.#token) {
        this.#token = token;
        this.#say({ type: 'ping', payload: { authorization: `Bearer ${token}` } });
      }
      this.#renewing = setTimeout(() => this.#renewInTime(), 1_000);
    }, Math.min(tokens.renewInMs, MAX_TIMER_MS));
  }
}
