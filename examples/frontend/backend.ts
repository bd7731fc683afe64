// What the page's own backend does, here as a part of Vite: it knows who the visitor is, has the key for Takeoff, and
// gives the page a token of minutes for the visitor's session. Where the server wants no proof, there is no key.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Plugin } from 'vite';

const takeoff = process.env.VITE_TAKEOFF_URL ?? 'http://127.0.0.1:8080';
const key = process.env.TAKEOFF_KEY;
const sessions = new Map<string, string>(); // by visitor

async function ask<T>(query: string, variables: object): Promise<T> {
  const answer = await fetch(`${takeoff}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await answer.json()) as { data: T; errors?: { message: string }[] };
  if (errors?.[0]) throw new Error(errors[0].message);
  return data;
}

async function sessionOf(visitor: string): Promise<string> {
  const known = sessions.get(visitor);
  if (known) return known;
  const query = 'mutation($user: String!) { createSession(input: { userId: $user }) { session { id } } }';
  const { createSession } = await ask<{ createSession: { session: { id: string } } }>(query, { user: visitor });
  sessions.set(visitor, createSession.session.id);
  return createSession.session.id;
}

async function tokenOf(visitor: string) {
  const session = await sessionOf(visitor);
  if (!key) return { session };
  const query = `mutation($session: ID!, $visitor: String!) {
    createAccessToken(input: { sessionId: $session, intentTypes: ["compose_journey"], actor: $visitor, ttlSeconds: 60 }) {
      token expiresAt } }`;
  type Answer = { createAccessToken: { token: string; expiresAt: string } };
  return { session, ...(await ask<Answer>(query, { session, visitor })).createAccessToken };
}

async function answer(_: IncomingMessage, response: ServerResponse) {
  try {
    // Here goes the login: who is it that asks?
    const body = JSON.stringify(await tokenOf('ann'));
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(body);
  } catch (error) {
    console.error(error);
    response.writeHead(502).end();
  }
}

export function backend(): Plugin {
  return {
    name: 'backend',
    configureServer: ({ middlewares }) => void middlewares.use('/token', answer),
    configurePreviewServer: ({ middlewares }) => void middlewares.use('/token', answer),
  };
}
