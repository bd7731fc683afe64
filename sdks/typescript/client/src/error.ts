// The one kind of error that the client throws. `code` is one of docs/errors.md, or one of the client's own:
// `NETWORK`, `BAD_ANSWER`, `TOKEN_UNAVAILABLE`, `CONNECTION_LOST`, `PROTOCOL`, `CLOSED`, `INVALID_URL`.

/** An error of a GraphQL answer, as it came. */
export interface GraphqlError {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly extensions?: Readonly<Record<string, unknown>>;
}

/** A mistake of the caller in a mutation, as it came, with what its kind has besides. */
export interface UserError {
  readonly code: string;
  readonly message: string;
  readonly path?: readonly string[] | null;
  readonly currentVersion?: string;
  readonly retryAfterMs?: number;
  readonly policyId?: string | null;
  readonly execution?: { readonly id: string } | null;
}

/** What an error may say besides its code and its message. */
export interface ErrorDetails {
  /** True if the same request may be answered later. */
  readonly retryable?: boolean;
  /** When to try again. */
  readonly retryAfterMs?: number | undefined;
  /** Finds the request in the server's log. */
  readonly requestId?: string | undefined;
  /** The way to the faulty input of a mutation. */
  readonly path?: readonly string[] | undefined;
  /** The status of the answer over HTTP. */
  readonly status?: number | undefined;
  /** `CURSOR_EXPIRED`: the last place before the cursor that is there. */
  readonly lastCursor?: string | null | undefined;
  /** `CURSOR_EXPIRED`: the oldest place behind which no event was removed. */
  readonly oldestCursor?: string | undefined;
  /** All errors of the answer. */
  readonly errors?: readonly (GraphqlError | UserError)[];
  /** What the answer has beside its errors. */
  readonly data?: unknown;
  readonly cause?: unknown;
}

export class TakeoffError extends Error {
  override readonly name = 'TakeoffError';
  readonly code: string;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly requestId: string | undefined;
  readonly path: readonly string[] | undefined;
  readonly status: number | undefined;
  readonly lastCursor: string | null | undefined;
  readonly oldestCursor: string | undefined;
  readonly errors: readonly (GraphqlError | UserError)[];
  readonly data: unknown;

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.code = code;
    this.retryable = details.retryable ?? false;
    this.retryAfterMs = details.retryAfterMs;
    this.requestId = details.requestId;
    this.path = details.path;
    this.status = details.status;
    this.lastCursor = details.lastCursor;
    this.oldestCursor = details.oldestCursor;
    this.errors = details.errors ?? [];
    this.data = details.data;
  }
}

/** The top-level errors of an answer. */
export function ofGraphql(errors: readonly GraphqlError[], data?: unknown, status?: number): TakeoffError {
  const [first] = errors;
  const { code, retryable, retryAfterMs, requestId, lastCursor, oldestCursor } = first?.extensions ?? {};
  return new TakeoffError(String(code ?? 'BAD_ANSWER'), first?.message ?? 'an error without a message', {
    retryable: retryable === true,
    retryAfterMs: retryAfterMs as number | undefined,
    requestId: requestId as string | undefined,
    lastCursor: lastCursor as string | null | undefined,
    oldestCursor: oldestCursor as string | undefined,
    status,
    errors,
    data,
  });
}

/** Throws the mistakes that a mutation's payload names. */
export function checked<P extends { errors: readonly UserError[] }>(payload: P): P {
  const [first] = payload.errors;
  if (!first) return payload;
  throw new TakeoffError(first.code, first.message, {
    retryable: first.retryAfterMs !== undefined,
    retryAfterMs: first.retryAfterMs,
    path: first.path ?? undefined,
    errors: payload.errors,
  });
}

/** The faulty input of a call, which is not sent. */
export const invalid = (message: string, ...path: string[]): TakeoffError => new TakeoffError('INVALID_INPUT', message, { path });
