/** What a list of executions does with the rows that it knows. */
import type { types } from '../api';

export type Row = types.ExecutionRowFragment;
export type Filter = types.ExecutionFilter;

const isOver = ({ status }: Row) => status === 'COMPLETED' || status === 'FAILED' || status === 'CANCELLED';

/** The later of two states of one execution. */
export function later(one: Row, other: Row | undefined): Row {
  if (!other) return one;
  const rank = (row: Row) => (isOver(row) ? 2 : row.status === 'RUNNING' ? 1 : 0);
  const difference = rank(one) - rank(other) || one.attempt - other.attempt;
  return difference > 0 ? one : other;
}

/** Whether a filter finds a row; what it cannot tell is asked of the server. */
export function fits(row: Row, filter: Filter): boolean {
  const { status, intentType, sessionId, rootsOnly, createdAfter, handlerName, errorCode, waitingFor } = filter;
  const { rerunOf, finishedAfter } = filter;
  // What no node may take is found among what waits in a queue.
  const waits = row.waitingFor === 'NODE' ? 'QUEUE' : row.waitingFor;
  return (
    (!status || status.includes(row.status)) &&
    (!intentType || intentType.includes(row.intent.intentType)) &&
    (!sessionId || row.intent.session.id === sessionId) &&
    (!rootsOnly || row.parent === null) &&
    (!createdAfter || row.createdAt > createdAfter) &&
    (!handlerName || handlerName.includes(row.handlerName)) &&
    (!errorCode || (row.status === 'FAILED' && row.error !== null && errorCode.includes(row.error.code))) &&
    (!waitingFor || (waits !== null && waitingFor.includes(waits))) &&
    (!rerunOf || row.rerunOf?.id === rerunOf) &&
    (!finishedAfter || (row.finishedAt !== null && row.finishedAt > finishedAfter))
  );
}

/** What each order goes by, as a text, and whether the greatest comes first. Some orders have no place for some rows. */
const byId = (row: Row): string | null => row.id;
const byEnd = (row: Row) => row.finishedAt && `${row.finishedAt} ${row.id}`;
export const orders: Record<types.ExecutionOrder, { placeOf(row: Row): string | null; sign: 1 | -1 }> = {
  NEWEST_FIRST: { placeOf: byId, sign: -1 },
  OLDEST_FIRST: { placeOf: byId, sign: 1 },
  LAST_FINISHED_FIRST: { placeOf: byEnd, sign: -1 },
  FIRST_FINISHED_FIRST: { placeOf: byEnd, sign: 1 },
};

/** Rows as a list has them: what its filter finds, in its order. */
export function inOrder(rows: readonly Row[], filter: Filter, orderBy: types.ExecutionOrder): Row[] {
  const { placeOf, sign } = orders[orderBy];
  const placed = rows.flatMap((row) => {
    const place = placeOf(row);
    return place !== null && fits(row, filter) ? [{ row, place }] : [];
  });
  placed.sort((a, b) => (a.place < b.place ? -sign : a.place > b.place ? sign : 0));
  return placed.map(({ row }) => row);
}
