/** Queries and mutations. */
import { type GraphqlError, TakeoffError } from '@takeoff/client';
import { forget, renewed, session } from './caller';
import { client } from './client';
import type { Document } from './document';
import { failureOf } from './failure';

export interface Answer<Data> {
  data: Data;
  /** Errors of fields that are missing in the data. */
  partial: readonly GraphqlError[];
}

export interface AskOptions {
  signal?: AbortSignal | undefined;
}

/** Asks the server. Fails with a `Failure`, or as the signal says. */
export async function ask<Data, Variables>(
  document: Document<Data, Variables>,
  variables: Variables,
  { signal }: AskOptions = {},
  isAgain = false,
): Promise<Answer<Data>> {
  const { csrf } = session.get();
  try {
    return { data: await client().query<Data, Variables>(document.text, variables, { signal }), partial: [] };
  } catch (error) {
    signal?.throwIfAborted();
    // An answer with some of its fields missing is shown, and says what is missing.
    if (error instanceof TakeoffError && error.data) {
      return { data: error.data as Data, partial: error.errors as GraphqlError[] };
    }
    const failure = failureOf(error);
    if (failure.kind === 'proof') {
      if (!isAgain && (await renewed(csrf))) return ask(document, variables, { signal }, true);
      forget('The session has ended: its key or token is not valid any more, or it was begun too long ago.');
    }
    throw failure;
  }
}

interface Refusal {
  code: string;
  message: string;
  path?: readonly string[] | null;
}

/** The mistakes that a mutation tells, as one text. */
export const told = (errors: readonly Refusal[]) =>
  errors
    .map(({ message, path }) => (path && path.length > 1 ? `${path.slice(1).join('.')}: ${message}` : message))
    .join('\n');

/** Fails where a mutation tells mistakes. */
export function refuse(errors: readonly Refusal[]) {
  if (errors.length > 0) throw new Error(told(errors));
}
