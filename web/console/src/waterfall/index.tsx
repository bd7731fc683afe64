/** The waterfall of an execution: what ran when, opened in place, folded where much is alike. */
import { keepPreviousData, useQueries } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type CSSProperties, type KeyboardEvent, useEffect, useMemo, useRef } from 'react';
import { Button } from 'react-aria-components';
import { type Answer, ask, documents, keyOf, queries, type types, useStore } from '../api';
import { onChanges } from '../live/feed';
import { ExecutionLink, Icon, type IconName } from '../parts';
import { statusName, toneOf, waitName } from '../parts/status';
import { clock, span as lasting } from '../time';
import { type Bar, bars, childrenOf, marks, type Node, range, type Span, type Wait } from './spans';

const rowHeight = 32;
/** Items of a timeline: at first, and at most. */
const mostItems = [200, 1_000];
const childrenAtOnce = 100;
/** A step that began tells nobody: what runs is asked for again after so long. */
const runsEveryMs = 2_000;

interface Props {
  root: Span;
  open: ReadonlySet<string>;
  setOpen(open: ReadonlySet<string>): void;
  selected: string | undefined;
  select(key: string | undefined): void;
}

/** The timeline of an execution. Where it has no room for all, the executions below follow by pages. */
async function timelineOf(id: string, pages: number, signal: AbortSignal): Promise<Omit<Node, 'isLoading'> | null> {
  const most = mostItems[pages - 1] ?? mostItems.at(-1) ?? 1;
  const { data } = await ask(documents.ExecutionTimeline, { id, most }, { signal });
  if (!data.execution) return null;
  const { timeline, ...span } = data.execution;
  const more: Span[] = [];
  let after: string | null = null;
  let isCut = timeline.truncated;
  for (let page = mostItems.length; timeline.truncated && page < pages; page += 1) {
    const answer: Answer<types.ExecutionChildrenQuery> = await ask(
      documents.ExecutionChildren,
      { id, first: childrenAtOnce, after },
      { signal },
    );
    const children = answer.data.execution?.children;
    more.push(...(children?.nodes ?? []));
    isCut = children?.pageInfo.hasNextPage ?? false;
    if (!isCut) break;
    after = children?.pageInfo.endCursor ?? null;
  }
  return { span, items: timeline.items, more, isCut };
}

const pagesOf = (open: ReadonlySet<string>, id: string) => {
  const entry = [...open].find((one) => one.startsWith(`page:${id}:`));
  return entry ? Number(entry.split(':')[2]) || 1 : 1;
};

const keyOfTimeline = (id: string) => ['ExecutionTimeline', id] as const;

/** Everything that is open, with its parts. */
function useNodes(root: Span, open: ReadonlySet<string>) {
  const ids = [root.id, ...[...open].filter((key) => key.startsWith('exe_') && key !== root.id)];
  const found = useQueries({
    queries: ids.map((id) => ({
      queryKey: [...keyOfTimeline(id), pagesOf(open, id)],
      queryFn: ({ signal }: { signal: AbortSignal }) => timelineOf(id, pagesOf(open, id), signal),
      placeholderData: keepPreviousData,
      refetchInterval: ({ state }: { state: { data?: Omit<Node, 'isLoading'> | null } }) =>
        state.data?.span.status === 'RUNNING' && runsEveryMs,
    })),
  });
  const nodes = new Map<string, Node>();
  for (const [at, id] of ids.entries()) {
    const query = found[at];
    if (query?.data?.span.id === id) nodes.set(id, { ...query.data, isLoading: query.isPlaceholderData });
  }
  // The head of the page knows the execution before its timeline is there, and may know a later state of it.
  const known = nodes.get(root.id) ?? { items: [], more: [], isCut: false, isLoading: !found[0]?.error };
  nodes.set(root.id, { ...known, span: root });
  return { nodes, failure: found.find(({ error }) => error)?.error ?? null };
}

export function Waterfall({ root, open, setOpen, selected, select }: Props) {
  const { nodes, failure } = useNodes(root, open);
  const tree = nodes.get(root.id);
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
  for (const [id, node] of nodes) for (const child of childrenOf(node)) known.set(child.id, id);

  useEffect(
    () =>
      onChanges((changes) => {
        const stale = new Set<string>();
        for (const id of changes.keys()) {
          const parent = known.get(id);
          if (parent) stale.add(parent);
          if (open.has(id) || id === root.id) stale.add(id);
          if (parent || stale.has(id))
            void queries.invalidateQueries({ queryKey: keyOf(documents.ExecutionSpan, { id }) });
        }
        for (const id of stale) void queries.invalidateQueries({ queryKey: keyOfTimeline(id) });
      }),
    [known, open, root.id],
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
          <span className={`sign ${row.state}`} title="Step">
            <Icon name="dot" size={12} />
          </span>
          <span className="cut" title={row.name}>
            {row.name}
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
          Load more
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
          ? row.state
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
      {row.kind === 'execution' &&
        row.waits.map((wait) => (
          <span
            key={`${wait.reason} ${wait.from}`}
            className="bar waiting within"
            style={style(wait.from, wait.to ?? to)}
            title={wordsOf(wait, now)}
          />
        ))}
    </>
  );
}

const wordsOf = ({ reason, from, to }: Wait, now: number) => `${waitName(reason)}: ${lasting((to ?? now) - from)}`;
