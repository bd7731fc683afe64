import { createClient } from '@takeoff/client';
import { TakeoffProvider, useEvents, useSubmit } from '@takeoff/client/react';

// One client for the page, and here one session, which waits for the server if need be.
const client = createClient({ url: 'http://127.0.0.1:8080' });
const session = client.createSession({}, { retryMs: Infinity });

// Work of four steps, one after the other, of a second each.
const names = ['fetch', 'check', 'convert', 'store'];
const steps = names.map((name, at) => ({
  name,
  intent_type: 'echo',
  parameters: { message: name, delay_ms: 1_000 },
  depends_on: names.slice(0, at).slice(-1),
}));

function Work() {
  const { submit, execution, progress, error, connection } = useSubmit('compose_journey');
  const { events } = useEvents(execution?.id);
  const start = async () => submit({ steps }, { sessionId: (await session).id });

  return (
    <main>
      <button onClick={start}>Start</button>
      {error && <p role="alert">{error.message}</p>}
      {execution && (
        <p role="status">
          {execution.status} <progress aria-label="progress" value={progress?.fraction ?? 0} /> {progress?.message}
        </p>
      )}
      {connection.staleSince !== null && <p>Connecting again: {connection.error?.message}</p>}
      <ol>
        {events.map(({ id, type }) => (
          <li key={id}>{type}</li>
        ))}
      </ol>
    </main>
  );
}

export default function App() {
  return (
    <TakeoffProvider client={client}>
      <Work />
    </TakeoffProvider>
  );
}
