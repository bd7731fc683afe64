/** What can be done with a webhook. */
import { useMutation } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { ask, documents, queries, refuse, told } from '../../api';
import { Action } from '../../parts';
import { Choice, Field } from '../../parts/controls';
import { Asking, Buttons, Confirm, Fault } from '../../parts/dialog';
import { useMay } from '../../parts/may';
import { mayManageWebhooks } from '../../parts/scopes';
import type { Webhook } from '../webhook';
import { Fields, Secret } from './form';
import { inputOf, wantedOf } from './words';

const renew = async () => {
  const names = [documents.Webhook.name, documents.Webhooks.name];
  await Promise.all(names.map((name) => queries.invalidateQueries({ queryKey: [name] })));
};

export function WebhookActions({ webhook }: { webhook: Webhook }) {
  const may = useMay();
  if (!mayManageWebhooks(may)) return null;
  const { id, status, cursor } = webhook;
  return (
    <>
      {status === 'ACTIVE' ? <Pause id={id} /> : <Resume id={id} />}
      <Change webhook={webhook} />
      <Redeliver id={id} place={cursor} />
      <Rotate id={id} />
      <Delete id={id} />
    </>
  );
}

function Pause({ id }: { id: string }) {
  return (
    <Confirm
      icon="stop"
      name="Pause"
      title="Pause this webhook?"
      words="What happens meanwhile is delivered when it is resumed, as far as it is still kept. What is on its way may still come."
      yes="Pause it"
      reasonHelp="Kept in the log."
      run={async (reason) => {
        const { data } = await ask(documents.PauseWebhook, { input: { id, reason } });
        refuse(data.pauseWebhook.errors);
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
      title="Resume this webhook?"
      words="It goes on where it was, with all that has happened meanwhile and is still kept."
      yes="Resume it"
      run={async () => {
        const { data } = await ask(documents.ResumeWebhook, { input: { id } });
        refuse(data.resumeWebhook.errors);
        await renew();
      }}
    />
  );
}

function Change({ webhook }: { webhook: Webhook }) {
  const [wanted, setWanted] = useState(() => wantedOf(webhook));
  const change = useMutation({
    mutationFn: async () => {
      const { data } = await ask(documents.UpdateWebhook, { input: { id: webhook.id, ...inputOf(wanted) } });
      refuse(data.updateWebhook.errors);
      await renew();
    },
  });
  const begin = () => {
    change.reset();
    setWanted(wantedOf(webhook));
  };
  return (
    <Asking
      title="Change this webhook"
      button={
        <Action icon="edit" onPress={begin}>
          Change
        </Action>
      }
    >
      {(close) => (
        <>
          <Fields of={wanted} set={(part) => setWanted((before) => ({ ...before, ...part }))} isChange />
          <Fault>{change.error?.message}</Fault>
          <Buttons
            yes="Change it"
            no="Leave it"
            isOff={change.isPending || wanted.url.trim() === ''}
            close={close}
            run={() => change.mutate(undefined, { onSuccess: close })}
          />
        </>
      )}
    </Asking>
  );
}

type Place = 'cursor' | 'now';

function Redeliver({ id, place }: { id: string; place: string | null }) {
  const [from, setFrom] = useState<Place>('cursor');
  const [cursor, setCursor] = useState('');
  const move = useMutation({
    mutationFn: async () => {
      const after = from === 'now' ? (await ask(documents.FeedHead, {})).data.feedHead : cursor.trim();
      if (!after) throw new Error('Nothing has happened yet.');
      const { data } = await ask(documents.RedeliverWebhook, { input: { id, after } });
      refuse(data.redeliverWebhook.errors);
      await renew();
    },
    onSuccess: () => setCursor(''),
  });
  return (
    <Asking
      title="Deliver from another place"
      button={
        <Action icon="again" onPress={() => move.reset()}>
          Redeliver
        </Action>
      }
    >
      {(close) => (
        <>
          <Choice<Place>
            label="From where"
            choices={[
              { id: 'cursor', name: 'all that comes after a cursor' },
              { id: 'now', name: 'what happens from now on' },
            ]}
            chosen={from}
            choose={setFrom}
          />
          {from === 'cursor' ? (
            <Field
              label="Cursor"
              value={cursor}
              set={setCursor}
              placeholder={place ?? 'djEu…'}
              help="That of a delivery, or of an event of the tenant. What comes after it is delivered again, with the same webhook-id."
            />
          ) : (
            <p className="muted">What has not been delivered by now is left out.</p>
          )}
          <Fault>{move.error?.message}</Fault>
          <Buttons
            yes="Deliver from there"
            no="Not now"
            isOff={move.isPending || (from === 'cursor' && cursor.trim() === '')}
            close={close}
            run={() => move.mutate(undefined, { onSuccess: close })}
          />
        </>
      )}
    </Asking>
  );
}

function Rotate({ id }: { id: string }) {
  const rotate = useMutation({
    // What is shown once is kept nowhere.
    gcTime: 0,
    mutationFn: async () => {
      const { data } = await ask(documents.RotateWebhookSecret, { input: { id } });
      const { secret, errors } = data.rotateWebhookSecret;
      if (!secret) throw new Error(told(errors));
      void renew();
      return secret;
    },
  });
  return (
    <Asking
      title={rotate.data ? 'The new secret' : 'Give it another secret?'}
      button={
        <Action icon="keys" onPress={() => rotate.reset()}>
          New secret
        </Action>
      }
    >
      {(close) =>
        rotate.data ? (
          <>
            <Secret text={rotate.data} />
            <div className="buttons">
              <Action
                kind="main"
                onPress={() => {
                  close();
                  rotate.reset();
                }}
              >
                Done
              </Action>
            </div>
          </>
        ) : (
          <>
            <p className="muted">
              For 24 hours deliveries are signed by both, the new one and that of now. If that is itself younger than 24
              hours, the one before it ends at once.
            </p>
            <Fault>{rotate.error?.message}</Fault>
            <Buttons
              yes="Make the secret"
              no="Not now"
              isOff={rotate.isPending}
              close={close}
              run={() => rotate.mutate()}
            />
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
      title="Delete this webhook?"
      words="Nothing more is delivered, what waits included. That cannot be undone."
      yes="Delete it"
      no="Keep it"
      reasonHelp="Kept in the log."
      run={async (reason) => {
        const { data } = await ask(documents.DeleteWebhook, { input: { id, reason } });
        refuse(data.deleteWebhook.errors);
        void queries.invalidateQueries({ queryKey: [documents.Webhooks.name] });
        void navigate({ to: '/webhooks' });
      }}
    />
  );
}
