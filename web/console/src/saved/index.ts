/** The saved views of this browser; an address alone is what one shares. */
import { type Store, store } from '../api/store';
import { readViews, type SavedView } from './read';

export { isSame, type SavedView, withView } from './read';

const place = 'takeoff:console:views';

export const savedViews: Store<SavedView[]> = store(readViews(localStorage.getItem(place)));

/** Returns whether the browser has kept them. */
export function keepViews(views: SavedView[]): boolean {
  savedViews.set(views);
  try {
    localStorage.setItem(place, JSON.stringify(views));
    return true;
  } catch {
    return false;
  }
}

// Another tab has changed them.
window.addEventListener('storage', ({ key, newValue }) => {
  if (key === place) savedViews.set(readViews(newValue));
});
