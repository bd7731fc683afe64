/** Asks a node to take nothing new, or to take work again. */
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { ask, documents, keyOf, queries, refuse } from '../../api';
import { Action, Icon } from '../../parts';
import { Choice, Field } from '../../parts/controls';
import { Asking, Buttons, Confirm, Fault } from '../../parts/dialog';
import type { Node } from './nodes';

const refresh = () => void queries.invalidateQueries({ queryKey: keyOf(documents.Runtime, {}) });

const ends = [
  { id: 'ends', name: 'may end there, however long it takes' },
  { id: 'later', name: 'is handed over after some minutes' },
  { id: 'now', name: 'is handed over at once' },
] as const;
type End = (typeof ends)[number]['id'];

/** The longest time that the server takes. */
const mostMinutes = 1_440;

function secondsOf(end: End, minutes: string): number | null | undefined {
  if (end === 'ends') return null;
  if (end === 'now') return 0;
  const given = Number(minutes);
  return minutes.trim() !== '' && given >= 0 && given <= mostMinutes ? Math.round(given * 60) : undefined;
}

export function Drain({ node: { id, name, running }, hasOther }: { node: Node; hasOther: boolean }) {
  const [end, setEnd] = useState<End>('ends');
  const [minutes, setMinutes] = useState('10');
  const seconds = secondsOf(end, minutes);
  const change = useMutation({
    async mutationFn() {
      const input = { id, handOverAfterSeconds: seconds ?? null };
      const { data } = await ask(documents.DrainNode, { input });
      refuse(data.drainNode.errors);
    },
    onSettled: refresh,
  });
  return (
    <Asking
      title={`Drain ${name}?`}
      button={
        <Action aria-label={`Drain ${name}`} onPress={() => change.reset()}>
          Drain
        </Action>
      }
    >
      {(close) => (
        <>
          <p className="muted">
            It takes no new executions, and goes on answering requests. It ran {running} at its last heartbeat.
          </p>
          {!hasOther && (
            <div className="note">
              <Icon name="warning" />
              <span>No other node takes executions: what is submitted waits until one does.</span>
            </div>
          )}
          <Choice<End> label="What runs there" choices={ends} chosen={end} choose={setEnd} />
          {end === 'later' && (
            <Field
              label="Minutes"
              value={minutes}
              set={setMinutes}
              fault={seconds === undefined ? `A number from 0 to ${mostMinutes}.` : undefined}
            />
          )}
          <Fault>{change.error?.message}</Fault>
          <Buttons
            yes="Drain it"
            no="Not now"
            isOff={change.isPending || seconds === undefined}
            close={close}
            run={() => change.mutate(undefined, { onSuccess: close })}
          />
        </>
      )}
    </Asking>
  );
}

export function Undrain({ node: { id, name } }: { node: Node }) {
  async function undrain() {
    try {
      const { data } = await ask(documents.UndrainNode, { input: { id } });
      refuse(data.undrainNode.errors);
    } finally {
      refresh();
    }
  }
  return (
    <Confirm
      name="Undrain"
      label={`Undrain ${name}`}
      title={`Let ${name} take executions again?`}
      words="It takes what waits for a node, as far as it has room and labels for it."
      yes="Undrain it"
      run={undrain}
    />
  );
}
