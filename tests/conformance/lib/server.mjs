// Where the server is, and its schema as the repository has it.

import { readFileSync } from 'node:fs';
import { buildSchema } from 'graphql';

const origin = process.env.TAKEOFF_URL;
if (!origin) throw new Error('TAKEOFF_URL is missing; run this by scripts/test-conformance');

export const httpUrl = `${origin}/graphql`;
export const streamUrl = `${origin}/graphql/stream`;
export const socketUrl = `${origin.replace(/^http/, 'ws')}/graphql/ws`;

export const isFull = process.env.CONFORMANCE_FULL === '1';

export const schemaFile = new URL('../../../schema.graphql', import.meta.url);

export function readSchema() {
  return buildSchema(readFileSync(schemaFile, 'utf8'));
}

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
