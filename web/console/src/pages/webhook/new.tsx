/** Makes a webhook, and shows its secret this once. */
import { useMutation } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { ask, documents, queries, told } from '../../api';
import { Action, Head, Panel } from '../../parts';
import { Fault } from '../../parts/dialog';
import { Fields, Secret } from './form';
import { inputOf, wantedOf } from './words';

export default function NewWebhook() {
  const [wanted, setWanted] = useState(() => wantedOf());
  const make = useMutation({
    // What is shown once is kept nowhere.
    gcTime: 0,
    mutationFn: async () => {
      const { data } = await ask(documents.CreateWebhook, { input: inputOf(wanted) });
      const { webhook, secret, errors } = data.createWebhook;
      if (!webhook || !secret) throw new Error(told(errors));
      return { id: webhook.id, secret };
    },
    onSuccess: () => void queries.invalidateQueries({ queryKey: [documents.Webhooks.name] }),
  });
  return (
    <div className="page narrow">
      <Head title={make.data ? 'The webhook is made' : 'Make a webhook'} />
      {make.data ? (
        <Panel title="Its secret">
          <div className="inside form">
            <Secret text={make.data.secret} />
            <div className="buttons">
              <Link to="/webhooks/$id" params={{ id: make.data.id }} className="action main">
                <span>I have copied it: to the webhook</span>
              </Link>
            </div>
          </div>
        </Panel>
      ) : (
        <Panel title="Where events go, and which">
          <div className="inside form">
            <Fields of={wanted} set={(change) => setWanted((before) => ({ ...before, ...change }))} />
            <p className="muted small">
              It begins with what happens from now on, and reads with the rights that you have now, until it is deleted.
              Whoever may read webhooks sees its address: put no secret into that.
            </p>
            <Fault>{make.error?.message}</Fault>
            <div className="buttons">
              <Action
                kind="main"
                icon="plus"
                isDisabled={make.isPending || wanted.url.trim() === ''}
                onPress={() => make.mutate()}
              >
                {make.isPending ? 'Making it' : 'Make the webhook'}
              </Action>
            </div>
          </div>
        </Panel>
      )}
    </div>
  );
}
