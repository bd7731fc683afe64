/** For what the server tells no events of: it is asked for again while somebody looks at the page. */
import { useEffect } from 'react';
import { queries } from '../api';

/**
 * Asks again for the queries of a name, once in so many milliseconds, while the tab is in view; not at all where no time is
 * given. An answer that is under way is waited for.
 */
export function useEvery(name: string, everyMs: number | undefined) {
  useEffect(() => {
    if (everyMs === undefined) return;
    function run() {
      if (document.visibilityState !== 'visible') return;
      void queries.invalidateQueries({ queryKey: [name] }, { cancelRefetch: false });
    }
    const timer = setInterval(run, everyMs);
    document.addEventListener('visibilitychange', run);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', run);
    };
  }, [name, everyMs]);
}
