/** What the caller may do. What one may not do is not offered. */
import { documents, useAsk } from '../api';

export type Scope =
  | 'executions:control'
  | 'sessions:write'
  | 'artifacts:write'
  | 'keys:manage'
  | 'runtime:operate'
  | 'intents:submit'
  | 'log:read';

/** Whether scopes permit an action, for scopes that end in `*` or stand for more than one right. */
export const permits = (scopes: readonly string[], scope: string) =>
  scopes.some(
    (held) =>
      held === '*' ||
      held === scope ||
      held.startsWith(`${scope}:`) ||
      (held.endsWith('*') && scope.startsWith(held.slice(0, -1))),
  );

export function useMay(): (scope: Scope) => boolean {
  const { data } = useAsk(documents.Viewer, {}, { staleMs: 300_000 });
  const scopes = data?.viewer.scopes ?? [];
  return (scope) => permits(scopes, scope);
}

/** Whether intents of a type may be submitted. */
export const permitsType = (scopes: readonly string[], type: string) =>
  scopes.some((held) => held === 'intents:submit') || permits(scopes, `intents:submit:${type}`);

export function useMaySubmit(): (type: string) => boolean {
  const { data } = useAsk(documents.Viewer, {}, { staleMs: 300_000 });
  const scopes = data?.viewer.scopes ?? [];
  return (type) => permitsType(scopes, type);
}
