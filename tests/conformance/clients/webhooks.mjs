// The code of docs/webhooks.md as the document shows it, against what a server of this test delivers: each delivery is
// genuine by it, and what was altered, is old or is signed by another secret is not.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { freePort, until } from '../lib/wait.mjs';

const document = readFileSync(new URL('../../../docs/webhooks.md', import.meta.url), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'takeoff-webhooks.'));
const delivered = [];
const receiver = createServer(receive);
const [port, receiverPort] = [await freePort(), await freePort()];
await new Promise((resolve) => receiver.listen(receiverPort, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${port}`;
const server = spawn(process.env.TAKEOFF_PROGRAM, ['serve'], {
  cwd: folder,
  env: {
    PATH: process.env.PATH,
    TAKEOFF_HTTP_BIND: `127.0.0.1:${port}`,
    TAKEOFF_DATA_DIR: join(folder, 'data'),
    TAKEOFF_LOG: 'warn',
    TAKEOFF_WEBHOOKS_ALLOW_PRIVATE_ADDRESSES: 'true',
  },
  stdio: ['ignore', 'ignore', 'inherit'],
});
try {
  await until('a server', async () => {
    assert.equal(server.exitCode, null, 'the server does not start');
    return (await fetch(`${origin}/health`).catch(() => null))?.ok;
  });
  const { createWebhook: shown } = await ask(block('graphql'));
  assert.deepEqual(shown.errors, []);
  assert.match(shown.secret, /^whsec_/);
  await check();
} finally {
  const ended = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGKILL');
  await ended;
  receiver.close();
  receiver.closeAllConnections();
  rmSync(folder, { recursive: true });
}

async function check() {
  const url = `http://127.0.0.1:${receiverPort}/`;
  const create = 'mutation ($url: String!) { createWebhook(input: {url: $url}) { webhook { id } secret errors { message } } }';
  const { createWebhook: made } = await ask(create, { url });
  assert.deepEqual(made.errors, []);
  await echo();
  await until('deliveries', () => delivered.length >= 3);
  const genuine = [...delivered].map((it) => ({ ...it, secret: made.secret, expected: true }));
  const rotate = 'mutation ($id: ID!) { rotateWebhookSecret(input: {id: $id}) { secret errors { message } } }';
  const { rotateWebhookSecret: rotated } = await ask(rotate, { id: made.webhook.id });
  assert.deepEqual(rotated.errors, []);
  const before = delivered.length;
  await echo();
  await until('deliveries by two secrets', () => delivered.length >= before + 3);
  for (const secret of [made.secret, rotated.secret]) {
    genuine.push({ ...delivered.at(-1), secret, expected: true });
  }
  const [first] = genuine;
  const old = { ...first.headers, 'webhook-timestamp': String(Number(first.headers['webhook-timestamp']) - 301) };
  const faulty = [
    { ...first, body: `${first.body} ` },
    { ...first, secret: rotated.secret },
    { ...first, headers: { ...first.headers, 'webhook-id': 'another' } },
    { ...first, headers: old },
  ].map((it) => ({ ...it, expected: false }));
  const all = [...genuine, ...faulty];
  const expected = all.map((it) => it.expected);
  const { isGenuine } = await import(module('is_genuine.mjs', block('js')));
  assert.deepEqual(all.map((it) => isGenuine(it.secret, it.headers, it.body)), expected, 'the code for Node.js');
  module('is_genuine.py', block('python'));
  assert.deepEqual(byPython(all), expected, 'the code for Python');
  console.log(`${genuine.length} deliveries are genuine and ${faulty.length} are not, by both`);
}

// The only block of the document in a language that has one, or else its first one.
function block(language) {
  const found = new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(document);
  assert.ok(found, `docs/webhooks.md has no ${language}`);
  return found[1];
}

function module(name, text) {
  const file = join(folder, name);
  writeFileSync(file, text);
  return pathToFileURL(file).href;
}

function byPython(all) {
  const program = `import json, sys
from is_genuine import is_genuine
print(json.dumps([is_genuine(it["secret"], it["headers"], it["body"].encode()) for it in json.load(sys.stdin)]))`;
  const done = spawnSync('python', ['-c', program], { cwd: folder, input: JSON.stringify(all), encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
  return JSON.parse(done.stdout);
}

async function receive(request, response) {
  let body = '';
  request.setEncoding('utf8');
  for await (const part of request) body += part;
  delivered.push({ headers: request.headers, body });
  response.end();
}

async function echo() {
  const { createSession } = await ask('mutation { createSession(input: {}) { session { id } } }');
  const submit = 'mutation ($input: SubmitIntentInput!) { submitIntent(input: $input) { errors { message } } }';
  const input = { intentType: 'echo', sessionId: createSession.session.id, parameters: { message: 'Łódź' } };
  const { submitIntent } = await ask(submit, { input });
  assert.deepEqual(submitIntent.errors, []);
}

async function ask(query, variables) {
  const body = JSON.stringify({ query, variables });
  const response = await fetch(`${origin}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined);
  return data;
}
