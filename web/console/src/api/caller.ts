/**
 * Who asks, where the server wants to know it: a key or token, or a login at an issuer, is exchanged once for a cookie that
 * no script can read. All that the page has is the text by which requests name their session. Nothing is kept in the
 * storage of the browser.
 */
import { base, wantsProof } from './place';
import { store } from './store';

export interface Session {
  /** `unknown`: the server has not been asked yet. */
  state: 'unknown' | 'none' | 'known';
  /** What requests name. */
  csrf?: string;
  /** Raised when all of the page is to begin again with the same session. */
  turn?: number;
}

export const session = store<Session>({ state: wantsProof ? 'unknown' : 'known' });
/** Why the session of before is not there any more. */
export const lostProof = store<string | undefined>(undefined);

export const isKnown = () => session.get().state === 'known';

interface Answer {
  csrf: string | null;
  /** When to ask again, so that the session goes on; none where it ends with its key. */
  renewInMs?: number | null;
}

const patienceMs = 20_000;
const againMs = 10_000;
/** Timers take no more. */
const longestMs = 2 ** 31 - 1;
let renewing: ReturnType<typeof setTimeout> | undefined;

function take({ csrf, renewInMs }: Answer): boolean {
  askIn(renewInMs ?? undefined);
  if (csrf === null && isKnown()) forget('The session has ended.');
  else if (csrf === null) session.set({ state: 'none' });
  else if (csrf !== session.get().csrf) session.set({ state: 'known', csrf });
  return csrf !== null;
}

/** Asks again in time, by which the server renews the session. */
function askIn(ms: number | undefined) {
  clearTimeout(renewing);
  if (ms === undefined) return;
  renewing = setTimeout(() => find().catch(() => askIn(againMs)), Math.min(ms, longestMs));
}

/** Asks which session the browser has. One tab after the other: what renews a session may be good for one time. */
export function find(): Promise<boolean> {
  const ask = async () => {
    const answer = await reached('session');
    if (!answer.ok) throw new Error(`The server answers ${answer.status}.`);
    return take(await answer.json());
  };
  return navigator.locks ? navigator.locks.request('takeoff:session', ask) : ask();
}

async function reached(path: string, request?: RequestInit): Promise<Response> {
  const signal = AbortSignal.timeout(patienceMs);
  const answer = await fetch(new URL(path, base), { signal, ...request }).catch(() => undefined);
  if (!answer) throw new Error('The server does not answer.');
  return answer;
}

const post = (path: string, body: unknown) =>
  reached(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/** Leads the browser to an issuer, which leads it back to this page. Fails with words for people. */
export async function logIn(issuer: string): Promise<void> {
  const { pathname, search } = location;
  const page = pathname.startsWith(base.pathname) ? pathname.slice(base.pathname.length) + search : '';
  const answer = await post('login', { issuer, folder: base.pathname, page });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error ?? `The server answers ${answer.status}.`);
  location.assign(body.address);
}

/** Begins a session by a key or token. Fails with words for people. */
export async function begin(proof: string): Promise<void> {
  const answer = await post('session', { proof });
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
  const answer = await reached('session', {
    method: 'DELETE',
    ...(csrf !== undefined && { headers: { 'x-takeoff-csrf': csrf } }),
  });
  if (!answer.ok) throw new Error(`The server answers ${answer.status}.`);
  forget('You are logged out.');
}

export function forget(reason?: string) {
  if (!wantsProof) return;
  askIn(undefined);
  lostProof.set(reason);
  session.set({ state: 'none' });
}

/** Whether a request that was refused may be sent again: another tab has begun a session, or the server has renewed this one. */
export async function renewed(refused: string | undefined): Promise<boolean> {
  if (!wantsProof) return false;
  if (session.get().csrf !== refused) return isKnown();
  return find().catch(() => false);
}

let reviving: Promise<void> | undefined;
let revivedAt = Number.NEGATIVE_INFINITY;

/** What is followed was refused: all begins again if the session goes on, as after a sleep in which it was not renewed. */
export function revive(reason: string): Promise<void> {
  reviving ??= reviveOnce(reason).finally(() => {
    reviving = undefined;
    revivedAt = performance.now();
  });
  return reviving;
}

async function reviveOnce(reason: string): Promise<void> {
  const { csrf } = session.get();
  const isOften = performance.now() - revivedAt < patienceMs;
  if (isOften || !(await renewed(csrf))) return forget(reason);
  const { turn = 0, ...same } = session.get();
  session.set({ ...same, turn: turn + 1 });
}
