/** What a bulk operation does, in words: its change, what its filter asks for, how far it is. */
import type { types } from '../../api';
import { artifactStateName, artifactStates, executionStatuses, statusName, waitName } from '../../parts/status';

type Kind = types.OperationKind;

export interface Total {
  count: number;
  exact: boolean;
}

interface Change {
  /** What it is, as a title. */
  name: string;
  /** What has become of the things that it has changed. */
  done: string;
  one: string;
  many: string;
}

export const changes: Record<Kind, Change> = {
  CANCEL_EXECUTIONS: { name: 'Cancel executions', done: 'Cancelled', one: 'execution', many: 'executions' },
  RERUN_EXECUTIONS: { name: 'Run executions again', done: 'Run again', one: 'execution', many: 'executions' },
  ARCHIVE_ARTIFACTS: { name: 'Archive artifacts', done: 'Archived', one: 'artifact', many: 'artifacts' },
};

export const numbered = (count: number | string) => Number(count).toLocaleString('en');

/** `1 execution`, `12 executions`, `at least 10,000 executions`. */
export function counted(kind: Kind, { count, exact }: Total): string {
  const { one, many } = changes[kind];
  return `${exact ? '' : 'at least '}${numbered(count)} ${count === 1 && exact ? one : many}`;
}

/** One condition of a filter: its name, and what it asks for, as a text, a time or the id of something. */
export interface Condition {
  name: string;
  says: string;
  /** How a sentence has it. */
  short: string;
  at?: string;
  id?: string;
}

const shownAtOnce = 5;

function listed(values: readonly string[], word: string): string {
  if (values.length > shownAtOnce)
    return `${values.slice(0, shownAtOnce).join(', ')} and ${values.length - shownAtOnce} more`;
  const last = values.at(-1) ?? '';
  return values.length < 2 ? last : `${values.slice(0, -1).join(', ')} ${word} ${last}`;
}

const texts = (value: unknown): string[] => (Array.isArray(value) ? value : [value]).map(String);
const either = (value: unknown) => listed(texts(value), 'or');

/** The name of a state; one that is not known goes by its own. */
function named<State extends string>(text: string, states: readonly State[], nameOf: (state: State) => string): string {
  const known = states.find((one) => one === text);
  return known === undefined ? text : nameOf(known);
}

/** A time as filters are kept with, in microseconds since 1970, as the API writes times. */
export function timeOf(micros: number): string {
  const whole = new Date(Math.floor(micros / 1_000)).toISOString();
  return whole.replace('Z', `${String(micros % 1_000).padStart(3, '0')}Z`);
}

type Read = (value: unknown) => Condition;

const ofText =
  (name: string, short: (says: string) => string, read: (value: unknown) => string = either): Read =>
  (value) => {
    const says = read(value);
    return { name, says, short: short(says) };
  };

const ofId =
  (name: string, words: string): Read =>
  (value) => ({ name, says: String(value), short: `${words} ${value}`, id: String(value) });

const ofTime =
  (name: string): Read =>
  (value) => ({ name, says: '', short: name.toLowerCase(), at: timeOf(Number(value)) });

const member = (one: unknown) => {
  const { key, value } = one as { key: string; value: unknown };
  return `${key} = ${JSON.stringify(value)}`;
};

/** The members of a filter, in the order in which they are said. */
const readers = (made: string): Record<string, Read> => ({
  status: ofText(
    'State',
    (says) => says.toLowerCase(),
    (value) => either(texts(value).map((one) => named(one, executionStatuses, statusName))),
  ),
  lifecycleState: ofText(
    'State',
    (says) => says.toLowerCase(),
    (value) => either(texts(value).map((one) => named(one, artifactStates, artifactStateName))),
  ),
  intentType: ofText('Intent', (says) => `intent ${says}`),
  artifactType: ofText('Type', (says) => `type ${says}`),
  handlerName: ofText('Handler', (says) => `handler ${says}`),
  errorCode: ofText('Failed with', (says) => `with ${says}`),
  waitingFor: ofText(
    'Waits',
    (says) => says,
    (value) => either(texts(value).map((one) => waitName(one as types.WaitReason) ?? one)),
  ),
  sessionId: ofId('Session', 'of session'),
  executionId: ofId('Made by', 'made by'),
  parentId: ofId('Child of', 'child of'),
  rerunOf: ofId('Re-run of', 're-run of'),
  userId: ofText('User', (says) => `of user ${says}`),
  idempotencyKey: ofText('Idempotency key', (says) => `key ${says}`),
  nameContains: ofText('Name contains', (says) => `name contains ${says}`),
  rootsOnly: () => ({ name: 'Submitted', says: 'by no other execution', short: 'roots only' }),
  metadata: ofText(
    'Metadata',
    (says) => `metadata ${says}`,
    (value) => listed((Array.isArray(value) ? value : []).map(member), 'and'),
  ),
  createdAfter: ofTime(`${made} after`),
  createdBefore: ofTime(`${made} before`),
  finishedAfter: ofTime('Ended after'),
  finishedBefore: ofTime('Ended before'),
});

/** What a filter asks for, as the server keeps it. What is not known here is said as it is. */
export function conditionsOf(kind: Kind, filter: unknown): Condition[] {
  if (typeof filter !== 'object' || filter === null) return [];
  const read = readers(kind === 'ARCHIVE_ARTIFACTS' ? 'Registered' : 'Accepted');
  const members = filter as Record<string, unknown>;
  const known = Object.keys(read).filter((name) => name in members);
  const others = Object.keys(members).filter((name) => !(name in read));
  return [
    ...known.flatMap((name) => read[name]?.(members[name]) ?? []),
    ...others.map((name) => {
      const says = JSON.stringify(members[name]);
      return { name, says, short: `${name} ${says}` };
    }),
  ];
}

/** All of it in one line: `created or running, intent echo`. */
export const inShort = (conditions: readonly Condition[], shown: (time: string) => string) =>
  conditions.map(({ short, at }) => (at ? `${short} ${shown(at)}` : short)).join(', ');

type Counts = Pick<
  types.OperationRowFragment,
  'status' | 'expectedCount' | 'matchedCount' | 'doneCount' | 'skippedCount' | 'refusedCount'
>;

export interface Progress {
  /** Those that it has been through. */
  handled: number;
  total: number;
  /** There may be more than the total. */
  isAtLeast: boolean;
  /** From 0 to 1; none where it is not known how much is left. */
  share: number | undefined;
}

/** How far it is. What fitted when it began may be less by the time that it comes to it. */
export function progressOf({ status, expectedCount, ...counts }: Counts): Progress {
  const handled = Number(counts.doneCount) + Number(counts.skippedCount) + Number(counts.refusedCount);
  if (status === 'COMPLETED') return { handled, total: handled, isAtLeast: false, share: 1 };
  const total = Math.max(expectedCount.count, Number(counts.matchedCount), handled);
  const isPast = !expectedCount.exact && total >= expectedCount.count && handled >= expectedCount.count;
  const share = total === 0 ? 0 : handled / total;
  return { handled, total, isAtLeast: !expectedCount.exact, share: isPast ? undefined : share };
}

interface Found {
  kind: Kind;
  /** Those that would be changed. */
  matched: Total;
  /** Those that the filter shows, whatever their state. */
  shown: Total | undefined;
  /** The filter names states. */
  hasStates: boolean;
}

/** Why some of what a filter shows would not be changed; nothing where all would be, or where that is not known. */
export function leftOut({ kind, matched, shown, hasStates }: Found): string | undefined {
  if (!shown || !matched.exact || !shown.exact || shown.count <= matched.count) return undefined;
  const left = shown.count - matched.count;
  const subject =
    matched.count === 0 ? `The ${counted(kind, shown)} of the list` : `The other ${numbered(left)} of the list`;
  const isOne = left === 1;
  const state: Record<Kind, string> = {
    CANCEL_EXECUTIONS: isOne ? 'has ended' : 'have ended',
    RERUN_EXECUTIONS: `${isOne ? 'has' : 'have'} not ${hasStates ? 'ended' : 'failed'}`,
    ARCHIVE_ARTIFACTS: isOne ? 'is not ready' : 'are not ready',
  };
  return `${subject} ${state[kind]}, or ${isOne ? 'is' : 'are'} not yours to change.`;
}

/** The operation that has run an execution again, by the idempotency key of the new one. */
export const rerunBy = (key: string | null) => /^(opr_\w+)\/exe_\w+$/.exec(key ?? '')?.[1];
