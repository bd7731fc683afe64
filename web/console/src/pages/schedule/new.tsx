/** Makes a schedule: an intent with its parameters, and when it is submitted. */
import { useMutation } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { ask, documents, queries, told, type types, useAsk } from '../../api';
import { Described, type Handler, HandlerChoice, named } from '../../form/intent';
import { useParameters } from '../../form/parameters';
import { SessionChoice, useSession } from '../../form/session';
import { Action, Head, Panel, ScheduleLink } from '../../parts';
import { useChange } from '../../parts/address';
import { Choice, Field, ZoneField } from '../../parts/controls';
import { Fault } from '../../parts/dialog';
import { useMaySubmit } from '../../parts/may';
import { Empty, Ready } from '../../parts/state';
import type { ScheduleSearch } from '../../views';
import { overlapNames, overlaps } from './words';

const route = getRouteApi('/schedules/new');

type Former = types.ScheduleQuery['schedule'];

export default function NewSchedule() {
  const { from, type, handler } = route.useSearch();
  const set = useChange<ScheduleSearch>();
  const maySubmit = useMaySubmit();
  const shown = useAsk(documents.IntentTypes, {}, { staleMs: 60_000 });
  const former = useAsk(documents.Schedule, { id: from ?? '' }, { isOn: from !== undefined });
  const form = (types: types.IntentTypesQuery['intentTypes'], schedule: Former) => {
    const offered = types.filter(({ name }) => maySubmit(name));
    const chosen = offered.find(({ name }) => name === type) ?? offered[0];
    const served = chosen?.handlers.find(({ handlerName }) => handlerName === handler) ?? chosen?.handlers[0];
    if (!chosen || !served)
      return <Empty title="There is nothing to submit">No type is registered that the caller may submit.</Empty>;
    return (
      <Form
        key={`${chosen.name} ${served.handlerName}`}
        names={offered.map(({ name }) => name)}
        name={chosen.name}
        handlers={chosen.handlers}
        handler={served}
        former={schedule?.intentType === chosen.name ? schedule : null}
        choose={(name) => set({ type: name, handler: undefined })}
      />
    );
  };
  return (
    <div className="page" key={from ?? ''}>
      <Head
        title="Make a schedule"
        below={
          from && (
            <span>
              like <ScheduleLink id={from} />
            </span>
          )
        }
      />
      <Ready shown={shown} what="The types">
        {({ intentTypes }) =>
          from === undefined ? (
            form(intentTypes, null)
          ) : (
            <Ready shown={former} what="The schedule of before">
              {({ schedule }) => form(intentTypes, schedule)}
            </Ready>
          )
        }
      </Ready>
    </div>
  );
}

interface FormProps {
  names: string[];
  name: string;
  handlers: readonly Handler[];
  handler: Handler;
  former: Former;
  choose(name: string): void;
}

/** A whole number, or null where the field is empty; fails for anything else. */
function whole(text: string, label: string): number | null {
  if (text.trim() === '') return null;
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw new Error(`${label}: not a whole number`);
  return number;
}

const textOf = (value: number | string | null | undefined) =>
  value === null || value === undefined ? '' : String(value);

function Form({ names, name, handlers, handler, former, choose }: FormProps) {
  const search = route.useSearch();
  const navigate = useNavigate();
  const set = useChange<ScheduleSearch>();
  const parameters = useParameters(handler.parametersSchema, former?.parameters);
  const session = useSession(search.session ?? former?.sessionId);
  const [title, setTitle] = useState(textOf(former?.name));
  const [kind, setKind] = useState<'cron' | 'interval'>(former?.everySeconds ? 'interval' : 'cron');
  const [cron, setCron] = useState(former?.cron ?? '0 3 * * *');
  const [zone, setZone] = useState(former?.timeZone ?? 'UTC');
  const [every, setEvery] = useState(textOf(former?.everySeconds ?? 3_600));
  const [overlap, setOverlap] = useState<types.ScheduleOverlap>(former?.overlap ?? 'SKIP');
  const [jitter, setJitter] = useState(textOf(former?.jitterSeconds));
  const [catchUp, setCatchUp] = useState(textOf(former?.catchUpSeconds));
  const [priority, setPriority] = useState(textOf(former?.priority));
  const make = useMutation({
    mutationFn: async () => {
      parameters.tell([]);
      const when =
        kind === 'cron' ? { cron, timeZone: zone } : { everySeconds: whole(every, 'Every, in seconds') ?? 0 };
      const input = {
        ...when,
        name: title.trim() || null,
        intentType: name,
        handlerName: named(handlers, handler),
        parameters: parameters.value,
        overlap,
        jitterSeconds: whole(jitter, 'Spread over, in seconds'),
        catchUpSeconds: whole(catchUp, 'Made up for, in seconds'),
        priority: whole(priority, 'Priority'),
        sessionId: await session.get(),
      };
      const { data } = await ask(documents.CreateSchedule, { input });
      const { schedule, errors } = data.createSchedule;
      if (schedule) return schedule.id;
      parameters.tell(errors);
      throw new Error(told(errors));
    },
    onSuccess(id) {
      void queries.invalidateQueries({ queryKey: ['Schedules'] });
      void navigate({ to: '/schedules/$id', params: { id } });
    },
  });
  return (
    <div className="columns submit">
      <Panel title="Intent">
        <div className="inside form">
          <Choice label="Type" choices={names.map((id) => ({ id, name: id }))} chosen={name} choose={choose} />
          <HandlerChoice handlers={handlers} handler={handler} choose={(id) => set({ handler: id })} />
          <Described handler={handler} parameters={parameters} view={search.view} set={set} />
        </div>
      </Panel>
      <Panel title="When">
        <div className="inside form">
          <Field label="Name" value={title} set={setTitle} help="For people; up to 200 characters." />
          <Choice<'cron' | 'interval'>
            label="Times"
            choices={[
              { id: 'cron', name: 'by a cron expression' },
              { id: 'interval', name: 'at an interval' },
            ]}
            chosen={kind}
            choose={setKind}
          />
          {kind === 'cron' ? (
            <>
              <Field
                label="Cron expression"
                value={cron}
                set={setCron}
                help="Minute, hour, day of month, month, day of week; or @hourly, @daily, @weekly, @monthly, @yearly."
              />
              <ZoneField label="Time zone of the expression" value={zone} set={setZone} />
            </>
          ) : (
            <Field label="Every, in seconds" value={every} set={setEvery} help="Counted from when it is made." />
          )}
          <Choice<types.ScheduleOverlap>
            label="While another one runs"
            choices={overlaps.map((id) => ({ id, name: overlapNames[id] }))}
            chosen={overlap}
            choose={setOverlap}
          />
          <SessionChoice of={session} choose={(id) => set({ session: id })} />
          <details className="form">
            <summary>More</summary>
            <Field
              label="Spread over, in seconds"
              value={jitter}
              set={setJitter}
              help="0 to 3600; none when left out."
            />
            <Field
              label="Made up for, in seconds"
              value={catchUp}
              set={setCatchUp}
              help="For so long the latest time that was missed is made up for; an hour when left out."
            />
            <Field label="Priority" value={priority} set={setPriority} help="0, the first, to 9; 5 when left out." />
          </details>
          <p className="muted small">
            Its executions act for you, with the rights that you have now, until it is deleted or its session ends.
          </p>
          <Fault>{make.error?.message}</Fault>
          <div className="buttons">
            <Action
              kind="main"
              icon="clock"
              isDisabled={make.isPending || parameters.textFault !== undefined}
              onPress={() => make.mutate()}
            >
              {make.isPending ? 'Making it' : 'Make the schedule'}
            </Action>
          </div>
        </div>
      </Panel>
    </div>
  );
}
