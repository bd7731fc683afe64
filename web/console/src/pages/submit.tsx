/** Submits an intent by a form made from the schema of its parameters, or by JSON: two views of one value. */
import { useMutation } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { ask, documents, told, useAsk } from '../api';
import { Described, type Handler, HandlerChoice, named } from '../form/intent';
import { useParameters } from '../form/parameters';
import { SessionChoice, useSession } from '../form/session';
import { Action, ExecutionLink, Head, Panel } from '../parts';
import { useChange } from '../parts/address';
import { Field, MomentField } from '../parts/controls';
import { Fault } from '../parts/dialog';
import { Empty, Ready } from '../parts/state';
import { instantOf, zone } from '../time';
import type { SubmitSearch } from '../views';

const route = getRouteApi('/types/$name/new');

export default function Submit() {
  const { name } = route.useParams();
  const search = route.useSearch();
  const shown = useAsk(documents.IntentTypes, {}, { staleMs: 60_000 });
  const former = useAsk(
    documents.ExecutionInput,
    { id: search.from ?? '' },
    { isOn: search.from !== undefined, staleMs: Number.POSITIVE_INFINITY },
  );
  return (
    <div className="page" key={`${name} ${search.from ?? ''}`}>
      <Head
        title={`Submit ${name}`}
        below={
          search.from && (
            <span>
              with the parameters of <ExecutionLink id={search.from} />
            </span>
          )
        }
      />
      <Ready shown={shown} what="The type">
        {({ intentTypes }) => {
          const handlers = intentTypes.find((type) => type.name === name)?.handlers ?? [];
          const handler = handlers.find(({ handlerName }) => handlerName === search.handler) ?? handlers[0];
          if (!handler) return <Empty title="There is no such type">No handler serves {name}.</Empty>;
          if (search.from === undefined)
            return (
              <Form
                key={handler.handlerName}
                name={name}
                handlers={handlers}
                handler={handler}
                parameters={undefined}
                search={search}
              />
            );
          return (
            <Ready shown={former} what="The parameters of before">
              {({ execution }) => (
                <Form
                  key={handler.handlerName}
                  name={name}
                  handlers={handlers}
                  handler={handler}
                  parameters={execution?.intent.parameters}
                  search={search}
                />
              )}
            </Ready>
          );
        }}
      </Ready>
    </div>
  );
}

interface FormProps {
  name: string;
  handlers: readonly Handler[];
  handler: Handler;
  parameters: unknown;
  search: SubmitSearch;
}

function Form({ name, handlers, handler, parameters: former, search }: FormProps) {
  const navigate = useNavigate();
  const set = useChange<SubmitSearch>();
  const parameters = useParameters(handler.parametersSchema, former);
  const session = useSession(search.session);
  const [key, setKey] = useState<string>(() => crypto.randomUUID());
  const [runAt, setRunAt] = useState('');
  const submit = useMutation({
    mutationFn: async () => {
      parameters.tell([]);
      const { data } = await ask(documents.SubmitIntent, {
        input: {
          intentType: name,
          handlerName: named(handlers, handler),
          sessionId: await session.get(),
          parameters: parameters.value,
          idempotencyKey: key || null,
          runAt: instantOf(runAt, zone.get()) ?? null,
        },
      });
      const { execution, errors } = data.submitIntent;
      if (execution) return execution.id;
      parameters.tell(errors);
      throw new Error(told(errors));
    },
    onSuccess: (id) => void navigate({ to: '/executions/$id', params: { id } }),
  });
  return (
    <div className="columns submit">
      <Panel title="Parameters">
        <div className="inside">
          <Described handler={handler} parameters={parameters} view={search.view} set={set} />
        </div>
      </Panel>
      <Panel title="Submit">
        <div className="inside form">
          <SessionChoice of={session} choose={(id) => set({ session: id })} />
          <HandlerChoice handlers={handlers} handler={handler} choose={(id) => set({ handler: id })} />
          <Field label="Idempotency key" value={key} set={setKey} help="Submitting twice with one key runs once." />
          <MomentField label="Not before" value={runAt} set={setRunAt} help="at once when left out" />
          <Fault>{submit.error?.message}</Fault>
          <div className="buttons">
            <Action
              kind="main"
              icon="play"
              isDisabled={submit.isPending || parameters.textFault !== undefined}
              onPress={() => submit.mutate()}
            >
              {submit.isPending ? 'Submitting' : 'Submit'}
            </Action>
          </div>
        </div>
      </Panel>
    </div>
  );
}
