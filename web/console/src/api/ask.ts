/** Queries and mutations. */
import { createClient, type GraphqlError, TakeoffError } from '@takeoff/client';
import { forget, token } from './caller';
import { client } from './client';
import type { Document } from './document';
import { failureOf } from './failure';
import { server } from './place';

export interface Answer<Data> {
  data: Data;
  /** Errors of fields that are missing in the data. */
  partial: readonly GraphqlError[];
}

export interface AskOptions {
  signal?: AbortSignal | undefined;
  /** Another proof than that which is held. */
  proof?: string;
}

/** Asks the server. Fails with a `Failure`, or as the signal says. */
export async function ask<Data, Variables>(
  document: Document<Data, Variables>,
  variables: Variables,
  { signal, proof }: AskOptions = {},
): Promise<Answer<Data>> {
  const used = proof ?? token.get();
  const asked = proof === undefined ? client() : createClient({ url: server, token: () => proof });
  try {
    return { data: await asked.query<Data, Variables>(document.text, variables, { signal }), partial: [] };
  } catch (error) {
    signal?.throwIfAborted();
    // An answer with some of its fields missing is shown, and says what is missing.
    if (error instanceof TakeoffError && error.data) {
      return { data: error.data as Data, partial: error.errors as GraphqlError[] };
    }
    const failure = failureOf(error);
    if (failure.kind === 'proof' && proof === undefined && used === token.get()) {
      forget('The server refuses the key or token: it is not valid, has expired or was revoked.');
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
