// The page /graphiql of a server that wants proofs, in Chromium: without a token, with one that is pasted, and with one of
// a real issuer (oidc-provider) by authorization code and PKCE. Its own server has the page on the port for operations.
//
//   GRAPHIQL_SCREENSHOTS=folder   keeps pictures of the bar at each width and in each theme

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { startIssuer } from '../lib/issuer.mjs';
import { freePort, limitMs, until } from '../lib/wait.mjs';

const pictures = process.env.GRAPHIQL_SCREENSHOTS;
const folder = mkdtempSync(join(tmpdir(), 'takeoff-caller.'));
const [issuerPort, absentPort, serverPort] = [await freePort(), await freePort(), await freePort()];
const issuerUrl = `http://127.0.0.1:${issuerPort}`;
const base = `http://127.0.0.1:${serverPort}`;
const audience = 'https://takeoff.example/api';

// --- The issuer and the server ----------------------------------------------------------------------------------

let lastsSeconds = 600;
let tenant = 'acme';
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const issuing = await startIssuer({
  url: issuerUrl,
  port: issuerPort,
  client: 'reports',
  audience,
  keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: 'one' }],
  claims: () => ({ tenant, roles: ['developer'] }),
  algorithm: () => 'ES256',
  seconds: () => lastsSeconds,
  page: `${base}/graphiql`,
});

// One that people log in at, and one that is not there and has its keys in a file.
writeFileSync(join(folder, 'keys.json'), JSON.stringify(await (await fetch(`${issuerUrl}/jwks`)).json()));
const issuers = [
  {
    url: issuerUrl, audience: [audience], tenant_claim: 'tenant', tenants: ['acme'], roles_claim: 'roles', leeway_seconds: 0,
    graphiql: { client_id: 'page', scope: 'openid offline_access', audience },
  },
  {
    url: `http://127.0.0.1:${absentPort}/realm`, audience: [audience], tenant: 'acme', jwks_file: join(folder, 'keys.json'),
    graphiql: { client_id: 'page' },
  },
];
const env = {
  PATH: process.env.PATH,
  TAKEOFF_HTTP_BIND: '127.0.0.1:0',
  TAKEOFF_HTTP_OPERATIONS_BIND: `127.0.0.1:${serverPort}`,
  TAKEOFF_DATA_DIR: join(folder, 'data'),
  TAKEOFF_LOG: 'warn',
  TAKEOFF_AUTH_MODE: 'required',
  TAKEOFF_AUTH_ISSUERS: JSON.stringify(issuers),
};
const takeoff = (...args) => execFileSync(process.env.TAKEOFF_PROGRAM, args, { cwd: folder, env, encoding: 'utf8' });
const key = takeoff('keys', 'create', '--admin', '--label', 'of this test').trim();
const server = spawn(process.env.TAKEOFF_PROGRAM, ['serve'], { cwd: folder, env, stdio: ['ignore', 'ignore', 'inherit'] });

async function asKey(query) {
  const answer = await fetch(`${base}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ query }),
  });
  return (await answer.json()).data;
}

// --- The page -----------------------------------------------------------------------------------------------------

const broken = [];
// What the browser says of its own of an answer that is no success, or does not come.
const expected = /Failed to load resource|blocked by CORS policy|WebSocket connection to/;
let browser;

async function newContext(options) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  // The issuer's page wants a font from elsewhere.
  await context.route((url) => !url.origin.startsWith('http://127.0.0.1:') && url.protocol.startsWith('http'), (route) => route.abort());
  return context;
}

async function open(context, path = '/graphiql') {
  const page = await context.newPage();
  page.setDefaultTimeout(limitMs);
  page.on('pageerror', (error) => broken.push(`an error on the page: ${error.message}`));
  page.on('console', (message) => {
    const isOurs = page.url().startsWith(base);
    if (message.type() === 'error' && isOurs && !expected.test(message.text())) broken.push(`on the console: ${message.text()}`);
  });
  await page.goto(base + path);
  await page.waitForSelector('.graphiql-response .CodeMirror');
  return page;
}

const text = (page, editor) => page.$eval(`${editor} .CodeMirror`, (one) => one.CodeMirror.getValue());
const write = (page, editor, value) => page.$eval(`${editor} .CodeMirror`, (one, text) => one.CodeMirror.setValue(text), value);
const says = (page, words) => page.locator('#caller').getByText(words).first().waitFor();
const query = `query Who { viewer { actor tenantId } } subscription Live { tenantEvents { events { type } } }`;
const linked = `/graphiql?query=${encodeURIComponent(query)}`;

// What the response has, as soon as it is as it must be.
async function answered(page, isEnough) {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const shown = await text(page, '.graphiql-response');
    try {
      const answer = JSON.parse(shown);
      if (isEnough(answer)) return answer;
    } catch {
      // It is not there, or not whole, yet.
    }
    assert.ok(Date.now() < deadline, `the response: ${shown}`);
    await page.waitForTimeout(50);
  }
}

// Begins an operation of the tab, from the menu of the run button, which has one as soon as the page has read the tab.
async function begin(page, name) {
  await write(page, '.graphiql-response', '');
  await page.click('.graphiql-execute-button[aria-haspopup]');
  await page.getByRole('menuitem', { name, exact: true }).click();
}

async function run(page, name, isEnough) {
  await begin(page, name);
  return answered(page, isEnough);
}

const stop = (page) => page.click('.graphiql-execute-button');

async function paste(page, token) {
  await page.getByRole('textbox', { name: 'key or token' }).fill(token);
  await page.getByRole('button', { name: 'Use', exact: true }).click();
}

const stored = (page) => page.evaluate(() => ({
  local: JSON.stringify({ ...localStorage }), session: JSON.stringify({ ...sessionStorage }), address: location.href,
}));

const isRefused = (answer) => answer.errors?.[0]?.extensions?.code === 'UNAUTHENTICATED';
const events = (answer) => (answer.batches ?? []).flatMap(({ data }) => data?.tenantEvents.events ?? []);

// An execution of the key's tenant, to be seen by who follows.
async function submit() {
  const { createSession } = await asKey('mutation { createSession(input: {}) { session { id } } }');
  const input = `{sessionId: "${createSession.session.id}", intentType: "echo"}`;
  await asKey(`mutation { submitIntent(input: ${input}) { execution { id } } }`);
}

async function logIn(page, name) {
  await page.getByRole('button', { name: `Log in at 127.0.0.1:${issuerPort}`, exact: true }).click();
  await page.getByPlaceholder('Enter any login').fill(name);
  await page.getByPlaceholder('and password').fill('any');
  await page.getByRole('button', { name: 'Sign-in' }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.waitForURL((url) => url.origin === base);
  await page.waitForSelector('.graphiql-response .CodeMirror');
}

// --- What it does -------------------------------------------------------------------------------------------------

async function withoutAToken() {
  const context = await newContext();
  const asked = [];
  context.on('request', (request) => asked.push(new URL(request.url()).pathname));
  const page = await open(context, linked);
  await says(page, 'Not logged in');
  assert.deepEqual(asked.filter((path) => path === '/graphql'), [], 'the schema is not asked for without a token');
  await run(page, 'Who', isRefused);
  await says(page, 'The server wants a token.');
  const live = await run(page, 'Live', (answer) => answer.errors);
  assert.equal(live.errors[0].message, 'The server wants a token.');
  await paste(page, 'tk_nothing_of_the_kind');
  await says(page, 'The server refuses this token');
  await paste(page, 'two words');
  await says(page, 'A token is one word');
  assert.equal((await stored(page)).session, '{}');
  await context.close();
  console.log('without a token the server refuses, and the page says so');
}

async function withAKey() {
  const context = await newContext();
  const page = await open(context, linked);
  const addresses = [];
  page.on('request', (request) => addresses.push(request.url()));
  await paste(page, `Bearer ${key}`);
  await says(page, 'of tenant default');
  const { viewer } = (await run(page, 'Who', (answer) => answer.data?.viewer)).data;
  assert.match(viewer.actor, /^key_/);
  await says(page, viewer.actor);
  await page.click('button[aria-label="Show Documentation Explorer"]');
  await page.getByText('Root Types').waitFor();
  await begin(page, 'Live');
  await submit();
  await answered(page, (answer) => events(answer).some(({ type }) => type === 'execution.completed'));
  await stop(page);

  // It is in this tab's storage, and nowhere else.
  const { local, session, address } = await stored(page);
  assert.ok(session.includes(key));
  assert.ok(!local.includes(key) && !address.includes(key), `the key is kept: ${local} ${address}`);
  assert.ok(addresses.every((one) => !one.includes(key)), 'the key is in an address');
  await page.reload();
  await says(page, viewer.actor);
  const other = await open(context);
  await says(other, 'Not logged in');
  await other.close();

  // Forgotten, it is gone, and what was followed ends.
  await begin(page, 'Live');
  await submit();
  await answered(page, (answer) => events(answer).length > 0);
  await page.getByRole('button', { name: 'Forget', exact: true }).click();
  await says(page, 'The token is forgotten.');
  await page.waitForSelector('.graphiql-execute-button[aria-label^="Execute"]');
  assert.equal((await stored(page)).session, '{}');
  await run(page, 'Who', isRefused);

  // A key that is revoked while it is used.
  const [id, revoked] = await newKey();
  await paste(page, revoked);
  await says(page, id);
  await begin(page, 'Live');
  await submit();
  await answered(page, (answer) => events(answer).length > 0);
  await asKey(`mutation { revokeApiKey(input: {id: "${id}"}) { errors { message } } }`);
  const ended = await answered(page, (answer) => answer.errors);
  assert.match(ended.errors[0].message, /was revoked/);
  await says(page, 'The server refuses this token');
  assert.equal((await stored(page)).session, '{}');

  // The header editor comes before the bar.
  await page.getByRole('button', { name: 'Headers', exact: true }).click();
  await write(page, '.graphiql-editor-tool .graphiql-editor:not(.hidden)', JSON.stringify({ Authorization: `Bearer ${key}` }));
  await run(page, 'Who', (answer) => answer.data?.viewer);
  await context.close();
  console.log('a pasted key answers queries and subscriptions, and is kept in its tab alone');
}

async function newKey() {
  const { createApiKey } = await asKey(
    'mutation { createApiKey(input: {label: "short", roles: ["developer"]}) { apiKey { id } token errors { message } } }',
  );
  return [createApiKey.apiKey.id, createApiKey.token];
}

async function byLoggingIn() {
  const context = await newContext();
  const page = await open(context, linked);
  await logIn(page, 'ann');
  await says(page, 'of tenant acme');
  assert.equal(page.url(), base + linked, 'the address is that of before');
  const { viewer } = (await run(page, 'Who', (answer) => answer.data?.viewer)).data;
  assert.deepEqual(viewer, { actor: 'ann', tenantId: 'acme' });
  const { local, session } = await stored(page);
  const { token, refreshToken } = JSON.parse(JSON.parse(session)['takeoff:token']);
  assert.ok(!local.includes(token));
  assert.equal(refreshToken, undefined, 'what renews the token is in the page alone');
  assert.deepEqual(Object.keys(JSON.parse(session)), ['takeoff:token']);

  // Logged out, the issuer is told.
  const revoked = page.waitForResponse((answer) => answer.url().startsWith(`${issuerUrl}/token/revocation`));
  await page.getByRole('button', { name: 'Log out', exact: true }).click();
  assert.equal((await revoked).status(), 200);
  await says(page, 'The token is forgotten.');
  await run(page, 'Who', isRefused);
  await context.close();
  console.log('who logs in by PKCE is answered, and logs out');
}

async function renewing() {
  lastsSeconds = 8;
  const context = await newContext();
  const page = await open(context, linked);
  await logIn(page, 'ann');
  await says(page, 'of tenant acme');
  const sockets = [];
  page.on('websocket', (socket) => sockets.push(new Promise((resolve) => socket.on('close', resolve)).then(() => 'closed')));
  await begin(page, 'Live');
  const tokenOf = () => page.evaluate(() => JSON.parse(sessionStorage.getItem('takeoff:token')).token);
  const expiry = (token) => JSON.parse(atob(token.split('.')[1])).exp * 1_000;
  const first = await tokenOf();
  await until('the token is not renewed', async () => (await tokenOf()) !== first);
  await until('the first token does not end', () => Date.now() > expiry(first) + 2_000);
  await page.evaluate(async () => {
    const authorization = `Bearer ${JSON.parse(sessionStorage.getItem('takeoff:token')).token}`;
    const ask = async (query) => (await (await fetch('/graphql', {
      method: 'POST', headers: { 'content-type': 'application/json', authorization }, body: JSON.stringify({ query }),
    })).json()).data;
    const { createSession } = await ask('mutation { createSession(input: {}) { session { id } } }');
    await ask(`mutation { submitIntent(input: {sessionId: "${createSession.session.id}", intentType: "echo"}) { execution { id } } }`);
  });
  await answered(page, (answer) => events(answer).some(({ type }) => type === 'execution.completed'));
  assert.equal(sockets.length, 1, 'the socket was opened again');
  assert.equal(await Promise.race([sockets[0], 'open']), 'open');

  // After a reload nothing renews it: it ends.
  lastsSeconds = 6;
  const second = await tokenOf();
  await until('the token is not renewed again', async () => (await tokenOf()) !== second);
  await page.reload();
  await says(page, 'of tenant acme');
  await says(page, 'The token has expired. Log in again.');
  assert.equal((await stored(page)).session, '{}');
  await context.close();
  lastsSeconds = 600;
  console.log('a token is renewed while a subscription goes on, and its end is said');
}

async function refusals() {
  const context = await newContext();
  const page = await open(context, linked);
  // The user gives up.
  await page.getByRole('button', { name: `Log in at 127.0.0.1:${issuerPort}`, exact: true }).click();
  await page.getByText('[ Cancel ]').click();
  await says(page, `${issuerUrl} refuses: End-User aborted interaction`);
  assert.equal(page.url(), base + linked);
  // An issuer that is not there.
  await page.getByRole('button', { name: `Log in at 127.0.0.1:${absentPort}/realm`, exact: true }).click();
  await says(page, `http://127.0.0.1:${absentPort}/realm does not answer`);
  // An answer that nobody waits for, and one with another state.
  await page.goto(`${base}/graphiql?code=x&state=y`);
  await says(page, 'No login was under way in this tab.');
  assert.equal(page.url(), `${base}/graphiql`);
  await page.evaluate((issuer) => sessionStorage.setItem('takeoff:login',
    JSON.stringify({ issuer, verifier: 'v'.repeat(43), state: 'mine', nonce: 'n', search: '' })), issuerUrl);
  await page.goto(`${base}/graphiql?code=x&state=another&iss=${encodeURIComponent(issuerUrl)}`);
  await says(page, /cannot be used: unexpected "state"/);
  assert.equal((await stored(page)).session, '{}');
  // A tenant that the issuer may not name: the server's refusal.
  tenant = 'globex';
  await logIn(page, 'bob');
  await says(page, 'The server refuses this token');
  tenant = 'acme';
  // The page talks to the issuers, and to nobody else.
  const reaches = (url) => page.evaluate((url) => fetch(url, { mode: 'no-cors' }).then(() => true, () => false), url);
  assert.ok(await reaches(`${issuerUrl}/jwks`));
  const asked = [];
  const stranger = createServer((request, response) => response.end(asked.push(request.url).toString()));
  await new Promise((resolve) => stranger.listen(0, '127.0.0.1', resolve));
  assert.deepEqual(broken, [], 'the page broke');
  assert.ok(!(await reaches(`http://127.0.0.1:${stranger.address().port}/`)));
  assert.deepEqual(asked, []);
  await until('the policy is not why', () => broken.some((one) => one.includes('Content Security Policy')));
  broken.splice(0);
  await new Promise((resolve) => stranger.close(resolve));
  await context.close();
  console.log('what an issuer or the server refuses is said in words');
}

async function looks() {
  for (const width of [390, 820, 1440]) {
    for (const colorScheme of ['light', 'dark']) {
      const context = await newContext({ viewport: { width, height: 844 }, colorScheme });
      const page = await open(context);
      const fits = async () => {
        for (const part of await page.locator('#caller :is(input, button, span)').all()) {
          const { x, width: wide } = await part.boundingBox();
          assert.ok(x >= 0 && x + wide <= width, `a part of the bar lies outside at ${width}`);
        }
        assert.ok(!(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)), `the page is wider than ${width}`);
      };
      const picture = (name) => pictures && page.screenshot({ path: `${pictures}/bar-${width}-${colorScheme}-${name}.png` });
      await fits();
      await picture('unknown');
      await paste(page, 'nothing');
      await says(page, 'The server refuses this token');
      await fits();
      await picture('refused');
      await paste(page, key);
      await says(page, 'of tenant default');
      await fits();
      await picture('known');
      await context.close();
    }
  }
}

try {
  await until('the server does not start', async () => {
    assert.equal(server.exitCode, null, 'the server ended');
    return (await fetch(`${base}/health`).catch(() => null))?.ok;
  });
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
    ],
  });
  await withoutAToken();
  await withAKey();
  await byLoggingIn();
  await renewing();
  await refusals();
  await looks();
  assert.deepEqual(broken, [], 'the page broke');
} finally {
  await browser?.close();
  server.kill('SIGTERM');
  await new Promise((resolve) => (server.exitCode === null ? server.once('exit', resolve) : resolve()));
  await issuing.stop();
  rmSync(folder, { recursive: true });
}
process.exit(0);
