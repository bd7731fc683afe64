import type { Connection } from './connection.js';
import { LINEAGE, ARTIFACT_BY_ID, CREATE_SESSION, FEED, SESSION_FEED, SUBMIT, WHO } from './documents.js';
import { TakeoffError, need, type GraphqlError, type UserError } from './error.js';
import { ExecutionHandle, submitted, type EventsOptions } from './execution.js';
import { followFeed } from './follow.js';
import { Http, type RequestOptions } from './http.js';
import { iterate } from './iterate.js';
import { newId, newKey, type Runtime } from './runtime.js';
import { SessionHandle } from './session.js';
import { Socket, type Following, type Sink } from './socket.js';
import { Tokens, type TokenSource } from './token.js';
import type { AnyIntents, Artifact, Document, ExecutionEvent, Lineage, Session } from './types.js';
import { upload, type UploadOptions, type Uploaded } from './upload.js';

export interface ClientOptions {
  /** Where the server is: an address, or a path of the page's own origin. The page's own directory when left out. */
  readonly url?: string | URL | undefined;
  /** Asked for a token at first, before one ends, and when the server refuses one. */
  readonly token?: TokenSource | undefined;
  /** Headers of each query and mutation. */
  readonly headers?: (() => Record<string, string>) | undefined;
  /** For how long reads, and submits with a key, are sent again when the server is away; 30,000 when left out. */
  readonly retryMs?: number | undefined;
  /** The longest wait before the socket is opened again; 10,000 when left out. */
  readonly maxReconnectMs?: number | undefined;
  readonly fetch?: typeof fetch | undefined;
  /** Where there is none in the platform, as in Node.js 20: that of the package `ws`. */
  readonly webSocket?: unknown;
}

export interface SubmitOptions {
  /** The session that the work belongs to. */
  readonly sessionId: string;
  /** Made by the client when left out, so that a request that is sent again is the same submit. */
  readonly idempotencyKey?: string | undefined;
  /** The execution's id, by `newExecutionId`, to know it before the server has answered. Finds it again as a key does. */
  readonly executionId?: string | undefined;
  readonly handlerName?: string | undefined;
  readonly solutionId?: string | undefined;
  readonly metadata?: Record<string, unknown> | undefined;
  /** 0 (first) to 9. */
  readonly priority?: number | undefined;
  /** It does not start before this time, as RFC 3339. */
  readonly runAt?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface SubscribeOptions {
  readonly signal?: AbortSignal | undefined;
  /** Is told of fields that failed alone and are null in the data. */
  readonly onPartial?: ((errors: readonly GraphqlError[]) => void) | undefined;
}

export interface FeedOptions extends Omit<EventsOptions, 'after'> {
  /** Behind this cursor; with null from the oldest event that is kept. From now on when left out. */
  readonly after?: string | null | undefined;
  /** Of one session; of the whole tenant when left out. */
  readonly sessionId?: string | undefined;
  /** Which events of the tenant. */
  readonly filter?: { readonly types?: readonly string[]; readonly intentType?: readonly string[]; readonly sessionId?: string } | undefined;
}

export interface LineageOptions extends RequestOptions {
  readonly direction?: 'UPSTREAM' | 'DOWNSTREAM' | 'BOTH' | undefined;
  readonly maxDepth?: number | undefined;
  readonly maxNodes?: number | undefined;
}

export interface NewSession {
  readonly sessionId?: string | undefined;
  readonly userId?: string | undefined;
  readonly state?: unknown;
  readonly metadata?: Record<string, unknown> | undefined;
  readonly solutionId?: string | undefined;
  readonly ttlSeconds?: number | undefined;
}

/** A client of one server. It opens its one socket when something is followed, and closes it when nothing is. */
export class Client<Intents extends object = AnyIntents> {
  /** What the client's own parts share. */
  readonly runtime: Runtime;
  private suffix: Promise<string> | undefined;

  constructor({ url = '.', token, headers, retryMs = 30_000, maxReconnectMs, fetch, webSocket }: ClientOptions = {}) {
    const base = addressOf(url);
    if (!base.pathname.endsWith('/')) base.pathname += '/';
    const socketUrl = new URL('graphql/ws', base);
    socketUrl.protocol = base.protocol.replace('http', 'ws');
    const tokens = new Tokens(token);
    this.runtime = {
      base,
      http: new Http({ url: new URL('graphql', base), tokens, headers, fetch }, retryMs),
      socket: new Socket({ url: socketUrl, tokens, maxReconnectMs, webSocket: webSocket as typeof WebSocket }),
    };
  }

  /** Whether what is followed is current. */
  get connection(): Connection {
    return this.runtime.socket.connection.value;
  }

  /** Gives back what ends it. */
  onConnection(listener: (connection: Connection) => void): () => void {
    return this.runtime.socket.connection.listen(() => listener(this.connection));
  }

  /** A query or a mutation. It is sent once, unless `retryMs` says for how long it may be sent again. */
  query<Data = unknown, Variables = Record<string, unknown>>(
    document: Document<Data, Variables>, variables?: Variables, options: RequestOptions = {},
  ): Promise<Data> {
    return this.runtime.http.ask(String(document), variables, options, (data: Data) => data);
  }

  /**
   * A subscription, with all that came while a connection was lost. Its document takes `$after: String` and selects
   * `cursor`; one that does not fails with `CONNECTION_LOST` when its connection is lost.
   */
  subscribe<Data = unknown, Variables = Record<string, unknown>>(
    document: Document<Data, Variables>, variables?: Variables, options: SubscribeOptions = {},
  ): AsyncIterableIterator<Data> {
    return iterate((sink) => this.follow(document, variables, { ...sink, next: (data) => sink.next([data]) }, options), options.signal);
  }

  /** The same for a sink, as a page's store is one. */
  follow<Data = unknown, Variables = Record<string, unknown>>(
    document: Document<Data, Variables>, variables: Variables | undefined, sink: Sink<Data>, { onPartial }: SubscribeOptions = {},
  ): Following {
    return this.runtime.socket.follow(String(document), { ...variables }, {
      next({ data, errors }) {
        if (errors) onPartial?.(errors);
        sink.next(data as Data);
      },
      error: (error) => sink.error(error),
      complete: () => sink.complete(),
    });
  }

  /** Submits an intent. It is durable when this returns, and submitted once however often it had to be sent. */
  async submit<Type extends keyof Intents & string, Result = unknown>(
    type: Type, parameters: Intents[Type], options: SubmitOptions,
  ): Promise<ExecutionHandle<Result>> {
    const { signal, ...rest } = options ?? {};
    need(rest.sessionId, 'sessionId', ': `createSession` gives one');
    const input = { intentType: type, parameters, idempotencyKey: rest.executionId ? undefined : newKey(), ...rest };
    return submitted(this.runtime, SUBMIT, input, { signal });
  }

  /** An id for an execution that is submitted within 10 minutes. The first one asks the server who the caller is. */
  async newExecutionId(): Promise<string> {
    const known = this.suffix ??= this.runtime.http.find<{ executionIdSuffix: string }>(WHO, {}).then((viewer) => viewer.executionIdSuffix);
    // Another caller may come to be who is asked for.
    known.catch(() => { this.suffix = undefined; });
    return newId(await known);
  }

  execution<Result = unknown>(id: string): ExecutionHandle<Result> {
    return new ExecutionHandle(this.runtime, id);
  }

  /** What happens from now on, in all executions of a session or of the tenant. It has no end of its own. */
  feed({ after, signal, sessionId, filter }: FeedOptions = {}): AsyncIterableIterator<ExecutionEvent> {
    const [document, variables] = sessionId ? [SESSION_FEED, { id: sessionId }] : [FEED, { filter }];
    return iterate((sink) => followFeed(this.runtime, document, variables, after, sink), signal);
  }

  session(id: string): SessionHandle {
    return new SessionHandle(this.runtime, id);
  }

  /** Begins a session; with a `sessionId` of the caller's, which no session has yet. */
  async createSession(input: NewSession = {}, options: RequestOptions = {}): Promise<Session> {
    type Answer = { session: Session; errors: UserError[] };
    return (await this.runtime.http.change<Answer>(CREATE_SESSION, input, options)).session;
  }

  /** Sends a file, whose `uploadId` an intent then takes. */
  upload(file: Blob, options: UploadOptions = {}): Promise<Uploaded> {
    return upload(this.runtime, file, options);
  }

  async artifact(id: string, options: RequestOptions = {}): Promise<Artifact> {
    const { http, base } = this.runtime;
    const found = await http.find<Artifact>(ARTIFACT_BY_ID, { id }, options, 'artifact');
    const materializations = found.materializations.map((one) => ({
      ...one, downloadUrl: one.downloadUrl && new URL(one.downloadUrl, base).href,
    }));
    return { ...found, materializations };
  }

  /** What artifacts descend from, or what descends from them. */
  lineage(roots: string | readonly string[], options: LineageOptions = {}): Promise<Lineage> {
    const { direction, maxDepth, maxNodes } = options;
    return this.runtime.http.find(LINEAGE, { roots: [roots].flat(), direction, maxDepth, maxNodes }, options);
  }

  /** Ends everything that is followed, with the error `CLOSED`. */
  close(): void {
    this.runtime.socket.close();
  }
}

function addressOf(url: string | URL): URL {
  const page = globalThis.document?.baseURI;
  const base = URL.canParse(url, page) && new URL(url, page);
  if (base && /^https?:$/.test(base.protocol)) return base;
  throw new TakeoffError('INVALID_URL', `"${url}" is no http:// or https:// address`);
}

export function createClient<Intents extends object = AnyIntents>(options: ClientOptions = {}): Client<Intents> {
  return new Client<Intents>(options);
}
