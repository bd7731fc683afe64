/** What a webhook is told of, and how it does, in words. */
import type { types } from '../../api';
import { knownEvents } from '../../events';
import type { IconName } from '../../parts/icon';

type Row = types.WebhookRowFragment;
type Filter = Row['filter'];

export const disabledNames: Record<types.WebhookDisabledReason, string> = {
  FAILING: 'Nothing was accepted for too long, though it was tried again and again.',
  GONE: 'The receiver has answered 410, by which it asks for nothing more.',
};

interface State {
  tone: 'good' | 'bad' | 'off';
  icon: IconName;
  name: string;
}

export const isFailing = ({ status, consecutiveFailures }: Pick<Row, 'status' | 'consecutiveFailures'>) =>
  status === 'ACTIVE' && consecutiveFailures !== '0';

export function stateOf(webhook: Pick<Row, 'status' | 'consecutiveFailures'>): State {
  if (webhook.status === 'PAUSED') return { tone: 'off', icon: 'stop', name: 'Paused' };
  if (webhook.status === 'DISABLED') return { tone: 'bad', icon: 'cancelled', name: 'Disabled' };
  if (isFailing(webhook)) return { tone: 'bad', icon: 'warning', name: 'Failing' };
  return { tone: 'good', icon: 'check', name: 'Active' };
}

/** `once`, `12 times in a row`. */
export const timesInARow = (count: string) =>
  count === '1' ? 'once' : `${Number(count).toLocaleString('en')} times in a row`;

const most = 2;

function few(names: readonly string[]): string {
  if (names.length <= most) return names.join(', ');
  return `${names.slice(0, most).join(', ')} and ${names.length - most} more`;
}

/** `all events`; `execution.failed, of intent ingest_file, of one session`. */
export function eventsOf({ types: events, intentType, sessionId }: Filter): string {
  const parts = [events.length > 0 ? few(events) : 'all events'];
  if (intentType.length > 0) parts.push(`of intent ${few(intentType)}`);
  if (sessionId !== null) parts.push('of one session');
  return parts.join(', ');
}

/** Its name, or else the host of its address. */
export function nameOf({ name, url }: Pick<Row, 'name' | 'url'>): string {
  if (name !== null) return name;
  return URL.canParse(url) ? new URL(url).host : url;
}

export const namesIn = (text: string) => text.split(/[\s,]+/).filter((one) => one !== '');

/** What a form says of a webhook. */
export interface Wanted {
  name: string;
  url: string;
  /** Known types of events. */
  events: string[];
  /** Others, with commas between. */
  others: string;
  intents: string[];
  session: string;
}

export function wantedOf(webhook?: Pick<Row, 'name' | 'url' | 'filter'>): Wanted {
  const { types: events = [], intentType = [], sessionId = null } = webhook?.filter ?? {};
  return {
    name: webhook?.name ?? '',
    url: webhook?.url ?? '',
    events: events.filter((one) => knownEvents.includes(one)),
    others: events.filter((one) => !knownEvents.includes(one)).join(', '),
    intents: [...intentType],
    session: sessionId ?? '',
  };
}

/** What the server is told of it. A filter takes the place of the whole one of before. */
export function inputOf({ name, url, events, others, intents, session }: Wanted): types.CreateWebhookInput {
  const all = [...knownEvents.filter((one) => events.includes(one)), ...namesIn(others)];
  return {
    name: name.trim() || null,
    url: url.trim(),
    filter: {
      ...(all.length > 0 && { types: all }),
      ...(intents.length > 0 && { intentType: intents }),
      ...(session.trim() !== '' && { sessionId: session.trim() }),
    },
  };
}
