/** Failures by cause: those that differ in ids, numbers and quoted values alone are one group. */

export interface Failed {
  id: string;
  createdAt: string;
  finishedAt: string | null;
  intent: { intentType: string };
  error: { code: string; message: string } | null;
}

export interface Group<Row extends Failed> {
  /** Short, and the same for the same cause. */
  key: string;
  type: string;
  code: string;
  /** The message without what is different in each. */
  message: string;
  /** Newest first. */
  rows: Row[];
  first: string;
  last: string;
}

const longest = 500;

/** A message without what is different each time it happens. */
export function causeOf(message: string): string {
  return message
    .slice(0, longest)
    .replaceAll(/\b[a-z]{3}_[0-9a-hjkmnp-tv-z]{16,}\b/g, '…')
    .replaceAll(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, '…')
    .replaceAll(/"[^"]{1,200}"|'[^']{1,200}'|`[^`]{1,200}`/g, '…')
    .replaceAll(/\b0x[0-9a-f]+\b|\b[0-9a-f]{16,}\b/gi, '…')
    .replaceAll(/\d+(?:[.:,_-]\d+)*/g, '…');
}

const endOf = ({ finishedAt, createdAt }: Failed) => finishedAt ?? createdAt;

/** Groups by type, code and cause; that with the most failures first. */
export function groupsOf<Row extends Failed>(rows: readonly Row[]): Group<Row>[] {
  const groups = new Map<string, Group<Row>>();
  for (const row of rows) {
    const code = row.error?.code ?? 'UNKNOWN';
    const message = causeOf(row.error?.message ?? 'no error is kept');
    const type = row.intent.intentType;
    const key = hash(JSON.stringify([type, code, message]));
    const group = groups.get(key);
    const at = endOf(row);
    if (!group) groups.set(key, { key, type, code, message, rows: [row], first: at, last: at });
    else {
      group.rows.push(row);
      if (Date.parse(at) < Date.parse(group.first)) group.first = at;
      if (Date.parse(at) > Date.parse(group.last)) group.last = at;
    }
  }
  const all = [...groups.values()];
  for (const { rows: found } of all) found.sort((a, b) => Date.parse(endOf(b)) - Date.parse(endOf(a)));
  return all.sort((a, b) => b.rows.length - a.rows.length || (a.last < b.last ? 1 : -1));
}

/** FNV-1a in two lanes, in base 36. */
function hash(text: string): string {
  let [one, other] = [0x811c9dc5, 0x01000193];
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    one = Math.imul(one ^ code, 0x01000193);
    other = Math.imul(other ^ code, 0x85ebca6b);
  }
  return (one >>> 0).toString(36) + (other >>> 0).toString(36);
}
