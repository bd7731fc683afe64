/** The list of sessions. */
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { documents, type types, usePages } from '../api';
import { Head, Id, SessionLink, Time } from '../parts';
import { useChange } from '../parts/address';
import { Several, TextFilter } from '../parts/controls';
import { Filters } from '../parts/filters';
import type { Column } from '../parts/grid';
import { List } from '../parts/list';
import { SessionState, sessionStatuses, sessionStatusName } from '../parts/status';
import type { SessionsSearch } from '../views';

const route = getRouteApi('/sessions');

type Row = types.SessionsQuery['sessions']['nodes'][number];

const columns: Column<Row>[] = [
  { id: 'status', title: 'Status', width: '112px', cell: ({ status }) => <SessionState of={status} /> },
  {
    id: 'user',
    title: 'User',
    width: 'minmax(120px, 1.5fr)',
    cell: ({ id, userId, isAnonymous }) => (
      <div className="two">
        <SessionLink id={id}>{userId ?? (isAnonymous ? 'anonymous' : id)}</SessionLink>
      </div>
    ),
  },
  { id: 'id', title: 'Session', width: '176px', from: 'medium', cell: ({ id }) => <Id id={id} /> },
  {
    id: 'solution',
    title: 'Solution',
    width: 'minmax(80px, .7fr)',
    from: 'wide',
    cell: ({ solutionId }) => solutionId ?? '–',
  },
  {
    id: 'version',
    title: 'State',
    width: '88px',
    from: 'wide',
    cell: ({ stateVersion }) => <span className="num">version {stateVersion}</span>,
  },
  { id: 'updated', title: 'Changed', width: '88px', cell: ({ updatedAt }) => <Time at={updatedAt} /> },
  { id: 'expires', title: 'Expires', width: '88px', from: 'medium', cell: ({ expiresAt }) => <Time at={expiresAt} /> },
];

export default function Sessions() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const set = useChange<SessionsSearch>();
  const filter: types.SessionFilter = {
    ...(search.status && { status: search.status }),
    ...(search.user && { userId: search.user }),
  };
  const pages = usePages(documents.Sessions, { first: 100, filter }, ({ sessions }) => sessions);
  const isFiltered = Object.keys(filter).length > 0;
  const clear = () => set({ status: undefined, user: undefined });
  return (
    <div className="page full">
      <Head title="Sessions" below="Clients with the state that they share with handlers, newest first" />
      <Filters page="/sessions" clear={isFiltered ? clear : undefined}>
        <Several
          label="Status"
          choices={sessionStatuses.map((id) => ({ id, name: sessionStatusName(id) }))}
          chosen={search.status ?? []}
          choose={(ids) => set({ status: sessionStatuses.filter((one) => ids.includes(one)) })}
        />
        <TextFilter
          label="User"
          placeholder="User"
          value={search.user ?? ''}
          set={(user) => set({ user: user || undefined })}
        />
      </Filters>
      <List
        label="Sessions"
        pages={pages}
        columns={columns}
        keyOf={({ id }) => id}
        open={({ id }) => void navigate({ to: '/sessions/$id', params: { id } })}
        none={{
          ofFilters: 'No session fits these filters',
          title: 'No sessions yet',
          words: 'A client begins one before it submits its first intent.',
        }}
        clear={isFiltered ? clear : undefined}
      />
    </div>
  );
}
