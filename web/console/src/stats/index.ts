/** Numbers of executions over time, as a chart has them. */
import type { types } from '../api';

type Point = types.StatsQuery['executionStats']['points'][number];

const [minute, hour, day] = [60_000, 3_600_000, 86_400_000];

/** Into how many buckets of which length a time is divided. */
export const buckets: Record<'1h' | '1d' | '7d' | '30d', { bucket: types.StatsBucket; ms: number; count: number }> = {
  '1h': { bucket: 'MINUTE', ms: minute, count: 60 },
  '1d': { bucket: 'HOUR', ms: hour, count: 24 },
  '7d': { bucket: 'HOUR', ms: hour, count: 168 },
  '30d': { bucket: 'DAY', ms: day, count: 30 },
};

export interface Counts {
  accepted: number;
  completed: number;
  failed: number;
  cancelled: number;
}

export const nothing: Counts = { accepted: 0, completed: 0, failed: 0, cancelled: 0 };

const plus = (one: Counts, other: Record<keyof Counts, string | number>): Counts => ({
  accepted: one.accepted + Number(other.accepted),
  completed: one.completed + Number(other.completed),
  failed: one.failed + Number(other.failed),
  cancelled: one.cancelled + Number(other.cancelled),
});

export const totals = (all: readonly Record<keyof Counts, string | number>[]) => all.reduce<Counts>(plus, nothing);

export interface Bucket extends Counts {
  /** When it begins. */
  at: number;
}

/** Each bucket of a time, those without any executions included. What is outside of the time is left out. */
export function series(points: readonly Point[], from: number, ms: number, count: number): Bucket[] {
  const all = Array.from({ length: count }, (_, index) => ({ at: from + index * ms, ...nothing }));
  for (const point of points) {
    const index = Math.floor((Date.parse(point.startedAt) - from) / ms);
    const bucket = all[index];
    if (bucket) all[index] = { at: bucket.at, ...plus(bucket, point) };
  }
  return all;
}

/** The same by type, that with the most first. */
export function byType(points: readonly Point[]): (Counts & { type: string })[] {
  const types = new Map<string, Counts>();
  for (const point of points) types.set(point.intentType, plus(types.get(point.intentType) ?? nothing, point));
  const all = [...types].map(([type, counts]) => ({ type, ...counts }));
  return all.sort((a, b) => b.accepted - a.accepted || (a.type < b.type ? -1 : 1));
}

/** The end of an axis: a round number that is not less. */
export function ceiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((round) => round >= value) ?? value;
}
