/** One session: its facts, its state, which is edited by compare-and-set, and its latest executions. */
import { useMutation } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { ask, documents, keyOf, queries, refuse, told, type types, useAsk } from '../api';
import { onChanges } from '../live/feed';
import { Action, Facts, Head, Icon, Id, Panel, Time } from '../parts';
import { Field } from '../parts/controls';
import { Confirm } from '../parts/dialog';
import { Json } from '../parts/json';
import { ExecutionLines } from '../parts/lines';
import { useMay } from '../parts/may';
import { Empty, Ready } from '../parts/state';
import { SessionState } from '../parts/status';

const route = getRouteApi('/sessions/$id');

type Session = NonNullable<types.SessionQuery['session']>;

const isActive = ({ status }: Session) => status === 'ACTIVE' || status === 'UPGRADED';

export default function SessionPage() {
  const { id } = route.useParams();
  const shown = useAsk(documents.Session, { id }, { staleMs: 2_000 });
  const known = shown.data?.session?.executions.nodes;
  useEffect(
    () =>
      onChanges((changes) => {
        const isMine = known?.some((row) => changes.has(row.id)) || [...changes.values()].some(({ isNew }) => isNew);
        if (isMine) void queries.invalidateQueries({ queryKey: keyOf(documents.Session, { id }) });
      }),
    [id, known],
  );
  return (
    <div className="page" key={id}>
      <Ready shown={shown} what="This session" lines={10}>
        {({ session }) =>
          session ? (
            <Shown session={session} />
          ) : (
            <Empty title="There is no such session">It is absent or not the caller's: {id}</Empty>
          )
        }
      </Ready>
    </div>
  );
}

function Shown({ session }: { session: Session }) {
  const may = useMay();
  const mayWrite = may('sessions:write') && isActive(session);
  return (
    <>
      <Head
        title={session.userId ?? (session.isAnonymous ? 'Anonymous session' : 'Session')}
        below={
          <>
            <SessionState of={session.status} />
            <Id id={session.id} />
          </>
        }
        actions={mayWrite && <Close id={session.id} />}
      />
      <section className="panel" aria-label="Facts">
        <Facts
          of={[
            ['Created', <Time key="created" at={session.createdAt} isWhole />],
            ['Changed', <Time key="updated" at={session.updatedAt} isWhole />],
            ['Expires', <Time key="expires" at={session.expiresAt} isWhole />],
            ['Solution', session.solutionId ?? 'default'],
          ]}
        />
      </section>
      <div className="columns">
        <State session={session} mayWrite={mayWrite} />
        <Panel title="Metadata">
          <Json value={session.metadata} name="metadata" />
        </Panel>
      </div>
      <Panel
        title="Latest executions"
        more={
          <Link to="/executions" search={{ session: session.id }} className="action">
            <Icon name="executions" />
            <span>All of them</span>
          </Link>
        }
      >
        <ExecutionLines
          rows={session.executions.nodes}
          none="Nothing was submitted in it yet."
          says={({ status, error }) => (status === 'FAILED' ? error?.message : '')}
        />
      </Panel>
    </>
  );
}

/** The state; a change is written only if nobody else has changed it since it was read. */
function State({ session, mayWrite }: { session: Session; mayWrite: boolean }) {
  const [draft, setDraft] = useState<{ text: string; version: string }>();
  const [fault, setFault] = useState<string>();
  const write = useMutation({
    mutationFn: async ({ state, version }: { state: unknown; version: string }) => {
      const { data } = await ask(documents.SetSessionState, {
        input: { sessionId: session.id, state, ifVersion: version, mode: 'REPLACE' },
      });
      return data.setSessionState.errors;
    },
    onSuccess(errors) {
      void queries.invalidateQueries({ queryKey: keyOf(documents.Session, { id: session.id }) });
      if (errors.length > 0) setFault(told(errors));
      else setDraft(undefined);
    },
    onError: ({ message }) => setFault(message),
  });

  function begin() {
    setFault(undefined);
    setDraft({ text: JSON.stringify(session.state, null, 2), version: session.stateVersion });
  }
  function apply() {
    if (!draft) return;
    setFault(undefined);
    try {
      write.mutate({ state: JSON.parse(draft.text), version: draft.version });
    } catch (error) {
      setFault(`This is no JSON: ${(error as Error).message}`);
    }
  }

  const isStale = draft !== undefined && draft.version !== session.stateVersion;
  return (
    <Panel
      title={`State, version ${session.stateVersion}`}
      more={
        draft
          ? undefined
          : mayWrite && (
              <Action icon="edit" onPress={begin}>
                Edit
              </Action>
            )
      }
    >
      {draft ? (
        <div className="inside form">
          {isStale && (
            <div className="state partial" role="alert">
              <Icon name="warning" />
              <div>
                <strong>The state has changed meanwhile</strong>
                <p>
                  It has version {session.stateVersion} now; you edit version {draft.version}. Nothing is overwritten.
                </p>
                <Action onPress={begin}>Begin with version {session.stateVersion}</Action>
              </div>
            </div>
          )}
          <Field
            label={`State, from version ${draft.version}`}
            value={draft.text}
            set={(text) => setDraft({ ...draft, text })}
            lines={14}
            fault={fault}
          />
          <div className="buttons">
            <Action onPress={() => setDraft(undefined)}>Leave it</Action>
            <Action kind="main" isDisabled={write.isPending || isStale} onPress={apply}>
              Write
            </Action>
          </div>
        </div>
      ) : (
        <Json value={session.state} name="state" />
      )}
    </Panel>
  );
}

function Close({ id }: { id: string }) {
  async function close(reason: string | null) {
    try {
      const { data } = await ask(documents.CloseSession, { input: { sessionId: id, reason } });
      refuse(data.closeSession.errors);
    } finally {
      void queries.invalidateQueries({ queryKey: keyOf(documents.Session, { id }) });
    }
  }
  return (
    <Confirm
      kind="danger"
      name="Close the session"
      title="Close this session?"
      words="It accepts no more intents and no more state. That cannot be undone."
      yes="Close it"
      no="Keep it open"
      reasonHelp="Kept in the log."
      run={close}
    />
  );
}
