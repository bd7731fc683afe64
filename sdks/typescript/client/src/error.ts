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
  declare readonly code: string;
  declare readonly retryable: boolean;
  declare readonly retryAfterMs: number | undefined;
  declare readonly requestId: string | undefined;
  declare readonly path: readonly string[] | undefined;
  declare readonly status: number | undefined;
  declare readonly lastCursor: string | null | undefined;
  declare readonly oldestCursor: string | undefined;
  declare readonly errors: readonly (GraphqlError | UserError)[];
  declare readonly data: unknown;

  constructor(code: string, message: string, { cause, ...details }: ErrorDetails = {}) {
    super(message, { cause });
    Object.assign(this, { code, retryable: false, errors: [] }, details);
  }
}

/** The top-level errors of an answer. */
export function ofGraphql(errors: readonly GraphqlError[], data?: unknown, status?: number): TakeoffError {
  const [first] = errors;
  const { code = 'BAD_ANSWER', retryable = false, retryAfterMs, requestId, lastCursor, oldestCursor } =
    (first?.extensions ?? {}) as ErrorDetails & { code?: string };
  return new TakeoffError(code, first?.message ?? code, {
    retryable, retryAfterMs, requestId, lastCursor, oldestCursor, status, errors, data,
  });
}

/** Throws the mistakes that a mutation's payload names. */
export function checked<P extends { errors: readonly UserError[] }>(payload: P): P {
  const [first] = payload.errors;
  if (!first) return payload;
  const { code, message, retryAfterMs, path } = first;
  throw new TakeoffError(code, message, { retryable: retryAfterMs !== undefined, retryAfterMs, path: path ?? undefined, errors: payload.errors });
}

/** Refuses a call without something that it needs; nothing is sent. */
export function need(value: unknown, name: string, hint = ''): void {
  if (!value) throw new TakeoffError('INVALID_INPUT', `\`${name}\` is missing${hint}`, { path: ['input', name] });
}
