import { useEvents, useSubmit } from '@takeoff/client/react';
import { createElement, type ChangeEvent } from 'react';

interface Journey {
  journey_id: 'content_pipeline';
  filename: string;
  content: string;
}

interface Made {
  steps: { profile: { result: { artifact_id: string } } };
}

export function FileJourney({ session }: { session: string }) {
  const journey = useSubmit<Journey, Made>('compose_journey', { sessionId: session });
  const { execution, progress, result, error, connection } = journey;
  const { events } = useEvents(execution?.id);

  async function take({ target }: ChangeEvent<HTMLInputElement>) {
    const file = target.files?.[0];
    if (file) await journey.submit({ journey_id: 'content_pipeline', filename: file.name, content: await file.text() });
  }

  return (
    <>
      <h1>A file and what is made of it</h1>
      <label>
        A CSV, JSON or text file: <input type="file" onChange={take} />
      </label>
      {error && <p role="alert">{error.message}</p>}
      {execution && (
        <p role="status">
          {execution.status} <progress aria-label="progress" value={progress?.fraction ?? 0} /> {progress?.message}
        </p>
      )}
      {connection.staleSince !== null && <p>Connecting again, as of {new Date(connection.staleSince).toLocaleTimeString()}</p>}
      <ol>
        {events.map(({ id, type, child }) => (
          <li key={id}>
            {type} {child?.intent.intentType}
          </li>
        ))}
      </ol>
      {result && createElement('takeoff-lineage', { artifact: result.steps.profile.result.artifact_id })}
    </>
  );
}
