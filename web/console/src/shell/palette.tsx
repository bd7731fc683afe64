/** The palette: pages, ids, intents by name, and what the server finds by a name or a key. */
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import { Autocomplete, Dialog, Input, Menu, MenuItem, Modal, ModalOverlay, SearchField } from 'react-aria-components';
import { documents, type types, useAsk, useStore } from '../api';
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

/** A text is searched for when nothing was typed for so long. */
const settledMs = 200;
const leastSearched = 2;

const kinds: Record<types.SearchKind, { kind: string; icon: IconName }> = {
  ARTIFACT: { kind: 'Artifact', icon: 'artifacts' },
  EXECUTION: { kind: 'Execution', icon: 'executions' },
  INTENT: { kind: 'Intent', icon: 'executions' },
  INTENT_TYPE: { kind: 'Intent', icon: 'executions' },
  SCHEDULE: { kind: 'Schedule', icon: 'clock' },
  SESSION: { kind: 'Session', icon: 'sessions' },
};

const idPattern = /^(?:exe|art|ses|sch|opr|whk|int|nod|key|evt|mat)_\w{6,}$/;

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

/** A text once it stays the same. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), settledMs);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}

/** What the server finds, besides intents, which are known here. */
function useFound(text: string): Target[] {
  const navigate = useNavigate();
  const word = useSettled(text);
  const { data } = useAsk(
    documents.Search,
    { text: word },
    { isOn: word.length >= leastSearched && word.length <= 200 },
  );
  if (word !== text || !data) return [];
  return data.search
    .filter(({ kind, by }) => kind !== 'INTENT_TYPE' && by !== 'ID')
    .map(({ kind, id, title, by }) => ({
      id: `found:${id}`,
      name: title,
      kind: by === 'KEY' ? `${kinds[kind].kind}, by its key` : kinds[kind].kind,
      icon: kinds[kind].icon,
      go: () => void navigate({ to: '/go/$id', params: { id } }),
    }));
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
  const searched = useFound(word);
  const contains = (name: string) => name.toLowerCase().includes(word.toLowerCase());
  const named = [...byId, ...targets.filter(({ name }) => contains(name))];
  const room = Math.max(shownAtOnce - searched.length, shownAtOnce / 2);
  const found = [...named.slice(0, room), ...searched].slice(0, shownAtOnce);
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
          <div className="menu-empty">
            Nothing has this name. Whole ids, such as exe_…, and idempotency keys are found, too.
          </div>
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
