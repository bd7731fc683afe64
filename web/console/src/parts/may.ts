/** What the caller may do. What one may not do is not offered. */
import { documents, useAsk } from '../api';
import { type May, permits, permitsType } from './scopes';

export type { Scope, WholeScope } from './scopes';

export function useMay(): May {
  const { data } = useAsk(documents.Viewer, {}, { staleMs: 300_000 });
  const scopes = data?.viewer.scopes ?? [];
  return (scope) => permits(scopes, scope);
}

export function useMaySubmit(): (type: string) => boolean {
  const { data } = useAsk(documents.Viewer, {}, { staleMs: 300_000 });
  const scopes = data?.viewer.scopes ?? [];
  return (type) => permitsType(scopes, type);
}
