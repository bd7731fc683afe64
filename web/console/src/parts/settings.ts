/** Preferences of the browser: theme and single-letter keys. The time zone is in `time`. */
import { store } from '../api';

export const themes = ['system', 'light', 'dark'] as const;
export type Theme = (typeof themes)[number];

const places = { theme: 'takeoff:console:theme', letters: 'takeoff:console:letters' };
const kept = localStorage.getItem(places.theme);

export const theme = store<Theme>(themes.find((name) => name === kept) ?? 'system');
export const letters = store(localStorage.getItem(places.letters) !== 'off');

function apply() {
  document.documentElement.dataset.theme = theme.get();
}
apply();

export function setTheme(name: Theme) {
  localStorage.setItem(places.theme, name);
  theme.set(name);
  apply();
}

export function setLetters(isOn: boolean) {
  localStorage.setItem(places.letters, isOn ? 'on' : 'off');
  letters.set(isOn);
}
