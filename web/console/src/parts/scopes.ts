/** Rights as the server names them: which of them permit something. */

export type Scope =
  | 'executions:read'
  | 'executions:control'
  | 'sessions:write'
  | 'artifacts:read'
  | 'artifacts:write'
  | 'keys:manage'
  | 'runtime:operate'
  | 'intents:submit'
  | 'log:read';

/** A right to whatever the tenant has, not to what is the caller's own alone. */
export type WholeScope = `${Scope}:all`;

export type May = (scope: Scope | WholeScope) => boolean;

/**
 * Whether scopes permit an action. One that ends in `:own` permits it too, on what is the caller's own; where the
 * action is named with `:all`, it does not.
 */
export function permits(scopes: readonly string[], scope: string): boolean {
  const isWhole = scope.endsWith(':all');
  const name = isWhole ? scope.slice(0, -':all'.length) : scope;
  return scopes.some(
    (held) =>
      held === '*' ||
      held === name ||
      held === scope ||
      (!isWhole && held.startsWith(`${name}:`)) ||
      (held.endsWith('*') && name.startsWith(held.slice(0, -1))),
  );
}

/** Whether intents of a type may be submitted. */
export const permitsType = (scopes: readonly string[], type: string) =>
  scopes.some((held) => held === 'intents:submit') || permits(scopes, `intents:submit:${type}`);

/** Whether a bulk operation may be begun: whoever changes things by a filter has to read as many of them. */
export const mayBegin = (may: May, changes: Scope, reads: Scope) =>
  may(changes) && (may(`${reads}:all`) || (may(reads) && !may(`${changes}:all`)));

/** Whether webhooks may be made and changed. */
export const mayManageWebhooks = (may: May) => may('executions:read:all') && may('executions:control:all');
