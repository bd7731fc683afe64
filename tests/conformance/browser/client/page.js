// The page that client.mjs opens: what a page of users would have, and a record of all that it showed.

import { createClient } from '@takeoff/client';
import { defineElements } from '@takeoff/client/elements';
import { TakeoffProvider, useClient, useConnection, useEvents, useExecution, useSession, useSubmit } from '@takeoff/client/react';
import { createElement as h, StrictMode, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

// What was shown, in its order; `tokens` counts how often one was asked for.
const record = { tokens: 0, renders: 0, connections: [], shown: {}, submits: [], sessions: [] };
window.record = record;

async function freshToken() {
  record.tokens++;
  return (await fetch('/token')).json();
}

// The token's function is another one at each render.
function Page({ url, children }) {
  const [count, setCount] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setCount((before) => before + 1), 100);
    return () => clearInterval(timer);
  }, []);
  record.renders = count;
  return h(TakeoffProvider, { url, token: () => freshToken() }, children, h(Connected));
}

function Connected() {
  const { status, staleSince } = useConnection();
  useEffect(() => {
    record.connections.push({ status, staleSince });
  }, [status, staleSince]);
  return h('p', { id: 'connection' }, status);
}

function One({ id }) {
  const { execution, progress, result, error, connection } = useExecution(id);
  const { events, isComplete } = useEvents(id);
  const { status, attempt } = execution ?? {};
  useEffect(() => {
    record.shown[id] ??= [];
    record.shown[id].push({
      status, attempt, fraction: progress?.fraction, events: events.map(({ sequence }) => Number(sequence)), isComplete,
      hasResult: result != null, error: error?.code, connection: connection.status,
    });
  });
  return h('li', { id, 'data-status': status, 'data-complete': isComplete, 'data-result': result != null }, `${status} ${events.length}`);
}

function Form({ session, type }) {
  const submitting = useSubmit(type, { sessionId: session });
  const { execution, isOptimistic, error, result } = submitting;
  useEffect(() => {
    record.submits.push({ id: execution?.id, status: execution?.status, isOptimistic, error: error?.code, result });
  });
  window.submit = submitting.submit;
  window.reset = submitting.reset;
  return h('p', { id: 'submitted' }, `${execution?.status} ${error?.code}`);
}

function State({ session }) {
  const shown = useSession(session);
  window.session = shown;
  useEffect(() => {
    record.sessions.push({ version: shown.session?.stateVersion, state: shown.session?.state });
  });
  return h('pre', { id: 'state' }, JSON.stringify(shown.session?.state));
}

function Hands() {
  window.client = useClient();
  return null;
}

window.show = ({ url, ids = [], session, type = 'echo' }) => {
  createRoot(document.getElementById('root')).render(h(StrictMode, null, h(Page, { url },
    h('ol', null, ids.map((id) => h(One, { key: id, id }))),
    session && h(Form, { session, type }),
    session && h(State, { session }),
    h(Hands))));
};

window.showElements = ({ url, html }) => {
  defineElements(createClient({ url, token: freshToken }));
  document.getElementById('root').innerHTML = html;
};
