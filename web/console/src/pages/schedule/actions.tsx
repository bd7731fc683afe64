/** What can be done with a schedule. The server wants all rights of its executions for most of it, and says which lack. */
import { useMutation } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { ask, documents, queries, refuse, told } from '../../api';
import { Action, Icon } from '../../parts';
import { MomentField } from '../../parts/controls';
import { Asking, Buttons, Confirm, Fault } from '../../parts/dialog';
import { useMaySubmit } from '../../parts/may';
import { instantOf, zone } from '../../time';
import type { Schedule } from '../schedule';

const renew = async () => {
  await Promise.all(['Schedule', 'Schedules'].map((name) => queries.invalidateQueries({ queryKey: [name] })));
};

export function ScheduleActions({ schedule }: { schedule: Schedule }) {
  const maySubmit = useMaySubmit();
  const { id, status, intentType } = schedule;
  if (!maySubmit(intentType)) return null;
  return (
    <>
      {status === 'ACTIVE' ? <Pause id={id} /> : <Resume id={id} />}
      <Trigger id={id} />
      {status === 'ACTIVE' && <Backfill id={id} />}
      <Link to="/schedules/new" search={{ from: id, type: intentType }} className="action">
        <Icon name="copy" />
        <span>Make another like it</span>
      </Link>
      <Delete id={id} />
    </>
  );
}

function Pause({ id }: { id: string }) {
  return (
    <Confirm
      icon="stop"
      name="Pause"
      title="Pause this schedule?"
      words="It submits nothing until it is resumed. What waits in its queue is dropped; what runs goes on."
      yes="Pause it"
      reasonHelp="Kept in the log."
      run={async (reason) => {
        const { data } = await ask(documents.PauseSchedule, { input: { id, reason } });
        refuse(data.pauseSchedule.errors);
        await renew();
      }}
    />
  );
}

function Resume({ id }: { id: string }) {
  return (
    <Confirm
      icon="play"
      name="Resume"
      title="Resume this schedule?"
      words="It goes on from now on. The times meanwhile are left out; those that are to be made up for can be put into its queue afterwards."
      yes="Resume it"
      run={async () => {
        const { data } = await ask(documents.ResumeSchedule, { input: { id } });
        refuse(data.resumeSchedule.errors);
        await renew();
      }}
    />
  );
}

function Trigger({ id }: { id: string }) {
  const navigate = useNavigate();
  // Pressing twice submits once.
  const [key, setKey] = useState(() => crypto.randomUUID());
  return (
    <Confirm
      icon="play"
      name="Submit now"
      title="Submit its intent now?"
      words="At once, whatever it has running, and also while it is paused. Its times stay as they are."
      yes="Submit"
      run={async () => {
        const { data } = await ask(documents.TriggerSchedule, { input: { id, idempotencyKey: key } });
        const { execution, errors } = data.triggerSchedule;
        if (!execution) throw new Error(told(errors));
        setKey(crypto.randomUUID());
        void navigate({ to: '/executions/$id', params: { id: execution.id } });
      }}
    />
  );
}

function Backfill({ id }: { id: string }) {
  const [from, setFrom] = useState('');
  const [until, setUntil] = useState('');
  const fill = useMutation({
    mutationFn: async () => {
      const [first, last] = [instantOf(from, zone.get()), instantOf(until, zone.get())];
      if (!first || !last) throw new Error('Both times are needed.');
      const { data } = await ask(documents.BackfillSchedule, { input: { id, from: first, until: last } });
      refuse(data.backfillSchedule.errors);
      await renew();
      return data.backfillSchedule.times;
    },
  });
  return (
    <Asking
      title="Make up for times that have passed"
      button={
        <Action icon="clock" onPress={() => fill.reset()}>
          Backfill
        </Action>
      }
    >
      {(close) =>
        fill.data === undefined ? (
          <>
            <p className="muted">
              Its times of this range go into its queue, at most 1,000. Those that led to an execution are not repeated.
            </p>
            <MomentField label="From" value={from} set={setFrom} />
            <MomentField label="Before" value={until} set={setUntil} />
            <Fault>{fill.error?.message}</Fault>
            <Buttons
              yes="Put them into the queue"
              no="Not now"
              isOff={fill.isPending || from === '' || until === ''}
              close={close}
              run={() => fill.mutate()}
            />
          </>
        ) : (
          <>
            <p role="status">
              {fill.data === 0
                ? 'It has no time in this range that is not in its queue.'
                : `Times put into the queue: ${fill.data}.`}
            </p>
            <div className="buttons">
              <Action kind="main" onPress={close}>
                Done
              </Action>
            </div>
          </>
        )
      }
    </Asking>
  );
}

function Delete({ id }: { id: string }) {
  const navigate = useNavigate();
  return (
    <Confirm
      kind="danger"
      name="Delete"
      title="Delete this schedule?"
      words="It submits nothing more. Its executions stay and go on. That cannot be undone."
      yes="Delete it"
      no="Keep it"
      reasonHelp="Kept in the log."
      run={async (reason) => {
        const { data } = await ask(documents.DeleteSchedule, { input: { id, reason } });
        refuse(data.deleteSchedule.errors);
        void queries.invalidateQueries({ queryKey: ['Schedules'] });
        void navigate({ to: '/schedules' });
      }}
    />
  );
}
