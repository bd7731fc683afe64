// Where the tests of @takeoff/client happen: a server that wants proofs and can be killed, an issuer of tokens, a page of
// another origin with a backend that hands tokens out, and a proxy that can go silent.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { connect, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fetchToken, startIssuer } from '../../lib/issuer.mjs';
import { freePort, until } from '../../lib/wait.mjs';
import { serverOf } from './process.mjs';

const audience = 'https://takeoff.example/api';
const client = 'reports';
const csv = 'city,founded,area_km2\nŁódź,1423,293.25\nMalmö,1353,\n';

// `sdk` is the folder of the package, built.
export async function startPlace(sdk) {
  const folder = mkdtempSync(join(tmpdir(), 'takeoff-client.'));
  const ports = {};
  for (const name of ['server', 'issuer', 'page', 'proxy', 'example']) ports[name] = await freePort();
  const url = (name) => `http://127.0.0.1:${ports[name]}`;
  const issuer = { url: url('issuer'), port: ports.issuer, client, audience };
  const place = { lastsSeconds: 600, serverUrl: url('server'), pageUrl: url('page'), proxyUrl: url('proxy'), exampleUrl: url('example') };

  // --- The server and the issuer --------------------------------------------------------------------------------------

  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const issuing = await startIssuer({
    ...issuer,
    keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: 'one' }],
    claims: () => ({ tenant: 'acme', roles: ['developer'] }),
    algorithm: () => 'RS256',
    seconds: () => place.lastsSeconds,
  });
  const env = {
    PATH: process.env.PATH,
    TAKEOFF_HTTP_BIND: `127.0.0.1:${ports.server}`,
    TAKEOFF_HTTP_CORS_ORIGINS: `${place.pageUrl}, ${place.exampleUrl}`,
    TAKEOFF_DATA_DIR: join(folder, 'data'),
    TAKEOFF_LOG: 'warn',
    TAKEOFF_AUTH_MODE: 'required',
    TAKEOFF_AUTH_ISSUERS: JSON.stringify([{
      url: issuer.url, audience: [audience], tenant_claim: 'tenant', tenants: ['acme'], roles_claim: 'roles', leeway_seconds: 0,
    }]),
  };
  const options = { cwd: folder, env, encoding: 'utf8' };
  const key = execFileSync(process.env.TAKEOFF_PROGRAM, ['keys', '--tenant', 'acme', 'create', '--role', 'developer', '--label', 'a backend'], options).trim();
  Object.assign(place, { key }, serverOf(place.serverUrl, options));

  // --- What others do meanwhile ---------------------------------------------------------------------------------------

  async function ask(query, variables) {
    const answer = await fetch(`${place.serverUrl}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = await answer.json();
    assert.equal(errors, undefined, JSON.stringify(errors));
    return data;
  }

  async function submit(intentType, parameters) {
    const input = { intentType, parameters, sessionId: await place.createSession() };
    const query = 'mutation($input: SubmitIntentInput!) { submitIntent(input: $input) { execution { id } errors { message } } }';
    const { submitIntent } = await ask(query, { input });
    assert.deepEqual(submitIntent.errors, []);
    return submitIntent.execution.id;
  }

  const statusOf = async (id) => (await ask('query($id: ID!) { execution(id: $id) { status } }', { id })).execution.status;

  Object.assign(place, {
    createSession: async () => (await ask('mutation { createSession(input: {}) { session { id } } }')).createSession.session.id,
    stateOf: async (id) => (await ask('query($id: ID!) { session(id: $id) { state } }', { id })).session.state,
    executionsOf: async (id) => (await ask('query($id: ID!) { session(id: $id) { executions { nodes { id } } } }', { id })).session.executions.nodes,
    untilEnded: (ids) => Promise.all(ids.map((id) => until(`${id} does not end`, async () => !['CREATED', 'RUNNING'].includes(await statusOf(id))))),
    // Journeys of steps that wait for one another.
    submitMany: (count, { steps, delayMs }) => Promise.all(Array.from({ length: count }, () => submit('compose_journey', {
      steps: Array.from({ length: steps }, (_, at) => ({
        name: `s${at}`,
        intent_type: 'echo',
        parameters: { message: 'm', delay_ms: delayMs },
        depends_on: at > 0 ? [`s${at - 1}`] : [],
      })),
    }))),
    async journey() {
      const execution = await submit('compose_journey', { journey_id: 'content_pipeline', filename: 'cities.csv', content: csv });
      await place.untilEnded([execution]);
      const { result } = (await ask('query($id: ID!) { execution(id: $id) { result } }', { id: execution })).execution;
      return { execution, artifact: result.steps.profile.result.artifact_id };
    },
    async submitFailing() {
      const id = await submit('parse_content', { artifact_id: 'art_00000000000000000000000000' });
      await place.untilEnded([id]);
      assert.equal(await statusOf(id), 'FAILED');
      return [id];
    },
  });

  // --- The page and its backend ---------------------------------------------------------------------------------------

  const { build } = createRequire(new URL('package.json', sdk))('esbuild');
  const dist = (name) => fileURLToPath(new URL(`dist/${name}.js`, sdk));
  const packaged = (name) => fileURLToPath(new URL(`node_modules/${name}`, sdk));
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('page.js', import.meta.url))],
    bundle: true,
    format: 'esm',
    write: false,
    define: { 'process.env.NODE_ENV': '"development"' },
    // The React that the package finds, and no other one beside it.
    alias: {
      react: packaged('react'),
      'react-dom': packaged('react-dom'),
      '@takeoff/client/react': dist('react'),
      '@takeoff/client/elements': dist('elements'),
      '@takeoff/client': dist('index'),
    },
    nodePaths: [fileURLToPath(new URL('node_modules', sdk))],
  });
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>A page</title>
    <link rel="icon" href="data:,"><main><h1>A page</h1><div id="root"></div></main><script type="module" src="/page.js"></script></html>`;
  const page = createServer(async (request, response) => {
    if (request.url === '/token') {
      // oidc-provider gives a JWT, whose end the client reads itself.
      const token = await fetchToken(issuer).catch(() => null);
      return response.writeHead(token ? 200 : 502, { 'content-type': 'application/json' }).end(JSON.stringify(token));
    }
    // No inline script, no inline style.
    const type = request.url === '/page.js' ? 'text/javascript' : 'text/html; charset=utf-8';
    const policy = `default-src 'none'; script-src 'self'; img-src data:; style-src 'self'; connect-src 'self' http://127.0.0.1:* ws://127.0.0.1:*`;
    return response.writeHead(200, { 'content-type': type, 'content-security-policy': policy })
      .end(request.url === '/page.js' ? outputFiles[0].contents : html);
  });
  await new Promise((resolve) => page.listen(ports.page, '127.0.0.1', resolve));

  // --- The proxy ------------------------------------------------------------------------------------------------------

  let passing = [];
  const proxy = createTcpServer((near) => {
    const far = connect(ports.server, '127.0.0.1');
    const both = [near, far];
    passing.push(both);
    for (const [one, other] of [both, both.toReversed()]) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
      one.pipe(other);
    }
  });
  await new Promise((resolve) => proxy.listen(ports.proxy, '127.0.0.1', resolve));
  const frozen = [];
  // Connections that are open stay open and carry nothing any more; new ones are passed on.
  place.freezeConnections = () => {
    for (const [near, far] of passing) {
      near.unpipe();
      far.unpipe();
      near.pause();
      far.pause();
    }
    frozen.push(...passing);
    passing = [];
  };

  place.stop = async () => {
    await place.kill('SIGTERM');
    for (const one of [...passing, ...frozen].flat()) one.destroy();
    proxy.close();
    page.closeAllConnections();
    page.close();
    await issuing.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return place;
}
