/** The palette: pages, ids, intents, by name. */
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import { Autocomplete, Dialog, Input, Menu, MenuItem, Modal, ModalOverlay, SearchField } from 'react-aria-components';
import { documents, useAsk, useStore } from '../api';
import { Icon, type IconName } from '../parts';
import { useOpenView } from '../parts/views';
import { savedViews } from '../saved';
import { ways } from './ways';

interface Target {
  id: string;
  name: string;
  kind: string;
  icon: IconName;
  go(): void;
}

/** So many have room without scrolling; a word finds the others. */
const shownAtOnce = 10;

const idPattern = /^(?:exe|art|ses|sch|int|nod|key|evt|mat)_\w{6,}$/;

export function Palette({ isOpen, setOpen }: { isOpen: boolean; setOpen(isOpen: boolean): void }) {
  return (
    <ModalOverlay className="veil" isDismissable isOpen={isOpen} onOpenChange={setOpen}>
      <Modal className="palette">
        <Dialog aria-label="Go to">
          <Targets close={() => setOpen(false)} />
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}

function Targets({ close }: { close(): void }) {
  const navigate = useNavigate();
  const [text, setText] = useState('');
  const views = useStore(savedViews);
  const openView = useOpenView();
  const names = useAsk(documents.TypeNames, {}, { staleMs: 300_000 });
  const word = text.trim();
  const targets = useMemo(() => {
    const pages: Target[] = ways.flatMap(({ of }) =>
      of.map(({ to, name, icon }) => ({
        id: `page:${name}`,
        name,
        kind: 'Page',
        icon,
        go: () => void navigate({ to }),
      })),
    );
    const types: Target[] = (names.data?.intentTypes ?? []).map(({ name }) => ({
      id: `type:${name}`,
      name: `Executions of ${name}`,
      kind: 'Intent',
      icon: 'executions',
      go: () => void navigate({ to: '/executions', search: { type: [name] } }),
    }));
    const saved: Target[] = views.map((view) => ({
      id: `view:${view.page}:${view.name}`,
      name: view.name,
      kind: 'View',
      icon: 'search',
      go: () => openView(view),
    }));
    return [...pages, ...saved, ...types];
  }, [navigate, names.data, views, openView]);
  const byId: Target[] = idPattern.test(word)
    ? [
        {
          id: `id:${word}`,
          name: word,
          kind: 'Open',
          icon: 'right',
          go: () => void navigate({ to: '/go/$id', params: { id: word } }),
        },
      ]
    : [];
  const contains = (name: string) => name.toLowerCase().includes(word.toLowerCase());
  const found = [...byId, ...targets.filter(({ name }) => contains(name))].slice(0, shownAtOnce);
  // Where nothing else is chosen Enter opens the first.
  useEffect(() => setText(''), []);
  return (
    <Autocomplete inputValue={text} onInputChange={setText}>
      <SearchField aria-label="Go to a page, an id or an intent" autoFocus className="palette-field">
        <Icon name="search" />
        <Input placeholder="A page, an id or an intent" spellCheck="false" />
      </SearchField>
      <Menu
        aria-label="Targets"
        className="menu"
        items={found}
        onAction={(key) => {
          close();
          found.find(({ id }) => id === key)?.go();
        }}
        renderEmptyState={() => (
          <div className="menu-empty">Nothing has this name. Whole ids, such as exe_…, are opened.</div>
        )}
      >
        {({ id, name, kind, icon }) => (
          <MenuItem id={id} textValue={name} className="item">
            <Icon name={icon} />
            <span className="cut">{name}</span>
            <small className="muted">{kind}</small>
          </MenuItem>
        )}
      </Menu>
    </Autocomplete>
  );
}
