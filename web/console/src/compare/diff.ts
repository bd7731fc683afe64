/** What is different between two values of JSON, place by place, and between the steps of two executions. */

export type Kind = 'same' | 'changed' | 'left' | 'right';

/** A place in two values; `left` and `right` are those that only one of them has. */
export interface Difference {
  /** Names and numbers on the way to it; the value itself has none. */
  path: string;
  kind: Kind;
  left: unknown;
  right: unknown;
}

export interface Comparison {
  differences: Difference[];
  /** There are more places than are listed. */
  isCut: boolean;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const below = (path: string, name: string | number) =>
  typeof name === 'number'
    ? `${path}[${name}]`
    : /^[A-Za-z_]\w*$/.test(name)
      ? join(path, name)
      : `${path}[${JSON.stringify(name)}]`;
const join = (path: string, name: string) => (path === '' ? name : `${path}.${name}`);

/** Compares place by place: members by name in the order of the left one, items of lists by their number. */
export function compare(left: unknown, right: unknown, most = 1_000): Comparison {
  const differences: Difference[] = [];
  let isCut = false;

  function add(path: string, kind: Kind, one: unknown, other: unknown) {
    if (differences.length < most) differences.push({ path, kind, left: one, right: other });
    else isCut = true;
  }

  function walk(path: string, one: unknown, other: unknown, depth: number) {
    if (isCut) return;
    if (depth < 64 && isObject(one) && isObject(other)) {
      const names = [...new Set([...Object.keys(one), ...Object.keys(other)])];
      if (names.length === 0) add(path, 'same', one, other);
      for (const name of names) {
        const at = below(path, name);
        if (!Object.hasOwn(one, name)) add(at, 'right', undefined, other[name]);
        else if (!Object.hasOwn(other, name)) add(at, 'left', one[name], undefined);
        else walk(at, one[name], other[name], depth + 1);
      }
    } else if (depth < 64 && Array.isArray(one) && Array.isArray(other)) {
      const length = Math.max(one.length, other.length);
      if (length === 0) add(path, 'same', one, other);
      for (let at = 0; at < length && !isCut; at += 1) {
        if (at >= one.length) add(below(path, at), 'right', undefined, other[at]);
        else if (at >= other.length) add(below(path, at), 'left', one[at], undefined);
        else walk(below(path, at), one[at], other[at], depth + 1);
      }
    } else {
      add(path, JSON.stringify(one) === JSON.stringify(other) ? 'same' : 'changed', one, other);
    }
  }

  walk('', left, right, 0);
  return { differences, isCut };
}

/** Pairs what has a name on both sides, in the order of the left one; a name that comes again is another pair. */
export function pairs<Item extends { name: string }>(
  left: readonly Item[],
  right: readonly Item[],
): { name: string; left: Item | undefined; right: Item | undefined }[] {
  const waiting = new Map<string, Item[]>();
  for (const item of right) waiting.set(item.name, [...(waiting.get(item.name) ?? []), item]);
  const found = left.map((item) => ({ name: item.name, left: item, right: waiting.get(item.name)?.shift() }));
  const rest = right.filter((item) => waiting.get(item.name)?.includes(item));
  return [...found, ...rest.map((item) => ({ name: item.name, left: undefined, right: item }))];
}
