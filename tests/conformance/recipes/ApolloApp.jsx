// A page that shows live progress, with Apollo Client.

import { gql } from '@apollo/client';
import { ApolloProvider, useMutation, useSubscription } from '@apollo/client/react';
import { useState } from 'react';
import { createApollo } from './apollo.mjs';
import { BEGIN, SUBMIT, WATCH, add, inputOf } from './work.mjs';

const client = createApollo({ httpUrl: 'http://127.0.0.1:8080/graphql', socketUrl: 'ws://127.0.0.1:8080/graphql/ws' });

function Progress({ id }) {
  const [events, setEvents] = useState([]);
  const { error } = useSubscription(gql(WATCH), {
    variables: { id },
    ignoreResults: true,
    onData: ({ data: { data } }) => data && setEvents((known) => add(known, data.executionEvents.events)),
  });
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
  const [begin] = useMutation(gql(BEGIN));
  const [submit] = useMutation(gql(SUBMIT));

  async function start() {
    try {
      const begun = await begin();
      const { data } = await submit({ variables: { input: inputOf(begun.data.createSession.session.id) } });
      const [refusal] = data.submitIntent.errors;
      if (refusal) throw new Error(refusal.message);
      setId(data.submitIntent.execution.id);
    } catch (error) {
      alert(error.message);
    }
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
    <ApolloProvider client={client}>
      <Work />
    </ApolloProvider>
  );
}
