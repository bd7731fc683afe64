// What the pages with urql and Apollo ask for, and how they keep each event once.

export const BEGIN = 'mutation Begin { createSession(input: {}) { session { id } } }';

export const SUBMIT = `mutation Submit($input: SubmitIntentInput!) {
  submitIntent(input: $input) { execution { id } errors { message } }
}`;

export const WATCH = `subscription Watch($id: ID!, $after: String) {
  executionEvents(executionId: $id, after: $after) {
    cursor
    events { id sequence type ... on ProgressReported { fraction message } }
  }
}`;

const names = ['fetch', 'check', 'convert', 'store'];

// The key makes it one submit, however often it is sent.
export const inputOf = (sessionId) => ({
  intentType: 'compose_journey',
  sessionId,
  idempotencyKey: crypto.randomUUID(),
  parameters: {
    steps: names.map((name, at) => ({
      name,
      intent_type: 'echo',
      parameters: { message: name, delay_ms: 1_000 },
      depends_on: names.slice(0, at).slice(-1),
    })),
  },
});

// React's StrictMode subscribes twice, and urql gives the last batch again at the end.
export function add(events, batch) {
  const last = BigInt(events.at(-1)?.sequence ?? 0);
  return [...events, ...batch.filter(({ sequence }) => BigInt(sequence) > last)];
}
