/** One webhook: where events go, which, whether they are accepted, and what can be done with it. */
import { getRouteApi, Link } from '@tanstack/react-router';
import { documents, type types, useAsk } from '../api';
import { useEvery } from '../live/every';
import { Copy, Facts, Head, Icon, Id, Panel, SessionLink, Time } from '../parts';
import { useMay } from '../parts/may';
import { Empty, Ready } from '../parts/state';
import { Badge } from '../parts/status';
import { WebhookActions } from './webhook/actions';
import { disabledNames, isFailing, nameOf, stateOf, timesInARow } from './webhook/words';

const route = getRouteApi('/webhooks/$id');

export type Webhook = NonNullable<types.WebhookQuery['webhook']>;

const everyMs = 2_000;

export default function WebhookPage() {
  const { id } = route.useParams();
  const shown = useAsk(documents.Webhook, { id });
  useEvery(documents.Webhook.name, everyMs);
  return (
    <div className="page" key={id}>
      <Ready shown={shown} what="This webhook" lines={10}>
        {({ webhook }) =>
          webhook ? (
            <Shown webhook={webhook} />
          ) : (
            <Empty title="There is no such webhook">It is absent, was deleted, or is not the caller's: {id}</Empty>
          )
        }
      </Ready>
    </div>
  );
}

function Shown({ webhook }: { webhook: Webhook }) {
  return (
    <>
      <Head
        title={nameOf(webhook)}
        below={
          <>
            <Badge {...stateOf(webhook)} />
            <Id id={webhook.id} />
          </>
        }
        actions={<WebhookActions webhook={webhook} />}
      />
      <Trouble webhook={webhook} />
      <div className="columns wide">
        <Panel title="What is sent where">
          <Facts of={what(webhook)} />
        </Panel>
        <Panel title="Deliveries">
          <Facts of={deliveries(webhook)} />
        </Panel>
      </div>
      <Panel title="Facts" more={<Log of={webhook} />}>
        <Facts of={facts(webhook)} />
      </Panel>
    </>
  );
}

/** Why nothing comes, or comes late. */
function Trouble({ webhook }: { webhook: Webhook }) {
  const { disabledReason, consecutiveFailures, lastFailure, lastFailureAt, lastSuccessAt, nextAttemptAt } = webhook;
  if (!disabledReason && !isFailing(webhook)) return null;
  return (
    <section className="error-note" aria-label="What fails">
      <div>
        <b>{disabledReason ? 'The server has given it up' : `Not accepted ${timesInARow(consecutiveFailures)}`}</b>
        <span className="muted">
          {lastSuccessAt ? (
            <>
              nothing was accepted since <Time at={lastSuccessAt} isWhole />
            </>
          ) : (
            'nothing was accepted yet'
          )}
        </span>
      </div>
      {disabledReason && (
        <p>{disabledNames[disabledReason]} Resume it once the receiver is well: it goes on where it was.</p>
      )}
      {lastFailure && (
        <p>
          <span className="muted">
            At <Time at={lastFailureAt} isWhole />:
          </span>{' '}
          {lastFailure}
        </p>
      )}
      {nextAttemptAt && (
        <p className="muted">
          The next attempt: <Time at={nextAttemptAt} />
        </p>
      )}
    </section>
  );
}

type AllFacts = Parameters<typeof Facts>[0]['of'];

function Names({ of, none }: { of: readonly string[]; none: string }) {
  if (of.length === 0) return <>{none}</>;
  return (
    <ul className="names">
      {of.map((name) => (
        <li key={name}>
          <code>{name}</code>
        </li>
      ))}
    </ul>
  );
}

const what = ({ url, filter }: Webhook): AllFacts => [
  [
    'Address',
    <span key="url" className="id">
      <code className="whole">{url}</code>
      <Copy text={url} label="Copy the address" />
    </span>,
  ],
  ['Events', <Names key="events" of={filter.types} none="all" />],
  ['Intents', <Names key="intents" of={filter.intentType} none="all" />],
  ['Session', filter.sessionId ? <SessionLink key="session" id={filter.sessionId} /> : 'any'],
];

const deliveries = ({
  lastSuccessAt,
  lastFailureAt,
  consecutiveFailures,
  nextAttemptAt,
  cursor,
}: Webhook): AllFacts => [
  ['Last accepted', <Time key="success" at={lastSuccessAt} isWhole />],
  ['Last not accepted', <Time key="failure" at={lastFailureAt} isWhole />],
  ['Not accepted in a row', consecutiveFailures === '0' ? 'none' : Number(consecutiveFailures).toLocaleString('en')],
  ['Next attempt', <Time key="next" at={nextAttemptAt} isWhole />],
  [
    'All is accepted up to the cursor',
    cursor ? (
      <span key="cursor" className="id">
        <code title={cursor}>{cursor}</code>
        <Copy text={cursor} label="Copy the cursor" />
      </span>
    ) : (
      'none yet'
    ),
  ],
];

const facts = ({ createdBy, createdAt, updatedAt, formerSecretUntil }: Webhook): AllFacts => [
  ['Made by', createdBy],
  ['Made', <Time key="made" at={createdAt} isWhole />],
  ['Changed', <Time key="changed" at={updatedAt} isWhole />],
  ['The former secret signs until', <Time key="former" at={formerSecretUntil} isWhole />],
];

function Log({ of: { id } }: { of: Webhook }) {
  const may = useMay();
  if (!may('log:read')) return null;
  return (
    <Link to="/log" search={{ stream: id, since: '30d' }} className="action">
      <Icon name="log" />
      <span>Its entries in the log</span>
    </Link>
  );
}
