/** The session that something is submitted in: an active one, or a new one where there is none. */
import { ask, documents, told, useAsk } from '../api';
import { Choice } from '../parts/controls';

const begun = 'new';

export function useSession(chosen: string | undefined) {
  const shown = useAsk(documents.ActiveSessions, {});
  const known = (shown.data?.sessions.nodes ?? []).map(({ id, userId }) => ({
    id,
    name: `${userId ?? 'anonymous'} · ${id.slice(-6)}`,
  }));
  const all = chosen && !known.some(({ id }) => id === chosen) ? [{ id: chosen, name: chosen }, ...known] : known;
  const choices = all.length > 0 ? all : [{ id: begun, name: 'a new session' }];
  const session = chosen ?? choices[0]?.id ?? begun;
  return {
    choices,
    session,
    /** The session's id; a new one is begun where there was none. */
    get: () => (session === begun ? begin() : Promise.resolve(session)),
  };
}

async function begin(): Promise<string> {
  const { data } = await ask(documents.CreateSession, { input: {} });
  const { session, errors } = data.createSession;
  if (!session) throw new Error(told(errors));
  return session.id;
}

export function SessionChoice({
  of: { choices, session },
  choose,
}: {
  of: ReturnType<typeof useSession>;
  choose(id: string | undefined): void;
}) {
  return (
    <Choice label="Session" choices={choices} chosen={session} choose={(id) => choose(id === begun ? undefined : id)} />
  );
}
