/** One schedule: its times, what waits, what it has made, and what can be done with it. */
import { getRouteApi, Link } from '@tanstack/react-router';
import { documents, keyOf, queries, type types, useAsk } from '../api';
import { useChanges } from '../live/feed';
import { Facts, Head, Icon, Id, Panel, SessionLink, Time } from '../parts';
import { Json } from '../parts/json';
import { ExecutionLines } from '../parts/lines';
import { Empty, Ready } from '../parts/state';
import { ScheduleState } from '../parts/status';
import { span } from '../time';
import { ScheduleActions } from './schedule/actions';
import { firedBy, overlapNames, timesOf } from './schedule/words';

const route = getRouteApi('/schedules/$id');

export type Schedule = NonNullable<types.ScheduleQuery['schedule']>;

const everyMs = 1_000;

export default function SchedulePage() {
  const { id } = route.useParams();
  const shown = useAsk(documents.Schedule, { id }, { staleMs: 2_000 });
  useChanges(() => void queries.invalidateQueries({ queryKey: keyOf(documents.Schedule, { id }) }), everyMs);
  return (
    <div className="page" key={id}>
      <Ready shown={shown} what="This schedule" lines={10}>
        {({ schedule }) =>
          schedule ? (
            <Shown schedule={schedule} />
          ) : (
            <Empty title="There is no such schedule">It is absent, was deleted, or is not the caller's: {id}</Empty>
          )
        }
      </Ready>
    </div>
  );
}

function Shown({ schedule }: { schedule: Schedule }) {
  return (
    <>
      <Head
        title={schedule.name ?? schedule.intentType}
        below={
          <>
            <ScheduleState of={schedule.status} />
            <Id id={schedule.id} />
            <span>{timesOf(schedule)}</span>
          </>
        }
        actions={<ScheduleActions schedule={schedule} />}
      />
      {schedule.lastError && (
        <section className="error-note" aria-label="Last error">
          <div>
            <b>The last time was refused</b>
            <span className="muted">
              that of <Time at={schedule.lastError.at} isWhole />
            </span>
          </div>
          <p>{schedule.lastError.message}</p>
        </section>
      )}
      <section className="panel" aria-label="Facts">
        <Facts of={facts(schedule)} />
      </section>
      <div className="columns">
        <Panel title={schedule.status === 'PAUSED' ? 'Times it would have' : 'Next times'}>
          <Times of={schedule.upcoming} none="It has no time ahead." />
        </Panel>
        <Panel title={`Waiting, ${schedule.queuedTimes.length}`}>
          <Times of={schedule.queuedTimes} none="No time waits in its queue." />
        </Panel>
        <Panel title="Parameters">
          <Json value={schedule.parameters} name="parameters" />
        </Panel>
      </div>
      <Panel
        title="Latest executions"
        more={
          <Link
            to="/executions"
            search={{ session: schedule.sessionId, type: [schedule.intentType] }}
            className="action"
          >
            <Icon name="executions" />
            <span>All of this type in its session</span>
          </Link>
        }
      >
        <ExecutionLines
          rows={schedule.executions.nodes}
          none="It has made none that is kept."
          says={({ status, error, intent }) => <Says error={status === 'FAILED' ? error : null} intent={intent} />}
        />
        {schedule.executions.pageInfo.hasNextPage && <p className="inside muted">The latest 20 are shown.</p>}
      </Panel>
    </>
  );
}

function Says({
  error,
  intent: { idempotencyKey },
}: {
  error: { code: string; message: string } | null;
  intent: { idempotencyKey: string | null };
}) {
  if (error) return `${error.code}: ${error.message}`;
  const fired = firedBy(idempotencyKey);
  return fired ? (
    <>
      that of <Time at={fired.at} isWhole />
    </>
  ) : (
    'triggered'
  );
}

const shownTimes = 10;

function Times({ of, none }: { of: readonly string[]; none: string }) {
  if (of.length === 0) return <p className="inside muted">{none}</p>;
  return (
    <>
      <ol className="times">
        {of.slice(0, shownTimes).map((at) => (
          <li key={at}>
            <Time at={at} isWhole />
            <span className="muted">
              <Time at={at} />
            </span>
          </li>
        ))}
      </ol>
      {of.length > shownTimes && (
        <p className="inside muted">
          The first {shownTimes} of {of.length} are shown.
        </p>
      )}
    </>
  );
}

function facts(schedule: Schedule): Parameters<typeof Facts>[0]['of'] {
  const seconds = (count: number) => (count === 0 ? 'none' : span(count * 1_000_000));
  return [
    ['Intent', schedule.intentType],
    ['Session', <SessionLink key="session" id={schedule.sessionId} />],
    ['While another one runs', overlapNames[schedule.overlap]],
    ['Spread over', seconds(schedule.jitterSeconds)],
    ['Missed times are made up for', seconds(schedule.catchUpSeconds)],
    ['Left out so far', schedule.skippedCount],
    ['Last fired', <Time key="last" at={schedule.lastFiredAt} isWhole />],
    ['Made by', schedule.createdBy],
    ['Made', <Time key="made" at={schedule.createdAt} isWhole />],
    ['Changed', <Time key="changed" at={schedule.updatedAt} isWhole />],
    ...(schedule.handlerName ? [['Handler', schedule.handlerName] as [string, string]] : []),
    ...(schedule.priority !== null ? [['Priority', String(schedule.priority)] as [string, string]] : []),
    ...(schedule.solutionId ? [['Solution', schedule.solutionId] as [string, string]] : []),
  ];
}
