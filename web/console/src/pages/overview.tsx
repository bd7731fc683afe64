/** What goes on now, and what happened over some time: how much was submitted, how it ended, what failed. */
import { getRouteApi, Link } from '@tanstack/react-router';
import { useSyncExternalStore } from 'react';
import { documents, queries, type Shown, type types, useAsk } from '../api';
import { useChanges } from '../live/feed';
import { Head, Lasting, Panel, Time } from '../parts';
import { useChange } from '../parts/address';
import { OneOf } from '../parts/controls';
import { Filters, TypesFilter } from '../parts/filters';
import { ArtifactLines, ExecutionLines } from '../parts/lines';
import { Ready } from '../parts/state';
import { waitName } from '../parts/status';
import { buckets, totals } from '../stats';
import { OverTime } from '../stats/chart';
import { clock } from '../time';
import { type ExecutionsSearch, type OverviewSearch, sinceNames, spans } from '../views';

const route = getRouteApi('/');

const everyMs = 2_000;
const most = 6;

type Span = (typeof spans)[number];
const choices = sinceNames.flatMap(({ id, name }) => (isSpan(id) ? [{ id, name }] : []));

function isSpan(name: string): name is Span {
  return (spans as readonly string[]).includes(name);
}

/** The bucket that goes on, as its number; it changes once in its length. */
function useBucket(ms: number): number {
  return useSyncExternalStore(clock.follow, () => Math.floor(clock.get() / ms));
}

export default function OverviewPage() {
  const { since = '1d', type, view } = route.useSearch();
  const set = useChange<OverviewSearch>();
  const { bucket, ms, count } = buckets[since];
  const last = useBucket(ms);
  const from = (last - count + 1) * ms;
  const filter = { after: new Date(from).toISOString(), intentType: type ?? null };
  const stats = useAsk(documents.Stats, { filter, bucket }, { keepsFormer: true });
  const groups = useAsk(documents.FailureGroups, { filter, first: most }, { keepsFormer: true });
  const now = useAsk(documents.Now, { type: type ?? null }, { keepsFormer: true });
  useChanges(() => {
    for (const name of ['Stats', 'FailureGroups', 'Now']) void queries.invalidateQueries({ queryKey: [name] });
  }, everyMs);
  const words = `in the ${choices.find(({ id }) => id === since)?.name}`;
  return (
    <div className="page">
      <Head title="Overview" below="What goes on now, and what happened" />
      <Filters page="/" clear={type || since !== '1d' ? () => set({ since: undefined, type: undefined }) : undefined}>
        <OneOf
          label="Time"
          choices={choices}
          chosen={since}
          choose={(id) => set({ since: id === '1d' ? undefined : id })}
          isOn={since !== '1d'}
        />
        <TypesFilter chosen={type} choose={(ids) => set({ type: ids })} />
      </Filters>
      <section className="tiles" aria-label="Counts">
        <Tile
          name="Running"
          of={now.data?.running.totalCount}
          tone="busy"
          search={{ status: ['RUNNING'], type }}
          words="now"
        />
        <Tile
          name="Waiting"
          of={now.data?.created.totalCount}
          tone="wait"
          search={{ status: ['CREATED'], type }}
          words="not started yet"
        />
        <Counts stats={stats.data} since={since} type={type} words={words} />
      </section>
      <Panel
        title="Executions over time"
        more={
          <OneOf
            label="As"
            choices={[
              { id: 'graph', name: 'graph' },
              { id: 'table', name: 'table' },
            ]}
            chosen={view ?? 'graph'}
            choose={(id) => set({ view: id === 'table' ? id : undefined })}
          />
        }
      >
        <Ready shown={stats} what="The numbers over time">
          {({ executionStats: { points } }) => (
            <OverTime points={points} from={from} ms={ms} count={count} isTable={view === 'table'} />
          )}
        </Ready>
      </Panel>
      <div className="columns wide">
        <Panel
          title={`What failed ${words}`}
          more={
            <Link to="/failures" search={{ since, type }} aria-label="All failures">
              All
            </Link>
          }
        >
          <Ready shown={groups} what="What failed" lines={3}>
            {({ failureGroups }) => (
              <Groups groups={failureGroups} since={since} none={`Nothing has failed ${words}.`} />
            )}
          </Ready>
        </Panel>
        <Going shown={now} type={type} />
      </div>
    </div>
  );
}

interface CountsProps {
  stats: types.StatsQuery | undefined;
  since: Span;
  type: string[] | undefined;
  words: string;
}

function Counts({ stats, since, type, words }: CountsProps) {
  const all = stats && totals(stats.executionStats.points);
  return (
    <>
      <Tile
        name="Failed"
        of={all && { count: all.failed, exact: true }}
        tone={all && all.failed > 0 ? 'bad' : 'off'}
        search={{ status: ['FAILED'], finished: since, type, order: 'ended' }}
        words={words}
      />
      <Tile
        name="Submitted"
        of={all && { count: all.accepted, exact: true }}
        tone="off"
        search={{ since, type }}
        words={words}
      />
    </>
  );
}

function Groups({
  groups,
  since,
  none,
}: {
  groups: types.FailureGroupsQuery['failureGroups'];
  since: Span;
  none: string;
}) {
  if (groups.length === 0) return <p className="inside muted">{none}</p>;
  return (
    <ul className="lines">
      {groups.map(({ errorCode, intentType, count, lastAt }) => (
        <li key={`${intentType} ${errorCode}`}>
          <b className="num bad-text">{Number(count).toLocaleString('en')}</b>
          <span className="two">
            <Link to="/failures" search={{ since, sel: `${intentType}:${errorCode}` }}>
              {errorCode}
            </Link>
            <small className="muted">{intentType}</small>
          </span>
          <Time at={lastAt} />
        </li>
      ))}
    </ul>
  );
}

function Going({ shown, type }: { shown: Shown<types.NowQuery>; type: string[] | undefined }) {
  return (
    <Ready shown={shown} what="What goes on now">
      {({ running, created, artifacts }) => (
        <>
          <Panel title="Running now" more={<All status="RUNNING" type={type} of="that run" />}>
            <ExecutionLines
              rows={running.nodes}
              none="Nothing runs at the moment."
              says={({ startedAt, waitingFor }) => (
                <>
                  for <Lasting from={startedAt} to={null} />
                  {waitingFor && `, ${waitName(waitingFor)}`}
                </>
              )}
            />
          </Panel>
          <Panel title="Not started yet" more={<All status="CREATED" type={type} of="that wait" />}>
            <ExecutionLines
              rows={created.nodes}
              none="Nothing waits."
              says={({ waitingFor }) => waitingFor && waitName(waitingFor)}
            />
          </Panel>
          <Panel
            title="Made last"
            more={
              <Link to="/artifacts" aria-label="All artifacts">
                All
              </Link>
            }
          >
            <ArtifactLines rows={artifacts.nodes} none="No artifacts yet." />
          </Panel>
        </>
      )}
    </Ready>
  );
}

interface TileProps {
  name: string;
  /** How many; left out while that is not known. */
  of: { count: number; exact: boolean } | undefined;
  words: string;
  tone: string;
  search: ExecutionsSearch;
}

function Tile({ name, of, words, tone, search }: TileProps) {
  return (
    <Link to="/executions" search={search} className={`tile panel ${tone}`}>
      <span className="tile-name">{name}</span>
      <strong className="num">{of ? `${of.count.toLocaleString('en')}${of.exact ? '' : '+'}` : '–'}</strong>
      <span className="muted small">{words}</span>
    </Link>
  );
}

function All({ status, type, of }: { status: types.ExecutionStatus; type: string[] | undefined; of: string }) {
  return (
    <Link to="/executions" search={{ status: [status], type }} aria-label={`All ${of}`}>
      All
    </Link>
  );
}
