/** What a webhook is: its name, its address, and which events it is told of; and its secret, which is shown once. */
import { knownEvents } from '../../events';
import { Copy } from '../../parts';
import { Field, Several } from '../../parts/controls';
import { useTypes } from '../../parts/filters';
import type { Wanted } from './words';

interface FieldsProps {
  of: Wanted;
  set(change: Partial<Wanted>): void;
  /** It is there already. */
  isChange?: boolean;
}

export function Fields({ of, set, isChange = false }: FieldsProps) {
  const intents = useTypes().map(({ name }) => name);
  return (
    <>
      <Field
        label="Address"
        value={of.url}
        set={(url) => set({ url })}
        placeholder="https://hooks.example.com/takeoff"
        help="Where events are sent, by https, to an address of the internet unless the server is configured otherwise."
      />
      <Field
        label="Name"
        value={of.name}
        set={(name) => set({ name })}
        help={
          isChange ? 'For people. It stays as it is where nothing stands here.' : 'For people; up to 200 characters.'
        }
      />
      <div className="field">
        <span className="label">Events and intents</span>
        <div className="filters">
          <Several
            label="Events"
            choices={knownEvents.map((id) => ({ id, name: id }))}
            chosen={of.events}
            choose={(events) => set({ events })}
          />
          <Several
            label="Intents"
            choices={[...new Set([...intents, ...of.intents])].map((id) => ({ id, name: id }))}
            chosen={of.intents}
            choose={(chosen) => set({ intents: chosen })}
          />
        </div>
        <div className="help">All of them where none is chosen.</div>
      </div>
      <Field
        label="Events of handlers"
        value={of.others}
        set={(others) => set({ others })}
        placeholder="domain.order_paid, domain.order_sent"
        help="Besides those chosen above; with commas between."
      />
      <Field
        label="Session"
        value={of.session}
        set={(session) => set({ session })}
        placeholder="ses_…"
        help="Events of its executions alone; of all sessions when left out."
      />
    </>
  );
}

export function Secret({ text }: { text: string }) {
  return (
    <>
      <p>
        It is shown this once. Copy it now, and give it to the receiver, which checks by it that an event is genuine.
      </p>
      <div className="secret">
        <code>{text}</code>
        <Copy text={text} label="Copy the secret" />
      </div>
    </>
  );
}
