/** Why a request has no answer, in words for people. */
import { TakeoffError } from '@takeoff/client';

/** `network`: nobody answered. `proof`: the caller is not known. `refused`: the server answered with an error. */
export type FailureKind = 'network' | 'proof' | 'refused';

export class Failure extends Error {
  readonly kind: FailureKind;
  readonly code: string | undefined;

  constructor(kind: FailureKind, message: string, code?: string) {
    super(message);
    this.kind = kind;
    this.code = code;
  }
}

export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (!(error instanceof TakeoffError))
    return new Failure('refused', error instanceof Error ? error.message : String(error));
  const { code, status, message, retryAfterMs } = error;
  if (code === 'NETWORK') return new Failure('network', 'the server does not answer', code);
  if (status === 401 || code === 'UNAUTHENTICATED') return new Failure('proof', message, code);
  const more = retryAfterMs === undefined ? '' : ` Try again in ${Math.ceil(retryAfterMs / 1000)} s.`;
  return new Failure('refused', `${message}${more}`, code);
}
