/** The rows of a waterfall, made of the timelines of executions. */
import type { types } from '../api';
import { micros } from '../time/format';

export type Span = types.SpanFragment;
type Timeline = NonNullable<types.ExecutionTimelineQuery['execution']>['timeline'];
export type Item = Timeline['items'][number];

export interface Node {
  span: Span;
  /** As the server has them: attempts, steps, waits, executions. */
  items: readonly Item[];
  /** Executions that its timeline had no room for. */
  more: readonly Span[];
  isCut: boolean;
  isLoading: boolean;
}

/** Times are microseconds; an end that is not there yet is undefined. */
export type Bar = {
  key: string;
  depth: number;
  from: number;
  to: number | undefined;
} & (
  | { kind: 'execution'; span: Span; start: number | undefined; waits: Wait[]; isOpen: boolean; isRoot: boolean }
  | { kind: 'attempt'; attempt: number; state: 'good' | 'bad' | 'busy' | 'off'; words: string }
  | { kind: 'step'; name: string; state: 'step' | 'bad' }
  | { kind: 'fold'; name: string; spans: Span[]; isOpen: boolean }
  | { kind: 'more'; parent: string; isLoading: boolean }
);

/** What an execution waited for since its first attempt. */
export interface Wait {
  reason: types.WaitReason;
  from: number;
  to: number | undefined;
}

/** So many alike siblings become one row. */
export const foldsFrom = 5;

const end = ({ finishedAt }: Span) => (finishedAt ? micros(finishedAt) : undefined);

/** The rows below and with an execution, in the order of their beginnings. `nodes` has the executions that are open. */
export function bars(root: Node, nodes: ReadonlyMap<string, Node>, open: ReadonlySet<string>): Bar[] {
  const found: Bar[] = [];
  add(root, 0, true);
  return found;

  function execution(span: Span, depth: number, isRoot: boolean, waits: Wait[] = []): Bar {
    const start = span.startedAt ? micros(span.startedAt) : undefined;
    const isOpen = isRoot || open.has(span.id);
    return {
      key: `exe:${span.id}`,
      kind: 'execution',
      depth,
      span,
      from: micros(span.createdAt),
      start,
      to: end(span),
      waits,
      isOpen,
      isRoot,
    };
  }

  function add(node: Node, depth: number, isRoot: boolean) {
    const { span, items } = node;
    found.push(execution(span, depth, isRoot, waitsOf(span, items)));
    const below: { at: number; run(): void }[] = [];
    for (const bar of [...attempts(span, items), ...steps(span, items)]) {
      below.push({ at: bar.from, run: () => found.push({ ...bar, depth: depth + 1 }) });
    }
    for (const [name, spans] of byType(childrenOf(node))) {
      if (spans.length < foldsFrom) {
        for (const child of spans) below.push({ at: micros(child.createdAt), run: () => addChild(child, depth + 1) });
        continue;
      }
      const key = `fold:${span.id}:${name}`;
      const isOpen = open.has(key);
      const from = Math.min(...spans.map(({ createdAt }) => micros(createdAt)));
      const ends = spans.map(end);
      const to = ends.some((one) => one === undefined) ? undefined : Math.max(...ends.map((one) => one ?? 0));
      below.push({
        at: from,
        run() {
          found.push({ key, kind: 'fold', depth: depth + 1, name, spans, from, to, isOpen });
          if (isOpen) for (const child of spans) addChild(child, depth + 2);
        },
      });
    }
    below.sort((a, b) => a.at - b.at);
    for (const { run } of below) run();
    if (node.isCut || node.isLoading) {
      found.push({
        key: `more:${span.id}`,
        kind: 'more',
        depth: depth + 1,
        parent: span.id,
        from: micros(span.createdAt),
        to: undefined,
        isLoading: node.isLoading,
      });
    }
  }

  function addChild(span: Span, depth: number) {
    const node = nodes.get(span.id);
    if (node && open.has(span.id)) add({ ...node, span }, depth, false);
    else found.push(execution(span, depth, false));
  }
}

function byType(spans: readonly Span[]): Map<string, Span[]> {
  const groups = new Map<string, Span[]>();
  for (const span of spans) {
    const { intentType } = span.intent;
    const group = groups.get(intentType);
    if (group) group.push(span);
    else groups.set(intentType, [span]);
  }
  return groups;
}

/** The executions that an execution submitted, as far as they are known, each once. */
export function childrenOf({ items, more }: Pick<Node, 'items' | 'more'>): Span[] {
  const spans = new Map(more.map((span) => [span.id, span]));
  for (const { child } of items) if (child) spans.set(child.id, child);
  return [...spans.values()];
}

type Part<Kind extends Bar['kind']> = Omit<Extract<Bar, { kind: Kind }>, 'depth'>;

const timesOf = ({ startedAt, finishedAt }: Item) => ({
  from: micros(startedAt),
  to: finishedAt ? micros(finishedAt) : undefined,
});

const endings: Record<types.TimelineOutcome, ['good' | 'bad' | 'off', string]> = {
  COMPLETED: ['good', 'completed'],
  FAILED: ['bad', 'failed'],
  RETRIED: ['bad', 'failed'],
  CANCELLED: ['off', 'cancelled'],
  SUSPENDED: ['off', 'gave its place up'],
};

/** The attempts of an execution that had several. */
function attempts(span: Span, items: readonly Item[]): Part<'attempt'>[] {
  const all = items.filter(({ kind }) => kind === 'ATTEMPT');
  if (new Set(all.map(({ attempt }) => attempt)).size < 2) return [];
  return all.map((item) => {
    const [state, words] = item.outcome ? endings[item.outcome] : (['busy', 'runs'] as const);
    const attempt = item.attempt ?? 0;
    const said = item.errorCode ?? words;
    return { key: `att:${span.id}:${attempt}`, kind: 'attempt', attempt, state, words: said, ...timesOf(item) };
  });
}

function steps(span: Span, items: readonly Item[]): Part<'step'>[] {
  return items
    .filter(({ kind }) => kind === 'STEP')
    .map((item) => {
      const name = item.name ?? '';
      const state = item.outcome === 'FAILED' || item.outcome === 'RETRIED' ? 'bad' : 'step';
      return { key: `stp:${span.id}:${name}`, kind: 'step', name, state, ...timesOf(item) };
    });
}

/** Waits after the first attempt began; what was before shows as the time from the creation to it. */
function waitsOf({ startedAt }: Span, items: readonly Item[]): Wait[] {
  if (!startedAt) return [];
  const start = micros(startedAt);
  return items.flatMap((item) => {
    const { from, to } = timesOf(item);
    return item.kind === 'WAIT' && item.waitingFor && from >= start ? [{ reason: item.waitingFor, from, to }] : [];
  });
}

/** The range of time that rows cover; `now` stands for ends that are not there yet. */
export function range(rows: readonly Bar[], now: number): [number, number] {
  let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { from, to, kind } of rows) {
    if (kind === 'more') continue;
    least = Math.min(least, from);
    greatest = Math.max(greatest, to ?? Math.max(now, from));
  }
  return greatest > least ? [least, greatest] : [least, least + 1_000];
}

/** Round places for the marks of an axis, as microseconds after its beginning. */
export function marks(length: number, most: number): number[] {
  const rough = length / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const decimal = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough) ?? rough;
  const seconds = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400];
  const step =
    rough < 1_000_000 ? decimal : (seconds.map((one) => one * 1_000_000).find((one) => one >= rough) ?? decimal);
  const places = [];
  for (let at = 0; at <= length * 1.000_001; at += step) places.push(at);
  return places;
}
