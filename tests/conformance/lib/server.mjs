// Where the server is, and how to ask it.

const origin = process.env.TAKEOFF_URL;
if (!origin) throw new Error('TAKEOFF_URL is missing; run this by scripts/test-conformance');

export const httpUrl = `${origin}/graphql`;
export const streamUrl = `${origin}/graphql/stream`;
export const socketUrl = `${origin.replace(/^http/, 'ws')}/graphql/ws`;

// One request; the answer's status and body.
export async function post(request) {
  const response = await fetch(httpUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify(request),
  });
  const text = await response.text();
  try {
    return { status: response.status, body: JSON.parse(text) };
  } catch {
    throw new Error(`not JSON, status ${response.status}: ${text.slice(0, 200)}`);
  }
}
