/** What is around each page: the ways to the others, whether the server is there, search, settings. */
import { Link, Outlet, useRouterState } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useState } from 'react';
import { Button, Dialog, Modal, ModalOverlay } from 'react-aria-components';
import { documents, session, useAsk, useStore } from '../api';
import { startFeed } from '../live/feed';
import { Icon, IconButton } from '../parts';
import { useMay } from '../parts/may';
import { Empty, Loading } from '../parts/state';
import { dropped } from '../search';
import { ConnectionPill } from './connection';
import { Embedded, NotEmbedded } from './embedded';
import { useKeys } from './keys';
import { Palette } from './palette';
import { Settings } from './settings';
import { ways } from './ways';

const Login = lazy(() => import('./login'));

export function Shell() {
  const { state, csrf, turn } = useStore(session);
  const isEmbedded = useRouterState({ select: ({ location }) => location.pathname.startsWith('/embed/') });
  if (state === 'unknown') return <Loading />;
  if (state === 'none')
    return isEmbedded ? (
      <NotEmbedded />
    ) : (
      <Suspense fallback={<Loading />}>
        <Login />
      </Suspense>
    );
  return <Known key={`${csrf} ${turn}`} isEmbedded={isEmbedded} />;
}

function Known({ isEmbedded }: { isEmbedded: boolean }) {
  useEffect(startFeed, []);
  return isEmbedded ? <Embedded /> : <Framed />;
}

function Framed() {
  const [isSearching, setSearching] = useState(false);
  const [isMenuOpen, setMenuOpen] = useState(false);
  const path = useRouterState({ select: ({ location }) => location.pathname });
  useKeys(() => setSearching(true));
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page closes the menu
  useEffect(() => setMenuOpen(false), [path]);
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <div className="side">
        <Ways />
      </div>
      <ModalOverlay className="veil side-veil" isDismissable isOpen={isMenuOpen} onOpenChange={setMenuOpen}>
        <Modal className="side-modal">
          <Dialog aria-label="Pages">
            <Ways />
          </Dialog>
        </Modal>
      </ModalOverlay>
      <header className="bar">
        <div className="menu-button">
          <IconButton icon="menu" label="Pages" onPress={() => setMenuOpen(true)} />
        </div>
        <Button className="go" onPress={() => setSearching(true)}>
          <Icon name="search" />
          <span>Go to a page, an id or an intent</span>
          <kbd>Ctrl K</kbd>
        </Button>
        <ConnectionPill />
        <Settings />
      </header>
      <main id="main" tabIndex={-1}>
        <Dropped />
        <Outlet />
      </main>
      <Palette isOpen={isSearching} setOpen={setSearching} />
    </div>
  );
}

function Ways() {
  const may = useMay();
  const open = ways.map(({ title, of }) => ({ title, of: of.filter(({ needs }) => !needs || may(needs)) }));
  const shown = open.filter(({ of }) => of.length > 0);
  return (
    <nav aria-label="Pages">
      <Link to="/" className="brand" activeOptions={{ exact: true }}>
        <Mark />
        Takeoff
      </Link>
      {shown.map(({ title, of }) => (
        <div key={title} className="group">
          <h2>{title}</h2>
          {of.map(({ to, name, icon }) => (
            <Link
              key={to}
              to={to}
              activeProps={{ className: 'active', 'aria-current': 'page' }}
              activeOptions={{ exact: to === '/', includeSearch: false }}
            >
              <Icon name={icon} />
              {name}
            </Link>
          ))}
        </div>
      ))}
      <Tenant />
    </nav>
  );
}

function Mark() {
  return (
    <svg width="24" height="24" viewBox="0 0 32 32" aria-hidden="true" className="brand-mark">
      <rect width="32" height="32" rx="8" />
      <path d="M7 21.5h18M9 17.5l4.600-1.300-4.200-5.400 2.300-.6 6.400 4.700 4.400-1.200c1.200-.3 2.300.1 2.500.9.2.8-.5 1.600-1.700 1.900L10.400 20z" />
    </svg>
  );
}

function Tenant() {
  const { data } = useAsk(documents.Viewer, {}, { staleMs: 300_000 });
  if (!data) return null;
  return (
    <div className="tenant">
      <span className="muted">Tenant</span>
      <strong className="cut">{data.viewer.tenantId}</strong>
      <span className="muted cut">{data.viewer.actor}</span>
    </div>
  );
}

/** Says which parts of the address were not understood. */
function Dropped() {
  const names = useStore(dropped);
  if (names.length === 0) return null;
  return (
    <div className="note" role="status">
      <Icon name="info" />
      <span>
        The address has parts that this view does not know; they were left out: <b>{names.join(', ')}</b>
      </span>
      <IconButton icon="close" label="Close the note" onPress={() => dropped.set([])} />
    </div>
  );
}

export function NotFound() {
  return (
    <div className="page">
      <Empty title="There is no such page">
        <Link to="/">To the overview</Link>
      </Empty>
    </div>
  );
}
