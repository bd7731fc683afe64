/** What a schedule says, in words. */
import type { types } from '../../api';
import { span } from '../../time/format';

export const overlapNames: Record<types.ScheduleOverlap, string> = {
  SKIP: 'leave the new one out',
  QUEUE_ONE: 'let one wait',
  QUEUE_ALL: 'let all wait',
  CANCEL_PREVIOUS: 'cancel the former one',
  ALLOW: 'start it all the same',
};
export const overlaps = Object.keys(overlapNames) as types.ScheduleOverlap[];

interface Times {
  cron: string | null;
  everySeconds: number | null;
  timeZone: string | null;
}

/** `30 2 * * *, Europe/Berlin`, or `every 5 min`. */
export function timesOf({ cron, everySeconds, timeZone }: Times): string {
  if (cron !== null) return `${cron}, ${timeZone ?? 'UTC'}`;
  return `every ${span((everySeconds ?? 0) * 1_000_000)}`;
}

/** The schedule that submitted an execution, and the time at which it was due, by the idempotency key. */
export function firedBy(key: string | null): { id: string; at: string } | undefined {
  const found = key === null ? null : /^(sch_\w+)\/(\d{4,}-\d\d-\d\dT\S+)$/.exec(key);
  const [, id, at] = found ?? [];
  return id && at && !Number.isNaN(Date.parse(at)) ? { id, at } : undefined;
}
