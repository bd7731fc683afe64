/** Values as JSON: a bounded preview with colours, and the whole to copy or to save. */
import { useMemo, useState } from 'react';
import { Action, Copy } from '.';

/** Characters of a preview; more are shown on demand, and of very large values never at once. */
const previewed = 20_000;
const most = 1_000_000;

const token = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

function coloured(text: string) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(token)) {
    const kind = found[1] === undefined ? 'value' : found[2] === undefined ? 'string' : 'name';
    parts.push(text.slice(at, found.index));
    parts.push(
      <span key={found.index} className={kind}>
        {found[1] ?? found[0]}
      </span>,
    );
    at = found.index + (found[1] ?? found[0]).length;
  }
  parts.push(text.slice(at));
  return parts;
}

export const bytesOf = (text: string) => new TextEncoder().encode(text).length;

export function size(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  if (bytes < 1_048_576) return `${(bytes / 1_024).toFixed(1)} KiB`;
  if (bytes < 1_073_741_824) return `${(bytes / 1_048_576).toFixed(1)} MiB`;
  return `${(bytes / 1_073_741_824).toFixed(1)} GiB`;
}

export function Json({ value, name }: { value: unknown; name: string }) {
  const [limit, setLimit] = useState(previewed);
  const text = useMemo(() => JSON.stringify(value, null, 2) ?? 'null', [value]);
  const bytes = useMemo(() => bytesOf(text), [text]);
  const isCut = text.length > limit;
  const shown = isCut ? text.slice(0, limit) : text;
  const parts = useMemo(() => coloured(shown), [shown]);
  return (
    <div className="json">
      <div className="json-tools">
        <span className="muted small">{size(bytes)}</span>
        <Copy text={text} label={`Copy ${name}`} />
        <Action icon="download" kind="quiet" onPress={() => save(text, `${name}.json`)}>
          Save
        </Action>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keys */}
      <section tabIndex={0} aria-label={name}>
        <pre>
          {parts}
          {isCut && '…'}
        </pre>
      </section>
      {isCut && (
        <div className="json-more">
          <span>
            {size(limit)} of {size(text.length)} shown.
          </span>
          {limit < most && <Action onPress={() => setLimit(most)}>Show {text.length > most ? 'more' : 'all'}</Action>}
        </div>
      )}
    </div>
  );
}

/** Saves a text as a file of the reader's. */
export function save(text: string, name: string, type = 'application/json') {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}
