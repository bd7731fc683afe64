/** A view without the console around it. What leads to another page opens it beside, not in the place of this one. */
import { Outlet, useRouterState } from '@tanstack/react-router';
import { type MouseEvent, useEffect } from 'react';
import { pageAt } from '../api';
import { Empty } from '../parts/state';
import { ConnectionPill } from './connection';

export function Embedded() {
  const theme = useRouterState({ select: ({ location }) => (location.search as { theme?: string }).theme });
  useEffect(() => {
    const root = document.documentElement;
    const before = root.dataset.theme;
    if (theme) root.dataset.theme = theme;
    return () => {
      if (before) root.dataset.theme = before;
    };
  }, [theme]);
  function leave(event: MouseEvent) {
    const link = (event.target as Element).closest<HTMLAnchorElement>('a[href]');
    if (!link || link.hasAttribute('download') || link.href.startsWith(pageAt('embed/'))) return;
    event.preventDefault();
    event.stopPropagation();
    window.open(link.href, '_blank', 'noopener');
  }
  return (
    <div className="embedded" onClickCapture={leave}>
      <header className="embedded-bar">
        <ConnectionPill />
      </header>
      <main id="main" tabIndex={-1}>
        <Outlet />
      </main>
    </div>
  );
}

/** Within the page of another, a key is not asked for. */
export function NotEmbedded() {
  return (
    <main className="embedded">
      <Empty title="Nobody is logged in">
        <a href={pageAt('')} target="_blank" rel="noopener">
          Log in to the console
        </a>
        , in a window of its own, and load this view again. A browser shows it within pages of the same site alone.
      </Empty>
    </main>
  );
}
