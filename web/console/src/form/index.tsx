/** The form of a JSON Schema, on one value that the JSON beside it shares. */
import { useId, useState } from 'react';
import { Action, IconButton } from '../parts';
import { extras, type Field, shows, withMember } from './schema';

interface Props {
  field: Field;
  value: unknown;
  set(value: unknown): void;
  place: string;
  faults: ReadonlyMap<string, string>;
}

export function SchemaForm(props: Props) {
  const { field, value } = props;
  if (!shows(field, value)) return <JsonField {...props} />;
  switch (field.kind) {
    case 'object':
      return <ObjectField {...props} />;
    case 'list':
      return <ListField {...props} />;
    case 'json':
      return <JsonField {...props} />;
    default:
      return <PlainField {...props} />;
  }
}

const below = (place: string, name: string) => (place ? `${place}.${name}` : name);

function ObjectField({ field, value, set, place, faults }: Props) {
  const object = (value ?? {}) as Record<string, unknown>;
  const more = extras(field, value);
  const members = (
    <>
      {field.fields.map(([name, one]) => (
        <SchemaForm
          key={name}
          field={one}
          value={object[name]}
          set={(member) => set(withMember(value, name, member))}
          place={below(place, name)}
          faults={faults}
        />
      ))}
      {more.length > 0 && (
        <p className="muted small">The JSON has {more.join(', ')} besides, which the schema does not name.</p>
      )}
      {field.fields.length === 0 && more.length === 0 && <p className="muted">This intent takes no parameters.</p>}
    </>
  );
  if (place === '') return <div className="form">{members}</div>;
  return (
    <fieldset className="form">
      <legend>
        {field.title}
        {!field.isRequired && <span className="muted"> optional</span>}
      </legend>
      {field.help && <div className="help">{field.help}</div>}
      {members}
    </fieldset>
  );
}

function ListField({ field, value, set, place, faults }: Props) {
  const list = (value ?? []) as unknown[];
  const { item } = field;
  if (!item) return null;
  const change = (at: number, next: unknown) => set(list.map((one, index) => (index === at ? next : one)));
  return (
    <fieldset className="form">
      <legend>
        {field.title}
        {!field.isRequired && <span className="muted"> optional</span>}
      </legend>
      {field.help && <div className="help">{field.help}</div>}
      {list.map((one, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: items have no other name than their place
        <div key={at} className="list-item">
          <SchemaForm
            field={{ ...item, title: `${field.title} ${at + 1}` }}
            value={one}
            set={(next) => change(at, next ?? null)}
            place={below(place, String(at))}
            faults={faults}
          />
          <IconButton
            icon="close"
            label={`Remove ${field.title} ${at + 1}`}
            onPress={() => set(list.filter((_, index) => index !== at))}
          />
        </div>
      ))}
      <div>
        <Action icon="plus" onPress={() => set([...list, emptyOf(item)])}>
          Add
        </Action>
      </div>
    </fieldset>
  );
}

const emptyOf = ({ kind, choices }: Field): unknown =>
  kind === 'text'
    ? ''
    : kind === 'boolean'
      ? false
      : kind === 'object'
        ? {}
        : kind === 'list'
          ? []
          : kind === 'choice'
            ? choices[0]
            : kind === 'json'
              ? null
              : 0;

function Frame({
  field,
  id,
  fault,
  children,
}: {
  field: Field;
  id: string;
  fault: string | undefined;
  children: React.ReactNode;
}) {
  return (
    <div className="field">
      <label htmlFor={id}>
        {field.title}
        {!field.isRequired && <span className="muted"> optional</span>}
      </label>
      {children}
      {field.help && (
        <div className="help" id={`${id}-help`}>
          {field.help}
        </div>
      )}
      {fault && (
        <div className="fault" role="alert">
          {fault}
        </div>
      )}
    </div>
  );
}

function PlainField({ field, value, set, place, faults }: Props) {
  const id = useId();
  const fault = faults.get(place);
  const shared = {
    id,
    'aria-required': field.isRequired,
    'aria-invalid': fault !== undefined,
    ...(field.help && { 'aria-describedby': `${id}-help` }),
  };
  if (field.kind === 'boolean' || field.kind === 'choice') {
    const choices = field.kind === 'boolean' ? [true, false] : field.choices;
    const at = choices.findIndex((choice) => JSON.stringify(choice) === JSON.stringify(value));
    return (
      <Frame field={field} id={id} fault={fault}>
        <select
          {...shared}
          value={at}
          onChange={({ target }) => set(Number(target.value) < 0 ? undefined : choices[Number(target.value)])}
        >
          <option value={-1}>left out</option>
          {choices.map((choice, index) => (
            <option key={JSON.stringify(choice)} value={index}>
              {typeof choice === 'string' ? choice : JSON.stringify(choice)}
            </option>
          ))}
        </select>
      </Frame>
    );
  }
  if (field.kind === 'text') {
    const text = (value as string | undefined) ?? '';
    // An optional text that is emptied is left out; to send an empty one there is the JSON.
    const change = (next: string) => set(next === '' && !field.isRequired ? undefined : next);
    return (
      <Frame field={field} id={id} fault={fault}>
        {field.isLong || text.includes('\n') ? (
          <textarea
            {...shared}
            rows={6}
            spellCheck={false}
            value={text}
            onChange={({ target }) => change(target.value)}
          />
        ) : (
          <input
            {...shared}
            className={field.isSecret ? 'masked' : ''}
            spellCheck={false}
            autoComplete="off"
            value={text}
            onChange={({ target }) => change(target.value)}
          />
        )}
      </Frame>
    );
  }
  return <NumberField field={field} value={value as number | undefined} set={set} fault={fault} shared={shared} />;
}

interface NumberProps {
  field: Field;
  value: number | undefined;
  set(value: unknown): void;
  fault: string | undefined;
  shared: { id: string };
}

/** What is typed is kept as it is until it is a number. */
function NumberField({ field, value, set, fault, shared }: NumberProps) {
  const [draft, setDraft] = useState<string>();
  const text = draft ?? (value === undefined ? '' : String(value));
  function change(next: string) {
    const number = next.trim() === '' ? undefined : Number(next);
    const isNumber =
      number === undefined || (Number.isFinite(number) && (field.kind === 'number' || Number.isSafeInteger(number)));
    setDraft(isNumber && (number === undefined || String(number) === next) ? undefined : next);
    if (isNumber) set(number);
  }
  const isFaulty = draft !== undefined && !Number.isFinite(Number(draft));
  return (
    <Frame field={field} id={shared.id} fault={isFaulty ? 'This is no number.' : fault}>
      <input
        {...shared}
        inputMode="decimal"
        autoComplete="off"
        value={text}
        onChange={({ target }) => change(target.value)}
      />
    </Frame>
  );
}

/** What no field shows is edited as JSON, and taken once it is JSON. */
function JsonField({ field, value, set, place, faults }: Props) {
  const id = useId();
  const own = value === undefined ? '' : JSON.stringify(value, null, 2);
  const [draft, setDraft] = useState<{ text: string; of: string }>();
  const text = draft && draft.of === own ? draft.text : own;
  const [fault, setFault] = useState<string>();
  function change(next: string) {
    setFault(undefined);
    if (next.trim() === '') {
      setDraft(undefined);
      set(undefined);
      return;
    }
    try {
      const parsed: unknown = JSON.parse(next);
      setDraft({ text: next, of: JSON.stringify(parsed, null, 2) });
      set(parsed);
    } catch {
      setDraft({ text: next, of: own });
      setFault('This is no JSON yet.');
    }
  }
  return (
    <Frame
      field={{ ...field, help: field.help ? `${field.help} As JSON.` : 'As JSON.' }}
      id={id}
      fault={fault ?? faults.get(place)}
    >
      <textarea id={id} rows={5} spellCheck={false} value={text} onChange={({ target }) => change(target.value)} />
    </Frame>
  );
}
