/** What of each view is in its address. */
import type { types } from './api';
import {
  artifactStates,
  executionStatuses,
  scheduleStatuses,
  sessionStatuses,
  type WaitFilter,
  waitFilters,
} from './parts/status';
import { Reader } from './search';

export const sinceSeconds = {
  '15m': 900,
  '1h': 3_600,
  '6h': 21_600,
  '1d': 86_400,
  '7d': 604_800,
  '30d': 2_592_000,
} as const;
export type Since = keyof typeof sinceSeconds;
export const sinceNames: { id: Since; name: string }[] = [
  { id: '15m', name: 'last 15 minutes' },
  { id: '1h', name: 'last hour' },
  { id: '6h', name: 'last 6 hours' },
  { id: '1d', name: 'last day' },
  { id: '7d', name: 'last 7 days' },
  { id: '30d', name: 'last 30 days' },
];
const sinces = Object.keys(sinceSeconds) as Since[];

/** Times over which the overview counts. */
export const spans = ['1h', '1d', '7d', '30d'] as const;
export type OverviewSearch = Optional<{ since: (typeof spans)[number]; type: string[]; view: 'table' }>;

export function overviewSearch(raw: Record<string, unknown>): OverviewSearch {
  const read = new Reader(raw);
  return read.end({ since: read.one('since', spans), type: read.list('type'), view: read.one('view', ['table']) });
}

const idOf = (prefix: string) => new RegExp(`^(?:${prefix})_\\w+$`);

type Optional<Type> = { [Name in keyof Type]?: Type[Name] | undefined };

export const executionOrders = ['oldest', 'ended', 'ended-first'] as const;
export type ExecutionsSearch = Optional<{
  status: types.ExecutionStatus[];
  type: string[];
  session: string;
  key: string;
  roots: true;
  since: Since;
  handler: string[];
  code: string[];
  rerun: string;
  waiting: WaitFilter[];
  finished: Since;
  order: (typeof executionOrders)[number];
}>;

export function executionsSearch(raw: Record<string, unknown>): ExecutionsSearch {
  const read = new Reader(raw);
  return read.end({
    status: read.some('status', executionStatuses),
    type: read.list('type'),
    session: read.text('session', /^ses_\w+$|^[0-9a-fA-F-]{36}$/),
    key: read.text('key'),
    roots: read.flag('roots'),
    since: read.one('since', sinces),
    handler: read.list('handler'),
    code: read.list('code'),
    rerun: read.text('rerun', idOf('exe')),
    waiting: read.some('waiting', waitFilters),
    finished: read.one('finished', sinces),
    order: read.one('order', executionOrders),
  });
}

export const executionTabs = ['timeline', 'events', 'data', 'artifacts'] as const;
export type ExecutionSearch = Optional<{
  tab: (typeof executionTabs)[number];
  at: string;
  open: string[];
  /** Of the events. */
  type: string[];
  order: 'oldest';
}>;

export function executionSearch(raw: Record<string, unknown>): ExecutionSearch {
  const read = new Reader(raw);
  return read.end({
    tab: read.one('tab', executionTabs),
    ...executionPlaces(read),
    type: read.list('type'),
    order: read.one('order', ['oldest']),
  });
}

const executionPlaces = (read: Reader) => ({
  at: read.text('at', /^(?:exe|stp|att|evt|fold):.{1,300}$/),
  open: read.list('open', 2_000),
});

export type ArtifactsSearch = Optional<{
  state: types.ArtifactLifecycleState[];
  type: string[];
  name: string;
  session: string;
  execution: string;
}>;

export function artifactsSearch(raw: Record<string, unknown>): ArtifactsSearch {
  const read = new Reader(raw);
  return read.end({
    state: read.some('state', artifactStates),
    type: read.list('type'),
    name: read.text('name'),
    session: read.text('session', idOf('ses')),
    execution: read.text('execution', idOf('exe')),
  });
}

export const artifactTabs = ['lineage', 'content', 'history'] as const;
export type ArtifactSearch = Optional<{ tab: (typeof artifactTabs)[number] }>;

export function artifactSearch(raw: Record<string, unknown>): ArtifactSearch {
  const read = new Reader(raw);
  return read.end({ tab: read.one('tab', artifactTabs) });
}

export const directions = ['up', 'down', 'both'] as const;
export const lineageViews = ['graph', 'table'] as const;
export type LineageSearch = Optional<{
  root: string;
  dir: (typeof directions)[number];
  depth: number;
  open: string[];
  sel: string;
  view: (typeof lineageViews)[number];
}>;

export function lineageSearch(raw: Record<string, unknown>): LineageSearch {
  const read = new Reader(raw);
  return read.end({ root: read.text('root', idOf('art')), ...lineageParts(read) });
}

const lineageParts = (read: Reader) => ({
  dir: read.one('dir', directions),
  depth: read.number('depth', 1, 100),
  open: read.list('open', 4_000),
  sel: read.text('sel', idOf('art')),
  view: read.one('view', lineageViews),
});

export type SessionsSearch = Optional<{ status: types.SessionStatus[]; user: string }>;

export function sessionsSearch(raw: Record<string, unknown>): SessionsSearch {
  const read = new Reader(raw);
  return read.end({ status: read.some('status', sessionStatuses), user: read.text('user') });
}

export const formViews = ['form', 'json'] as const;
export type View = (typeof formViews)[number];
export type SubmitSearch = Optional<{
  handler: string;
  from: string;
  session: string;
  view: View;
}>;

export function submitSearch(raw: Record<string, unknown>): SubmitSearch {
  const read = new Reader(raw);
  return read.end({
    handler: read.text('handler'),
    from: read.text('from', idOf('exe')),
    session: read.text('session', idOf('ses')),
    view: read.one('view', formViews),
  });
}

export type SchedulesSearch = Optional<{
  status: types.ScheduleStatus[];
  type: string[];
  name: string;
  session: string;
}>;

export function schedulesSearch(raw: Record<string, unknown>): SchedulesSearch {
  const read = new Reader(raw);
  return read.end({
    status: read.some('status', scheduleStatuses),
    type: read.list('type'),
    name: read.text('name'),
    session: read.text('session', idOf('ses')),
  });
}

export type ScheduleSearch = Optional<{ from: string; type: string; handler: string; session: string; view: View }>;

export function scheduleFormSearch(raw: Record<string, unknown>): ScheduleSearch {
  const read = new Reader(raw);
  return read.end({
    from: read.text('from', idOf('exe|sch')),
    type: read.text('type'),
    handler: read.text('handler'),
    session: read.text('session', idOf('ses')),
    view: read.one('view', formViews),
  });
}

export type CompareSearch = Optional<{ a: string; b: string; all: true }>;

export function compareSearch(raw: Record<string, unknown>): CompareSearch {
  const read = new Reader(raw);
  return read.end({ a: read.text('a', idOf('exe')), b: read.text('b', idOf('exe')), all: read.flag('all') });
}

export type FailuresSearch = Optional<{ since: Since; type: string[]; roots: true; sel: string }>;

export function failuresSearch(raw: Record<string, unknown>): FailuresSearch {
  const read = new Reader(raw);
  return read.end({
    since: read.one('since', sinces),
    type: read.list('type'),
    roots: read.flag('roots'),
    sel: read.text('sel'),
  });
}

export type TypesSearch = Optional<{ q: string }>;

export function typesSearch(raw: Record<string, unknown>): TypesSearch {
  const read = new Reader(raw);
  return read.end({ q: read.text('q') });
}

export type LogSearch = Optional<{ stream: string; session: string; type: string[]; since: Since; sel: string }>;

export function logSearch(raw: Record<string, unknown>): LogSearch {
  const read = new Reader(raw);
  return read.end({
    stream: read.text('stream', /^[a-z]{3}_\w+$/),
    session: read.text('session', idOf('ses')),
    type: read.list('type'),
    since: read.one('since', sinces),
    sel: read.text('sel', idOf('evt')),
  });
}

/** An embedded view says its theme, for its page has one of its own. */
const themes = ['light', 'dark'] as const;
export type Embedded = { theme: (typeof themes)[number] };

export type EmbedExecutionSearch = Optional<{ at: string; open: string[] } & Embedded>;

export function embedExecutionSearch(raw: Record<string, unknown>): EmbedExecutionSearch {
  const read = new Reader(raw);
  return read.end({ ...executionPlaces(read), theme: read.one('theme', themes) });
}

export type EmbedLineageSearch = Optional<Omit<LineageSearch, 'root'> & Embedded>;

export function embedLineageSearch(raw: Record<string, unknown>): EmbedLineageSearch {
  const read = new Reader(raw);
  return read.end({ ...lineageParts(read), theme: read.one('theme', themes) });
}

export function noSearch(raw: Record<string, unknown>): Record<never, never> {
  return new Reader(raw).end({});
}
