/** A value by its beginning. The whole of a large one is loaded when it is asked for. */
import { useState } from 'react';
import { resolved, type types } from '../api';
import { Action } from '.';
import { Json, size } from './json';

async function load(url: string): Promise<unknown> {
  const answer = await fetch(resolved(url));
  if (!answer.ok) throw new Error(`The server answers ${answer.status}.`);
  return answer.json();
}

export function Payload({ of, name }: { of: types.PreviewFragment | null | undefined; name: string }) {
  const [whole, setWhole] = useState<{ value: unknown }>();
  const [fault, setFault] = useState<string>();
  const [isLoading, setLoading] = useState(false);
  if (!of) return <Json value={null} name={name} />;
  if (whole) return <Json value={whole.value} name={name} />;
  if (of.isWhole) return <Json value={JSON.parse(of.text)} name={name} />;

  async function show(url: string) {
    setFault(undefined);
    setLoading(true);
    await load(url).then(
      (value) => setWhole({ value }),
      (error: Error) => setFault(error.message),
    );
    setLoading(false);
  }

  return (
    <div className="json">
      <div className="json-tools">
        <span className="muted small">{size(Number(of.sizeBytes))}</span>
        <a className="action quiet" href={resolved(of.url)} download={`${name}.json`}>
          Save
        </a>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keys */}
      <section tabIndex={0} aria-label={name}>
        <pre>{of.text}…</pre>
      </section>
      <div className="json-more">
        <span>
          The first {size(of.text.length)} of {size(Number(of.sizeBytes))}, as they are stored.
        </span>
        {fault && <span role="alert">{fault}</span>}
        <Action isDisabled={isLoading} onPress={() => show(of.url)}>
          {isLoading ? 'Loading' : 'Load all'}
        </Action>
      </div>
    </div>
  );
}
