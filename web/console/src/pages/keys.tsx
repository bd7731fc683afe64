/** Keys of the API: made, shown once, revoked. */
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { ask, documents, queries, refuse, told, type types, usePages } from '../api';
import { Action, Copy, Head, Time } from '../parts';
import { Field } from '../parts/controls';
import { Asking, Buttons, Confirm, Fault } from '../parts/dialog';
import type { Column } from '../parts/grid';
import { List } from '../parts/list';
import { useMay } from '../parts/may';
import { Badge } from '../parts/status';

type Key = types.KeysQuery['apiKeys']['nodes'][number];

const isOver = ({ revokedAt, expiresAt }: Key) =>
  revokedAt !== null || (expiresAt !== null && Date.parse(expiresAt) < Date.now());

const columns: Column<Key>[] = [
  {
    id: 'state',
    title: 'State',
    width: '104px',
    cell: (key) =>
      key.revokedAt ? (
        <Badge tone="off" icon="cancelled" name="Revoked" />
      ) : isOver(key) ? (
        <Badge tone="off" icon="clock" name="Expired" />
      ) : (
        <Badge tone="good" icon="check" name="Valid" />
      ),
  },
  {
    id: 'label',
    title: 'Key',
    width: 'minmax(120px, 1.4fr)',
    cell: ({ label, prefix }) => (
      <div className="two">
        <span className="cut">{label || 'without a label'}</span>
        <small className="muted">
          <code>tk_{prefix}…</code>
        </small>
      </div>
    ),
  },
  {
    id: 'rights',
    title: 'Rights',
    width: 'minmax(120px, 1.4fr)',
    from: 'medium',
    cell: ({ roles, scopes }) => (
      <span className="cut" title={[...roles, ...scopes].join(', ')}>
        {[...roles, ...scopes].join(', ')}
      </span>
    ),
  },
  {
    id: 'by',
    title: 'Made by',
    width: '110px',
    from: 'wide',
    cell: ({ createdBy }) => <span className="cut">{createdBy}</span>,
  },
  { id: 'created', title: 'Made', width: '80px', from: 'wide', cell: ({ createdAt }) => <Time at={createdAt} /> },
  { id: 'used', title: 'Last used', width: '84px', from: 'medium', cell: ({ lastUsedAt }) => <Time at={lastUsedAt} /> },
  { id: 'expires', title: 'Expires', width: '80px', from: 'wide', cell: ({ expiresAt }) => <Time at={expiresAt} /> },
  { id: 'revoke', title: 'Revoke', width: '96px', cell: (key) => (isOver(key) ? null : <Revoke apiKey={key} />) },
];

export default function Keys() {
  const may = useMay();
  const pages = usePages(documents.Keys, { first: 100 }, ({ apiKeys }) => apiKeys);
  return (
    <div className="page full">
      <Head
        title="Keys"
        below="By which services and scripts prove who they are"
        actions={may('keys:manage') && <Make />}
      />
      <List
        label="Keys"
        pages={pages}
        columns={columns}
        keyOf={({ id }) => id}
        none={{ title: 'No keys yet', words: 'A key is shown once, when it is made.' }}
      />
    </div>
  );
}

const renew = () => queries.invalidateQueries({ queryKey: ['Keys'] });
const list = (text: string) => text.split(/[\s,]+/).filter((one) => one !== '');

function Make() {
  const [label, setLabel] = useState('');
  const [roles, setRoles] = useState('');
  const [scopes, setScopes] = useState('');
  const [days, setDays] = useState('90');
  const make = useMutation({
    mutationFn: async () => {
      const lasts = Number(days);
      const expiresAt = days.trim() === '' ? null : new Date(Date.now() + lasts * 86_400_000).toISOString();
      const { data } = await ask(documents.CreateKey, {
        input: { label: label || null, roles: list(roles), scopes: list(scopes), expiresAt },
      });
      const { token, errors } = data.createApiKey;
      if (!token) throw new Error(told(errors));
      return token;
    },
    onSuccess: () => void renew(),
  });
  const isNumber = days.trim() === '' || (Number(days) > 0 && Number(days) < 36_500);
  return (
    <Asking
      title={make.data ? 'The new key' : 'Make a key'}
      button={
        <Action kind="main" icon="plus" onPress={() => make.reset()}>
          Make a key
        </Action>
      }
    >
      {(close) =>
        make.data ? (
          <>
            <p>It is shown this once, and kept nowhere. Copy it now.</p>
            <div className="secret">
              <code>{make.data}</code>
              <Copy text={make.data} label="Copy the key" />
            </div>
            <div className="buttons">
              <Action kind="main" onPress={close}>
                Done
              </Action>
            </div>
          </>
        ) : (
          <>
            <Field label="Purpose" value={label} set={setLabel} />
            <Field
              label="Roles"
              value={roles}
              set={setRoles}
              help="As the configuration of the server names them, with commas between."
              placeholder="developer"
            />
            <Field label="Scopes besides" value={scopes} set={setScopes} placeholder="executions:read" />
            <Field
              label="Valid for, in days"
              value={days}
              set={setDays}
              help="For ever when left out."
              fault={isNumber ? undefined : 'Not a number of days.'}
            />
            <Fault>{make.error?.message}</Fault>
            <Buttons
              yes="Make it"
              no="Not now"
              isOff={make.isPending || !isNumber || (roles.trim() === '' && scopes.trim() === '')}
              close={close}
              run={() => make.mutate()}
            />
          </>
        )
      }
    </Asking>
  );
}

function Revoke({ apiKey: { id, label, prefix } }: { apiKey: Key }) {
  async function revoke(reason: string | null) {
    const { data } = await ask(documents.RevokeKey, { input: { id, reason } });
    refuse(data.revokeApiKey.errors);
    void renew();
  }
  return (
    <Confirm
      kind="danger"
      name="Revoke"
      title={`Revoke ${label || `tk_${prefix}…`}?`}
      words="It is refused on all nodes within 5 s, and connections that it opened are closed. That cannot be undone."
      yes="Revoke it"
      no="Keep it"
      reasonHelp="Kept in the log."
      run={revoke}
    />
  );
}
