/**
 * The caller's proof, where the server wants one: a key or token that was pasted. It is kept in the storage of this tab
 * (sessionStorage) and goes to this server alone.
 */
import { wantsProof } from './place';
import { store } from './store';

const place = 'takeoff:console:token';

export const token = store<string | undefined>(sessionStorage.getItem(place) ?? undefined);
/** Why the proof of before is not there any more. */
export const lostProof = store<string | undefined>(undefined);

export const isKnown = () => !wantsProof || token.get() !== undefined;

export function hold(given: string) {
  sessionStorage.setItem(place, given);
  lostProof.set(undefined);
  token.set(given);
}

export function forget(reason?: string) {
  sessionStorage.removeItem(place);
  lostProof.set(reason);
  token.set(undefined);
}
