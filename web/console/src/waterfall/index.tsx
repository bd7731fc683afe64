/** The waterfall of an execution: what ran when, opened in place, folded where much is alike. */
import { useQueries } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type CSSProperties, type KeyboardEvent, useEffect, useMemo, useRef } from 'react';
import { Button } from 'react-aria-components';
import { type Answer, ask, documents, keyOf, queries, type types, useStore } from '../api';
import { onChanges } from '../live/feed';
import { ExecutionLink, Icon, type IconName } from '../parts';
import { statusName, toneOf, waitName } from '../parts/status';
import { clock, span as lasting } from '../time';
import { type Bar, bars, marks, type Node, range, type Span } from './spans';

const rowHeight = 32;
const childrenAtOnce = 100;

interface Props {
  root: Omit<Node, 'children' | 'hasMoreChildren' | 'isLoading'>;
  open: ReadonlySet<string>;
  setOpen(open: ReadonlySet<string>): void;
  selected: string | undefined;
  select(key: string | undefined): void;
}

/** The children of an execution, page by page as far as they were asked for. */
async function childrenOf(id: string, pages: number, signal: AbortSignal) {
  const found: Span[] = [];
  let after: string | null = null;
  for (let page = 0; page < pages; page += 1) {
    const answer: Answer<types.ExecutionChildrenQuery> = await ask(
      documents.ExecutionChildren,
      { id, first: childrenAtOnce, after },
      { signal },
    );
    const children = answer.data.execution?.children;
    found.push(...(children?.nodes ?? []));
    if (!children?.pageInfo.hasNextPage) return { spans: found, hasMore: false };
    after = children.pageInfo.endCursor;
  }
  return { spans: found, hasMore: true };
}

const pagesOf = (open: ReadonlySet<string>, id: string) => {
  const entry = [...open].find((one) => one.startsWith(`page:${id}:`));
  return entry ? Number(entry.split(':')[2]) || 1 : 1;
};

/** Everything that is open, with its parts. */
function useNodes(root: Props['root'], open: ReadonlySet<string>) {
  const ids = [...open].filter((key) => key.startsWith('exe_'));
  const all = [root.span.id, ...ids];
  const children = useQueries({
    queries: all.map((id) => ({
      queryKey: ['ExecutionChildren', { id, pages: pagesOf(open, id) }],
      queryFn: ({ signal }: { signal: AbortSignal }) => childrenOf(id, pagesOf(open, id), signal),
    })),
  });
  const parts = useQueries({
    queries: ids.map((id) => ({
      queryKey: keyOf(documents.ExecutionParts, { id }),
      queryFn: ({ signal }: { signal: AbortSignal }) => ask(documents.ExecutionParts, { id }, { signal }),
    })),
  });
  const nodes = new Map<string, Node>();
  for (const [at, id] of all.entries()) {
    const below = children[at];
    const own = at === 0 ? root : parts[at - 1]?.data?.data.execution;
    if (!own) continue;
    const base = 'span' in own ? own : { span: own, steps: own.steps, events: own.events.nodes };
    nodes.set(id, {
      ...base,
      children: below?.data?.spans ?? [],
      hasMoreChildren: below?.data?.hasMore ?? false,
      isLoading: below?.isPending ?? false,
    });
  }
  const failure = [...children, ...parts].find(({ error }) => error)?.error ?? null;
  return { nodes, failure };
}

export function Waterfall({ root, open, setOpen, selected, select }: Props) {
  const { nodes, failure } = useNodes(root, open);
  const tree = nodes.get(root.span.id);
  const rows = tree ? bars(tree, nodes, open) : [];
  const hasOpenEnd = rows.some(({ kind, to }) => kind !== 'more' && to === undefined);
  const now = useStore(clock) * 1_000;
  const [first, last] = range(rows, now);
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 10,
  });
  const known = useMemo(() => new Map<string, string>(), []);
  known.clear();
  for (const [id, { children }] of nodes) for (const child of children) known.set(child.id, id);

  useEffect(
    () =>
      onChanges((changes) => {
        for (const id of changes.keys()) {
          const parent = known.get(id);
          if (parent)
            void queries.invalidateQueries({
              queryKey: ['ExecutionChildren'],
              predicate: ({ queryKey }) => (queryKey[1] as { id: string }).id === parent,
            });
          if (open.has(id)) {
            void queries.invalidateQueries({ queryKey: keyOf(documents.ExecutionParts, { id }) });
            void queries.invalidateQueries({
              queryKey: ['ExecutionChildren'],
              predicate: ({ queryKey }) => (queryKey[1] as { id: string }).id === id,
            });
          }
        }
      }),
    [known, open],
  );

  function toggle(key: string) {
    const next = new Set(open);
    if (!next.delete(key)) next.add(key);
    setOpen(next);
  }
  function loadMore(id: string) {
    const pages = pagesOf(open, id);
    const next = new Set([...open].filter((one) => !one.startsWith(`page:${id}:`)));
    setOpen(next.add(`page:${id}:${pages + 1}`));
  }

  const at = rows.findIndex(({ key }) => key === selected);
  function press(event: KeyboardEvent) {
    const row = rows[at];
    const to =
      event.key === 'ArrowDown' || event.key === 'j'
        ? at + 1
        : event.key === 'ArrowUp' || event.key === 'k'
          ? Math.max(0, at - 1)
          : undefined;
    const target = to === undefined ? undefined : rows[to];
    if (target && to !== undefined) {
      event.preventDefault();
      select(target.key);
      virtual.scrollToIndex(to);
    } else if (row && (event.key === 'ArrowRight' || event.key === 'ArrowLeft')) {
      const key = openKey(row);
      if (key && open.has(key) === (event.key === 'ArrowLeft')) toggle(key);
    } else if (event.key === 'Escape') {
      select(undefined);
    }
  }

  const length = last - first;
  const axis = marks(length, 6);
  return (
    <div className="waterfall">
      {failure && <p className="fault">{failure.message}</p>}
      <div className="axis" aria-hidden="true">
        <span />
        <div>
          {axis.map((place) => (
            <span
              key={place}
              style={{ left: `${(place / length) * 100}%` }}
              className={place / length > 0.92 ? 'late' : ''}
            >
              {place === 0 ? '0' : lasting(place)}
            </span>
          ))}
        </div>
        <span />
      </div>
      <div
        ref={scroller}
        className="bars"
        role="treegrid"
        aria-label="Timeline"
        aria-rowcount={rows.length}
        tabIndex={0}
        onKeyDown={press}
        aria-activedescendant={at >= 0 ? `bar-${at}` : undefined}
      >
        <div role="rowgroup" className="rows" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map(({ index, start }) => {
            const row = rows[index];
            if (!row) return null;
            return (
              <Line
                key={row.key}
                row={row}
                at={index}
                top={start}
                first={first}
                length={length}
                now={now}
                isSelected={row.key === selected}
                select={() => select(row.key === selected ? undefined : row.key)}
                toggle={toggle}
                loadMore={loadMore}
              />
            );
          })}
        </div>
      </div>
      <p className="muted small legend">
        <span className="swatch waiting" aria-hidden="true" /> waiting{' '}
        <span className="swatch busy" aria-hidden="true" /> running <span className="swatch good" aria-hidden="true" />{' '}
        completed <span className="swatch bad" aria-hidden="true" /> failed{' '}
        <span className="swatch step" aria-hidden="true" /> step
        {hasOpenEnd && ' · what still runs grows once a second'}
      </p>
    </div>
  );
}

/** The key by which a row is opened, if it can be. */
function openKey(row: Bar): string | undefined {
  if (row.kind === 'execution') return row.isRoot ? undefined : row.span.id;
  return row.kind === 'fold' ? row.key : undefined;
}

interface LineProps {
  row: Bar;
  at: number;
  top: number;
  first: number;
  length: number;
  now: number;
  isSelected: boolean;
  select(): void;
  toggle(key: string): void;
  loadMore(id: string): void;
}

function Line({ row, at, top, first, length, now, isSelected, select, toggle, loadMore }: LineProps) {
  const key = openKey(row);
  const isOpen = (row.kind === 'execution' || row.kind === 'fold') && row.isOpen;
  return (
    <div
      id={`bar-${at}`}
      role="row"
      aria-level={row.depth + 1}
      aria-rowindex={at + 1}
      aria-selected={isSelected}
      {...(key && { 'aria-expanded': isOpen })}
      className="line"
      style={{ transform: `translateY(${top}px)` }}
      onClick={select}
    >
      <div role="gridcell" className="label" style={{ '--depth': Math.min(row.depth, 8) } as CSSProperties}>
        {key ? (
          <Button
            className="twist"
            excludeFromTabOrder
            aria-label={isOpen ? 'Close' : 'Open'}
            onPress={() => toggle(key)}
          >
            <Icon name={isOpen ? 'down' : 'right'} size={12} />
          </Button>
        ) : (
          <span className="twist" />
        )}
        <Name row={row} loadMore={loadMore} />
      </div>
      <div role="gridcell" className="track">
        <Drawn row={row} first={first} length={length} now={now} />
      </div>
      <div role="gridcell" className="took">
        {took(row, now)}
      </div>
    </div>
  );
}

const icons: Record<'good' | 'bad' | 'busy' | 'wait' | 'off', IconName> = {
  good: 'check',
  bad: 'cross',
  busy: 'play',
  wait: 'clock',
  off: 'cancelled',
};

function Name({ row, loadMore }: { row: Bar; loadMore(id: string): void }) {
  switch (row.kind) {
    case 'execution': {
      const { span } = row;
      const tone = toneOf(span.status);
      const words = span.waitingFor
        ? `${statusName(span.status)}, ${waitName(span.waitingFor)}`
        : statusName(span.status);
      return (
        <>
          <span className={`sign ${tone}`} title={words}>
            <Icon name={icons[tone]} size={12} />
            <span className="hidden">{words}</span>
          </span>
          <span className="cut">
            {row.isRoot ? (
              <b>{span.intent.intentType}</b>
            ) : (
              <ExecutionLink id={span.id}>{span.intent.intentType}</ExecutionLink>
            )}
          </span>
        </>
      );
    }
    case 'attempt':
      return (
        <>
          <span className={`sign ${row.state}`} title={row.words}>
            <Icon name={icons[row.state]} size={12} />
          </span>
          <span className="cut" title={row.words}>
            attempt {row.attempt}
            {row.state === 'bad' && <span className="muted"> {row.words}</span>}
          </span>
        </>
      );
    case 'step':
      return (
        <>
          <span className="sign step" title="Step">
            <Icon name="dot" size={12} />
          </span>
          <span className="cut" title={row.step.name}>
            {row.step.name}
          </span>
        </>
      );
    case 'fold': {
      const failed = row.spans.filter(({ status }) => status === 'FAILED').length;
      const running = row.spans.filter(({ status }) => status === 'RUNNING' || status === 'CREATED').length;
      const tone = failed > 0 ? 'bad' : running > 0 ? 'busy' : 'good';
      const words = [failed > 0 && `${failed} failed`, running > 0 && `${running} live`].filter(Boolean).join(', ');
      return (
        <>
          <span className={`sign ${tone}`}>
            <Icon name={icons[tone]} size={12} />
          </span>
          <span className="cut">
            {row.name} <b>× {row.spans.length}</b> <span className={failed > 0 ? 'bad-text' : 'muted'}>{words}</span>
          </span>
        </>
      );
    }
    case 'more':
      return row.isLoading ? (
        <span className="muted">Loading</span>
      ) : (
        <Button className="link" onPress={() => loadMore(row.parent)}>
          Load more children
        </Button>
      );
  }
}

/** How long it ran, without what it waited before. */
function took(row: Bar, now: number): string {
  if (row.kind === 'more') return '';
  const from = row.kind === 'execution' ? row.start : row.from;
  return from === undefined ? '' : lasting((row.to ?? Math.max(now, from)) - from);
}

function Drawn({ row, first, length, now }: { row: Bar; first: number; length: number; now: number }) {
  if (row.kind === 'more') return null;
  const place = (time: number) => ((time - first) / length) * 100;
  const to = row.to ?? Math.max(now, row.from);
  const tone =
    row.kind === 'execution'
      ? toneOf(row.span.status)
      : row.kind === 'attempt'
        ? row.state
        : row.kind === 'step'
          ? 'step'
          : 'fold';
  const start = row.kind === 'execution' ? (row.start ?? to) : row.from;
  const style = (from: number, until: number) => ({
    left: `${place(from)}%`,
    width: `${Math.max(0, place(until) - place(from))}%`,
  });
  return (
    <>
      {start > row.from && (
        <span className="bar waiting" style={style(row.from, start)} title={`waited ${lasting(start - row.from)}`} />
      )}
      {(row.kind !== 'execution' || row.start !== undefined) && (
        <span className={`bar ${tone}${row.to === undefined ? ' growing' : ''}`} style={style(start, to)} />
      )}
    </>
  );
}
