/**
 * Who asks, where the server wants to know it: a key or token is exchanged once for a cookie that no script can read. All
 * that the page has is the text by which requests name their session. Nothing is kept in the storage of the browser.
 */
import { base, wantsProof } from './place';
import { store } from './store';

export interface Session {
  /** `unknown`: the server has not been asked yet. */
  state: 'unknown' | 'none' | 'known';
  /** What requests name. */
  csrf?: string;
}

export const session = store<Session>({ state: wantsProof ? 'unknown' : 'known' });
/** Why the session of before is not there any more. */
export const lostProof = store<string | undefined>(undefined);

export const isKnown = () => session.get().state === 'known';

const place = new URL('session', base);

interface Answer {
  csrf: string | null;
}

function take({ csrf }: Answer): boolean {
  if (csrf === null) session.set({ state: 'none' });
  else if (csrf !== session.get().csrf) session.set({ state: 'known', csrf });
  return csrf !== null;
}

/** Asks which session the browser has. */
export async function find(): Promise<boolean> {
  const answer = await reached();
  if (!answer.ok) throw new Error(`The server answers ${answer.status}.`);
  return take(await answer.json());
}

async function reached(request?: RequestInit): Promise<Response> {
  const answer = await fetch(place, request).catch(() => undefined);
  if (!answer) throw new Error('The server does not answer.');
  return answer;
}

/** Begins a session by a key or token. Fails with words for people. */
export async function begin(proof: string): Promise<void> {
  const answer = await reached({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ proof }),
  });
  const body = await answer.json().catch(() => ({}));
  if (answer.status === 401) throw new Error('The server refuses it: it is not valid, has expired or was revoked.');
  if (!answer.ok) throw new Error(body.error ?? `The server answers ${answer.status}.`);
  // The browser may have refused the cookie, which the page cannot see.
  if (!(await find()))
    throw new Error(
      'The browser keeps no cookie for this address: open the console by HTTPS, or at a loopback address.',
    );
  lostProof.set(undefined);
}

/** Ends the session on the server, and then here. It goes on where the server does not say that it has ended. */
export async function end(): Promise<void> {
  const { csrf } = session.get();
  const answer = await reached({
    method: 'DELETE',
    ...(csrf !== undefined && { headers: { 'x-takeoff-csrf': csrf } }),
  });
  if (!answer.ok) throw new Error(`The server answers ${answer.status}.`);
  forget('You are logged out.');
}

export function forget(reason?: string) {
  if (!wantsProof) return;
  lostProof.set(reason);
  session.set({ state: 'none' });
}

/** Whether the browser has another session than that which was refused: another tab has begun one. */
export async function renewed(refused: string | undefined): Promise<boolean> {
  if (!wantsProof) return false;
  if (session.get().csrf !== refused) return isKnown();
  return (await find().catch(() => false)) && session.get().csrf !== refused;
}
