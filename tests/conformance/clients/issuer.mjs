// A real issuer of OpenID Connect (oidc-provider) and a server of its own that trusts it: tokens over HTTP and over
// graphql-ws, a socket that goes on with fresh tokens, and keys that are rotated while clients are connected.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import WebSocket from 'ws';
import { fetchToken, startIssuer } from '../lib/issuer.mjs';
import { freePort, until } from '../lib/wait.mjs';
import { createRenewing } from '../recipes/renewing.mjs';

const audience = 'https://takeoff.example/api';
const client = 'reports';

const issuerPort = await freePort();
const serverPort = await freePort();
const issuerUrl = `http://127.0.0.1:${issuerPort}`;
const httpUrl = `http://127.0.0.1:${serverPort}/graphql`;
const socketUrl = `ws://127.0.0.1:${serverPort}/graphql/ws`;
const folder = mkdtempSync(join(tmpdir(), 'takeoff-issuer.'));

// One key of each kind that the server takes.
const kinds = {
  RS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  EdDSA: ['ed25519', {}],
};

function newKeys(generation) {
  return Object.entries(kinds).map(([alg, [type, options]]) => {
    const { privateKey } = generateKeyPairSync(type, options);
    return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `${alg}-${generation}` };
  });
}

// The algorithm by which the next tokens are signed, and how long they last.
let signing = 'ES256';
let lastsSeconds = 600;

const issuer = { url: issuerUrl, port: issuerPort, client, audience };
let running;

async function issue(keys) {
  running = await startIssuer({
    ...issuer,
    keys,
    claims: () => ({ tenant: 'acme', roles: ['staff'] }),
    algorithm: () => signing,
    seconds: () => lastsSeconds,
  });
}

const unissue = () => running.stop();

function token(alg = 'ES256', seconds = 600) {
  [signing, lastsSeconds] = [alg, seconds];
  return fetchToken(issuer);
}

async function ask(bearer, query = '{ viewer { tenantId actor scopes } }') {
  const answer = await fetch(httpUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${bearer}` },
    body: JSON.stringify({ query }),
  });
  return { status: answer.status, body: await answer.json() };
}

async function startServer() {
  const issuers = [{
    url: issuerUrl,
    audience: [audience],
    tenant_claim: 'tenant',
    roles_claim: 'roles',
    roles: { staff: 'developer' },
    leeway_seconds: 0,
  }];
  const child = spawn(process.env.TAKEOFF_PROGRAM, ['serve'], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      TAKEOFF_HTTP_BIND: `127.0.0.1:${serverPort}`,
      TAKEOFF_DATA_DIR: join(folder, 'data'),
      TAKEOFF_LOG: 'warn',
      TAKEOFF_AUTH_MODE: 'required',
      // Until new keys are known it is asked again and again.
      TAKEOFF_AUTH_FAILED_PROOFS_BURST: '1000',
      TAKEOFF_AUTH_ISSUERS: JSON.stringify(issuers),
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await until('the server does not start', async () => {
    assert.equal(child.exitCode, null, 'the server ended');
    return (await fetch(`http://127.0.0.1:${serverPort}/health`).catch(() => null))?.ok;
  });
  return child;
}

const first = newKeys(1);
await issue(first);
const server = await startServer();
try {
  for (const alg of Object.keys(kinds)) {
    const { status, body } = await ask(await token(alg));
    assert.equal(status, 200, `${alg}: ${JSON.stringify(body)}`);
    assert.equal(body.data.viewer.tenantId, 'acme');
    assert.equal(body.data.viewer.actor, client);
    assert.ok(body.data.viewer.scopes.includes('intents:submit'));
    console.log(`a token signed by ${alg} is known`);
  }
  const whole = await token();
  const [head, payload, signature] = whole.split('.');
  assert.equal((await ask(`${head}.${payload}.${signature.split('').reverse().join('')}`)).status, 401);
  assert.equal((await ask('nothing')).status, 401);

  // Tokens of seconds, renewed in time: the socket outlives several of them.
  const closings = [];
  const renewing = createRenewing({
    url: socketUrl,
    webSocketImpl: WebSocket,
    token: () => token('ES256', 6),
    everyMs: 2_000,
    onClosed: (event) => closings.push(event.code),
  });
  const seen = [];
  const stop = renewing.subscribe(
    { query: 'subscription { tenantEvents { events { type } } }' },
    { next: ({ data }) => seen.push(...data.tenantEvents.events), error() {}, complete() {} },
  );
  const short = await token('ES256', 6);
  await until('a token of seconds does not end', async () => (await ask(short)).status === 401);
  await new Promise((resolve) => setTimeout(resolve, 6_000));
  assert.deepEqual(closings, [], 'the socket was closed though its tokens were renewed');
  const made = await ask(await token(), 'mutation { createSession(input: {}) { session { id } } }');
  const session = made.body.data.createSession.session.id;
  const submit = `mutation { submitIntent(input: {intentType: "echo", sessionId: "${session}",
    parameters: {message: "m"}}) { errors { message } } }`;
  assert.deepEqual((await ask(await token(), submit)).body.data.submitIntent.errors, []);
  await until('the socket tells nothing any more', () => seen.some((event) => event.type === 'execution.completed'));
  console.log('a socket goes on with fresh tokens');

  // New keys beside the old ones, then without them.
  const second = newKeys(2);
  const old = await token();
  await unissue();
  await issue([...second, ...first]);
  const fresh = await token();
  await until('the new key is not known', async () => (await ask(fresh)).status === 200);
  assert.equal((await ask(old)).status, 200, 'what the old key signed goes on');
  assert.deepEqual(closings, []);
  const third = newKeys(3);
  await unissue();
  await issue(third);
  const last = await token();
  await until('the third key is not known', async () => (await ask(last)).status === 200);
  assert.equal((await ask(old)).status, 401, 'what a key signed that is gone does not count');
  await until('the socket of a key that is gone stays open', () => closings.includes(4403));
  console.log('keys are rotated while clients are connected');

  // The last keys stay while the issuer is away.
  const kept = await token();
  await unissue();
  assert.equal((await ask(kept)).status, 200);
  console.log('the last keys stay while the issuer is away');
  stop();
  await renewing.dispose();
} finally {
  server.kill('SIGTERM');
  await new Promise((resolve) => server.once('exit', resolve));
  rmSync(folder, { recursive: true });
}
process.exit(0);
