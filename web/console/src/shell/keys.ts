/** Keys of the whole console. Single letters can be switched off (WCAG 2.1.4). */
import { useNavigate } from '@tanstack/react-router';
import { useEffect } from 'react';
import { letters } from '../parts/settings';
import { setZone, zone } from '../time';
import { ways } from './ways';

const all = ways.flatMap(({ of }) => of);

export const keys: [string, string][] = [
  ['Ctrl K', 'Search pages, ids, intents'],
  ['/', 'Go to the first filter'],
  ['j k', 'Next and former row'],
  ['Enter', 'Open the row'],
  ...all.map(({ key, name }): [string, string] => [`g ${key}`, name]),
  ['t', 'Times in UTC or local'],
  ['?', 'Settings and keys'],
];

const places = new Map(all.map(({ key, to }) => [key, to]));

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(?:input|textarea|select)$/i.test(target.tagName));

export function useKeys(search: () => void) {
  const navigate = useNavigate();
  useEffect(() => {
    let begun = 0;
    function press(event: KeyboardEvent) {
      if (event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        search();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || !letters.get()) return;
      if (document.querySelector('[role=dialog], [role=menu]')) return;
      const place = places.get(event.key);
      if (Date.now() - begun < 1_000 && place) {
        begun = 0;
        event.preventDefault();
        void navigate({ to: place });
      } else if (event.key === 'g') {
        begun = Date.now();
      } else if (event.key === 't') {
        setZone(zone.get() === 'UTC' ? 'local' : 'UTC');
      } else if (event.key === '/') {
        event.preventDefault();
        document.querySelector<HTMLElement>('.filters input')?.focus();
      } else if (event.key === '?') {
        document.querySelector<HTMLElement>('#settings')?.click();
      }
    }
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, [navigate, search]);
}
