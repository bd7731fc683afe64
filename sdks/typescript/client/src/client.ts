import type { Connection } from './connection.js';
import { LINEAGE, ARTIFACT_BY_ID, CREATE_SESSION, SUBMIT, WHO } from './documents.js';
import { TakeoffError, checked, invalid, type GraphqlError, type UserError } from './error.js';
import { ExecutionHandle, accepted, type Accepted } from './execution.js';
import { Http, type RequestOptions } from './http.js';
import { iterate } from './iterate.js';
import { newId, newKey, type Runtime } from './runtime.js';
import { SessionHandle } from './session.js';
import { Socket, type Following, type Sink } from './socket.js';
import { Tokens, type TokenSource } from './token.js';
import type { AnyIntents, Artifact, Document, Lineage, Session } from './types.js';
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

  constructor({ url = '.', token, headers = () => ({}), retryMs = 30_000, maxReconnectMs = 10_000, ...platform }: ClientOptions = {}) {
    const base = addressOf(url);
    if (!base.pathname.endsWith('/')) base.pathname += '/';
    const socketUrl = new URL('graphql/ws', base);
    socketUrl.protocol = base.protocol.replace('http', 'ws');
    const tokens = new Tokens(token);
    this.runtime = {
      base,
      retryMs,
      http: new Http({ url: new URL('graphql', base), tokens, headers, fetch: platform.fetch ?? ((...request) => fetch(...request)) }),
      socket: new Socket({
        url: socketUrl, tokens, maxReconnectMs, webSocket: (platform.webSocket as typeof WebSocket) ?? globalThis.WebSocket,
      }),
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
    return iterate((sink) => this.follow(document, variables, sink, options), options.signal);
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
  submit<Type extends keyof Intents & string, Result = unknown>(
    type: Type, parameters: Intents[Type], options: SubmitOptions,
  ): Promise<ExecutionHandle<Result>> {
    const { signal, ...rest } = options ?? {};
    if (!rest.sessionId) return Promise.reject(invalid('a submit needs a sessionId: one of `createSession`, or of the page\'s backend', 'input', 'sessionId'));
    const { http, retryMs } = this.runtime;
    const idempotencyKey = rest.executionId ? undefined : newKey();
    const input = { intentType: type, parameters, idempotencyKey, ...rest };
    return http.ask(SUBMIT, { input }, { signal, retryMs }, (data: Accepted) => accepted(this.runtime, data));
  }

  /** An id for an execution that is submitted within 10 minutes. The first one asks the server who the caller is. */
  async newExecutionId(): Promise<string> {
    const { http, retryMs } = this.runtime;
    const known = this.suffix ??= http.ask(WHO, {}, { retryMs }, (data: { viewer: { executionIdSuffix: string } }) => data.viewer.executionIdSuffix);
    // Another caller may come to be who is asked for.
    known.catch(() => { this.suffix = undefined; });
    return newId(await known);
  }

  execution<Result = unknown>(id: string): ExecutionHandle<Result> {
    return new ExecutionHandle(this.runtime, id);
  }

  session(id: string): SessionHandle {
    return new SessionHandle(this.runtime, id);
  }

  /** Begins a session; with a `sessionId` of the caller's, which no session has yet. */
  createSession(input: NewSession = {}, options: RequestOptions = {}): Promise<Session> {
    type Answer = { payload: { session: Session; errors: UserError[] } };
    return this.runtime.http.ask(CREATE_SESSION, { input }, options, ({ payload }: Answer) => checked(payload).session);
  }

  /** Sends a file, whose `uploadId` an intent then takes. */
  upload(file: Blob, options: UploadOptions = {}): Promise<Uploaded> {
    return upload(this.runtime, file, options);
  }

  async artifact(id: string, options: RequestOptions = {}): Promise<Artifact> {
    const { http, retryMs, base } = this.runtime;
    const found = await http.ask(ARTIFACT_BY_ID, { id }, { retryMs, ...options }, (data: { artifact: Artifact | null }) => data.artifact);
    if (!found) throw new TakeoffError('NOT_FOUND', `there is no artifact ${id} for the caller`);
    const materializations = found.materializations.map((one) => ({
      ...one, downloadUrl: one.downloadUrl && new URL(one.downloadUrl, base).href,
    }));
    return { ...found, materializations };
  }

  /** What artifacts descend from, or what descends from them. */
  lineage(roots: string | readonly string[], options: LineageOptions = {}): Promise<Lineage> {
    const { direction = 'UPSTREAM', maxDepth = 10, maxNodes = 500, ...request } = options;
    const variables = { roots: [roots].flat(), direction, maxDepth, maxNodes };
    const { http, retryMs } = this.runtime;
    return http.ask(LINEAGE, variables, { retryMs, ...request }, (data: { lineage: Lineage }) => data.lineage);
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
  throw new TakeoffError('INVALID_URL', `"${url}" is not the address of a server: one begins with http:// or https://`);
}

export function createClient<Intents extends object = AnyIntents>(options: ClientOptions = {}): Client<Intents> {
  return new Client<Intents>(options);
}
