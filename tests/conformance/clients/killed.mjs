// The recipes of docs/frontends.md against a server of their own that is killed in the middle and started again:
// each event arrives once and in order, to the terminal one. The document shows the recipes as they are run here.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gql } from '@apollo/client';
import { pipe, subscribe } from 'wonka';
import WebSocket from 'ws';
import { createApollo } from '../recipes/apollo.mjs';
import { watchWithGraphqlWs } from '../recipes/graphql-ws.mjs';
import { createUrql } from '../recipes/urql.mjs';

const watch = `subscription Watch($id: ID!, $after: String) {
  executionEvents(executionId: $id, after: $after) { cursor events { sequence type } }
}`;
const patienceMs = 60_000;
const steps = 12;

const recipes = {
  'graphql-ws': (addresses, variables, sink) => watchWithGraphqlWs(addresses, { query: watch, variables }, sink),
  urql(addresses, variables, sink) {
    const results = createUrql(addresses).subscription(watch, variables);
    return pipe(results, subscribe((result) => {
      if (result.error) sink.error(result.error);
      // The last result comes once more, without more to follow.
      else if (result.hasNext) sink.next(result);
      else sink.complete();
    })).unsubscribe;
  },
  apollo(addresses, variables, sink) {
    const results = createApollo(addresses).subscribe({ query: gql(watch), variables });
    const subscription = results.subscribe(sink);
    return () => subscription.unsubscribe();
  },
};

theDocumentShowsTheRecipes();
const folder = mkdtempSync(join(tmpdir(), 'takeoff-killed.'));
const port = await freePort();
const origin = `http://127.0.0.1:${port}`;
const addresses = { httpUrl: `${origin}/graphql`, socketUrl: `ws://127.0.0.1:${port}/graphql/ws`, webSocketImpl: WebSocket };
let server = await start();
try {
  for (const [name, recipe] of Object.entries(recipes)) {
    const seen = await inTime(name, () => follow(recipe));
    assert.deepEqual(seen.map((event) => event.sequence), seen.map((_, at) => String(at + 1)), name);
    assert.equal(seen.at(-1).type, 'execution.completed', name);
    assert.equal(seen.filter((event) => event.type === 'child.submitted').length, steps, name);
    console.log(`${name}: ${seen.length} events, each once and in order, over a killed server`);
  }
} finally {
  await kill();
  rmSync(folder, { recursive: true });
}
process.exit(0);

// Watches a journey to its end; the server is killed when some of it has been seen.
async function follow(recipe) {
  const id = await submit();
  const seen = [];
  let killed;
  await new Promise((resolve, reject) => {
    recipe(addresses, { id }, {
      next({ data, errors }) {
        if (errors) return reject(errors);
        seen.push(...data.executionEvents.events);
        if (seen.length >= 6) killed ??= kill().then(async () => { server = await start(); }).catch(reject);
      },
      error: reject,
      complete: resolve,
    });
  });
  assert.ok(killed, 'it ended before the server was killed');
  await killed;
  return seen;
}

async function submit() {
  const session = await ask('mutation { createSession(input: {}) { session { id } } }');
  const journey = Array.from({ length: steps }, (_, at) => ({
    name: `s${at}`,
    intent_type: 'echo',
    parameters: { message: 'm', delay_ms: 150 },
    depends_on: at > 0 ? [`s${at - 1}`] : [],
  }));
  const input = { intentType: 'compose_journey', sessionId: session.createSession.session.id, parameters: { steps: journey } };
  const text = 'mutation ($input: SubmitIntentInput!) { submitIntent(input: $input) { execution { id } errors { message } } }';
  const { submitIntent } = await ask(text, { input });
  assert.deepEqual(submitIntent.errors, []);
  return submitIntent.execution.id;
}

async function ask(query, variables) {
  const body = JSON.stringify({ query, variables });
  const response = await fetch(addresses.httpUrl, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  return (await response.json()).data;
}

async function start() {
  const environment = { TAKEOFF_HTTP_BIND: `127.0.0.1:${port}`, TAKEOFF_DATA_DIR: join(folder, 'data'), TAKEOFF_LOG: 'warn' };
  const child = spawn(process.env.TAKEOFF_PROGRAM, ['serve'], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const deadline = Date.now() + patienceMs;
  for (;;) {
    if ((await fetch(`${origin}/health`).catch(() => null))?.ok) return child;
    assert.ok(Date.now() < deadline && child.exitCode === null, 'the server does not start');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function kill() {
  const ended = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGKILL');
  return ended;
}

async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => listener.once('listening', resolve));
  const { port: free } = listener.address();
  await new Promise((resolve) => listener.close(resolve));
  return free;
}

function theDocumentShowsTheRecipes() {
  const root = new URL('../../../', import.meta.url);
  const document = readFileSync(new URL('docs/frontends.md', root), 'utf8');
  const recipesFolder = new URL('tests/conformance/recipes/', root);
  for (const file of readdirSync(recipesFolder)) {
    const text = readFileSync(new URL(file, recipesFolder), 'utf8');
    const language = file.split('.').at(-1).replace('mjs', 'js');
    assert.ok(document.includes(`\`\`\`${language}\n${text}\`\`\``), `docs/frontends.md does not show ${file} as it is`);
  }
  const scalars = readFileSync(new URL('tests/conformance/frontend/scalars.ts', root), 'utf8');
  assert.ok(document.includes(`\`\`\`ts\n${scalars}\`\`\``), 'docs/frontends.md does not show scalars.ts as it is');
}

async function inTime(name, run) {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`${name}: nothing within ${patienceMs} ms`)), patienceMs).unref();
  });
  return Promise.race([run(), late]);
}
