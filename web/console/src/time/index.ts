/** Times as people read them. One setting says in which zone; every absolute time says it, too. */
import { store } from '../api/store';

const place = 'takeoff:console:zone';

/** `local`, or the name of a zone. */
export const zone = store(localStorage.getItem(place) ?? 'local');

export function setZone(name: string) {
  localStorage.setItem(place, name);
  zone.set(name);
}

export { absolute, ago, instantOf, localZone, type Moment, micros, moment, span, zoneName } from './format';

/** A clock that ticks once a second for all that follow it. */
export const clock = store(Date.now());
setInterval(() => clock.set(Date.now()), 1_000);
