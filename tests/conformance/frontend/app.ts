// What a frontend does with the generated documents; its types are what is tested.

import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { print } from 'graphql';
import {
  CreateSessionDocument,
  ExecutionDetailsDocument,
  ExecutionsDocument,
  LineageDocument,
  SetStateDocument,
  SubmitDocument,
  WatchDocument,
  type ExecutionRowFragment,
  type ExecutionStatus,
  type ProblemFragment,
  type WatchSubscription,
} from './generated/api.js';
import type { Session } from './generated/schema.js';

type Answer<Data> = { data?: Data | null; errors?: { message: string }[] };

export async function ask<Data, Variables>(
  url: string,
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: print(document), variables }),
  });
  const { data, errors } = (await response.json()) as Answer<Data>;
  if (!data) throw new Error(errors?.[0]?.message ?? `status ${response.status}`);
  return data;
}

export async function submit(url: string, sessionId: string, message: string): Promise<ExecutionRowFragment> {
  const input = { intentType: 'echo', sessionId, parameters: { message } };
  const { submitIntent } = await ask(url, SubmitDocument, { input });
  if (submitIntent.execution) return submitIntent.execution;
  throw new Error(submitIntent.errors.map(explain).join('; '));
}

// Each kind of error has its own fields, told apart by its type's name.
export function explain(problem: ProblemFragment): string {
  switch (problem.__typename) {
    case 'StaleVersion':
      return `${problem.message}; it has version ${problem.currentVersion}`;
    case 'IdempotencyKeyConflict':
      return `${problem.message}; see ${problem.execution?.id}`;
    default:
      return `${problem.message} (${(problem.path ?? []).join('.')})`;
  }
}

export async function begin(url: string): Promise<string> {
  const { createSession } = await ask(url, CreateSessionDocument, { input: { metadata: { page: 1 } } });
  if (!createSession.session) throw new Error(createSession.errors.map(explain).join('; '));
  const { id, stateVersion } = createSession.session;
  await ask(url, SetStateDocument, { input: { sessionId: id, state: {}, mode: 'MERGE', ifVersion: stateVersion } });
  return id;
}

export async function* failures(url: string): AsyncGenerator<ExecutionRowFragment> {
  const status: ExecutionStatus[] = ['FAILED'];
  let after: string | null | undefined;
  do {
    const { executions } = await ask(url, ExecutionsDocument, { filter: { status }, after });
    yield* executions.nodes;
    after = executions.pageInfo.hasNextPage ? executions.pageInfo.endCursor : null;
  } while (after);
}

export async function links(url: string, id: string): Promise<string[]> {
  const { execution } = await ask(url, ExecutionDetailsDocument, { id });
  const forms = execution?.artifacts.nodes.flatMap((artifact) => artifact.materializations) ?? [];
  return forms.flatMap((form) => form.downloadUrl ?? []);
}

export async function generations(url: string, id: string): Promise<number> {
  const { lineage } = await ask(url, LineageDocument, { roots: [id] });
  return Math.max(...lineage.nodes.map((node) => node.depth));
}

export const watchDocument = print(WatchDocument);

export function progress({ executionEvents: batch }: WatchSubscription): number[] {
  return batch.events.flatMap((event) => (event.__typename === 'ProgressReported' ? [event.fraction] : []));
}

export function title({ id, userId, isAnonymous }: Session): string {
  return isAnonymous ? id : `${id} of ${userId}`;
}

// What the types must not let through.
export const mistakes = [
  // @ts-expect-error: a session is required
  (url: string) => ask(url, SubmitDocument, { input: { intentType: 'echo' } }),
  // @ts-expect-error: the id is required
  (url: string) => ask(url, ExecutionDetailsDocument, {}),
  // @ts-expect-error: there is no such status
  (url: string) => ask(url, ExecutionsDocument, { filter: { status: ['DONE'] } }),
  // @ts-expect-error: a version is a string, since it may exceed what a number can hold
  (input: { sessionId: string }) => ask('', SetStateDocument, { input: { ...input, state: {}, ifVersion: 1 } }),
  // @ts-expect-error: an execution may be absent
  (url: string) => ask(url, ExecutionDetailsDocument, { id: 'a' }).then(({ execution }) => execution.status),
];
