/** The list of webhooks: where events go, which, and whether they are accepted. */
import { Link, useNavigate } from '@tanstack/react-router';
import { documents, type types, usePages } from '../api';
import { useEvery } from '../live/every';
import { Head, Icon, Time } from '../parts';
import type { Column } from '../parts/grid';
import { List } from '../parts/list';
import { useMay } from '../parts/may';
import { mayManageWebhooks } from '../parts/scopes';
import { Badge } from '../parts/status';
import { disabledNames, eventsOf, isFailing, nameOf, stateOf, timesInARow } from './webhook/words';

type Row = types.WebhookRowFragment;

const columns: Column<Row>[] = [
  { id: 'state', title: 'State', width: '104px', cell: (row) => <Badge {...stateOf(row)} /> },
  {
    id: 'name',
    title: 'Webhook',
    width: 'minmax(130px, 1.6fr)',
    cell: (row) => (
      <div className="two">
        <Link to="/webhooks/$id" params={{ id: row.id }} title={row.id}>
          {nameOf(row)}
        </Link>
        <small className="muted">{row.url}</small>
      </div>
    ),
  },
  {
    id: 'events',
    title: 'Events',
    width: 'minmax(120px, 1.2fr)',
    from: 'medium',
    cell: ({ filter }) => <span title={filter.types.join(', ')}>{eventsOf(filter)}</span>,
  },
  {
    id: 'failure',
    title: 'What fails',
    width: 'minmax(130px, 1.4fr)',
    from: 'medium',
    cell: (row) => <Failing of={row} />,
  },
  {
    id: 'success',
    title: 'Accepted',
    width: '80px',
    cell: ({ lastSuccessAt }) => <Time at={lastSuccessAt} />,
  },
];

/** How often it was refused in a row, and with what words; nothing where all is well. */
function Failing({ of: row }: { of: Row }) {
  if (row.disabledReason)
    return (
      <div className="two">
        <span className="bad-text">given up</span>
        <small className="muted">{disabledNames[row.disabledReason]}</small>
      </div>
    );
  if (!isFailing(row)) return <span className="muted">–</span>;
  return (
    <div className="two">
      <span className="bad-text">
        not accepted {timesInARow(row.consecutiveFailures)}, <Time at={row.lastFailureAt} />
      </span>
      <small className="muted" title={row.lastFailure ?? ''}>
        {row.lastFailure}
      </small>
    </div>
  );
}

const everyMs = 3_000;

export default function Webhooks() {
  const navigate = useNavigate();
  const may = useMay();
  const pages = usePages(documents.Webhooks, { first: 100 }, ({ webhooks }) => webhooks);
  useEvery(documents.Webhooks.name, everyMs);
  return (
    <div className="page full">
      <Head
        title="Webhooks"
        below="Addresses to which the server sends what happens"
        actions={mayManageWebhooks(may) && <New />}
      />
      <List
        label="Webhooks"
        pages={pages}
        columns={columns}
        keyOf={({ id }) => id}
        open={({ id }) => void navigate({ to: '/webhooks/$id', params: { id } })}
        none={{
          title: 'No webhooks yet',
          words: 'Events of executions are sent to the address of a webhook, signed, until they are accepted there.',
        }}
      />
    </div>
  );
}

function New() {
  return (
    <Link to="/webhooks/new" className="action main">
      <Icon name="plus" />
      <span>Make a webhook</span>
    </Link>
  );
}
