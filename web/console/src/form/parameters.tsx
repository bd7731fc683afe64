/** The parameters of an intent, as a form made from the schema and as JSON: two views of one value. */
import { useMemo, useState } from 'react';
import { Field } from '../parts/controls';
import { Parts } from '../parts/tabs';
import type { View } from '../views';
import { SchemaForm } from '.';
import { beginning, fieldOf, placeOf, type Schema } from './schema';

interface Refusal {
  message: string;
  path?: readonly string[] | null;
}

/** The value of a form, what is typed as JSON until it is JSON, and the mistakes that the server tells. */
export function useParameters(parametersSchema: unknown, former: unknown) {
  const field = useMemo(() => {
    const schema = parametersSchema as Schema;
    return fieldOf(schema, schema, 'parameters', true);
  }, [parametersSchema]);
  const [value, setValue] = useState<unknown>(() => former ?? beginning(field) ?? {});
  const [text, setText] = useState<string>();
  const [textFault, setTextFault] = useState<string>();
  const [faults, setFaults] = useState<ReadonlyMap<string, string>>(new Map());

  function write(next: string) {
    setText(next);
    try {
      setValue(JSON.parse(next));
      setTextFault(undefined);
    } catch (error) {
      setTextFault((error as Error).message);
    }
  }
  return {
    field,
    value,
    setValue,
    text: text ?? JSON.stringify(value, null, 2),
    textFault,
    write,
    /** Shows the JSON as the value has it, without what was typed. */
    tidy: () => setText(undefined),
    faults,
    /** Puts mistakes at the fields that they mean. */
    tell: (errors: readonly Refusal[]) =>
      setFaults(
        new Map(
          errors
            .filter(({ path }) => path?.[1] === 'parameters')
            .map(({ path, message }) => [placeOf(path ?? []), message]),
        ),
      ),
  };
}

interface Props {
  of: ReturnType<typeof useParameters>;
  view: View;
  choose(view: View): void;
}

export function Parameters({ of, view, choose }: Props) {
  function change(next: View) {
    // What is no JSON yet is not lost: the view stays.
    if (next === 'form' && of.textFault) return;
    of.tidy();
    choose(next);
  }
  return (
    <Parts
      label="Views of the parameters"
      chosen={view}
      choose={change}
      of={[
        {
          id: 'form',
          name: 'Form',
          content: <SchemaForm field={of.field} value={of.value} set={of.setValue} place="" faults={of.faults} />,
        },
        {
          id: 'json',
          name: 'JSON',
          content: (
            <Field
              label="Parameters as JSON"
              value={of.text}
              set={of.write}
              lines={18}
              fault={of.textFault && `This is no JSON: ${of.textFault}`}
            />
          ),
        },
      ]}
    />
  );
}
