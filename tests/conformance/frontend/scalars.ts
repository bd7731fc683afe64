// How each scalar of the schema is used.

import type { Scalars } from './generated/schema.js';

type BigInt64 = Scalars['BigInt']['output'];
type DateTime = Scalars['DateTime']['output'];
type Json = Scalars['JSON']['output'];

// BigInt: text, which may exceed what a number can hold.
export function isNewer(version: BigInt64, other: BigInt64): boolean {
  return BigInt(version) > BigInt(other);
}

// DateTime: text; a Date keeps its milliseconds.
export function secondsBetween(start: DateTime, end: DateTime): number {
  return (new Date(end).getTime() - new Date(start).getTime()) / 1000;
}

// JSON: anything; what is not checked cannot be used.
export function rowsOf(result: Json): number | undefined {
  if (typeof result !== 'object' || result === null || !('record_count' in result)) return undefined;
  return typeof result.record_count === 'number' ? result.record_count : undefined;
}
