// A page that shows live progress, with urql.

import { useState } from 'react';
import { Provider, useMutation, useSubscription } from 'urql';
import { createUrql } from './urql.mjs';
import { BEGIN, SUBMIT, WATCH, add, inputOf } from './work.mjs';

const client = createUrql({ httpUrl: 'http://127.0.0.1:8080/graphql', socketUrl: 'ws://127.0.0.1:8080/graphql/ws' });

function Progress({ id }) {
  const [{ data: events = [], error }] = useSubscription(
    { query: WATCH, variables: { id } },
    (known = [], { executionEvents }) => add(known, executionEvents.events),
  );
  const progress = events.findLast(({ type }) => type === 'progress.reported');
  return (
    <>
      {error && <p role="alert">{error.message}</p>}
      <p role="status">
        <progress aria-label="progress" value={progress?.fraction ?? 0} /> {progress?.message}
      </p>
      <ol>
        {events.map((event) => (
          <li key={event.id}>{event.type}</li>
        ))}
      </ol>
    </>
  );
}

function Work() {
  const [id, setId] = useState();
  const [, begin] = useMutation(BEGIN);
  const [, submit] = useMutation(SUBMIT);

  async function start() {
    const begun = await begin({});
    const { data, error } = begun.error ? begun : await submit({ input: inputOf(begun.data.createSession.session.id) });
    const [refusal] = error ? [error] : data.submitIntent.errors;
    if (refusal) alert(refusal.message);
    else setId(data.submitIntent.execution.id);
  }

  return (
    <main>
      <button onClick={start}>Start</button>
      {id && <Progress key={id} id={id} />}
    </main>
  );
}

export default function App() {
  return (
    <Provider value={client}>
      <Work />
    </Provider>
  );
}
