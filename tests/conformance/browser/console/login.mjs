// A server that wants proofs: a key is exchanged for a cookie, which only the console's own pages use, and which ends with
// the key, with its time, and by logging out.

import assert from 'node:assert/strict';
import { until } from '../../lib/wait.mjs';
import { check, nothingLiesOutside, shows, widths } from './look.mjs';
import { startServer } from './servers.mjs';

const name = '__Host-takeoff-console';

export async function logsIn(open) {
  const server = await startServer({ required: true });
  try {
    const page = await begins(open, server);
    await otherPagesCannotUseIt(page, server);
    await anotherTabHasIt(page, server);
    await endsByLoggingOut(page, server);
    await endsWithItsKey(open, server);
    await offersWhatIsPermitted(open, server);
  } finally {
    await server.stop();
  }
}

async function enter(page, key) {
  await page.getByLabel('Key or token').fill(key);
  await page.getByRole('button', { name: 'Log in' }).click();
}

const live = (page) => page.locator('header [role=status]').getByText('Live').waitFor();

// Asks the API by a key, as programs do.
async function by(server, key, query, variables = {}) {
  const answer = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await answer.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

async function keyWith(server, input) {
  const query = 'mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } token errors { message } } }';
  const { createApiKey } = await by(server, server.key, query, { input });
  assert.deepEqual(createApiKey.errors, []);
  return { id: createApiKey.apiKey.id, text: createApiKey.token };
}

async function begins(open, server) {
  const page = await open(`${server.operations}/console/executions`);
  await enter(page, 'tk_nothing');
  await shows(page, 'The server refuses it', 'a faulty key');
  for (const width of widths) {
    await page.setViewportSize({ width, height: 900 });
    await nothingLiesOutside(page, `the login at ${width}`);
    assert.deepEqual((await check(page)).violations, [], `the login at ${width}`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await enter(page, server.key);
  await shows(page, 'No executions yet', 'with a key');
  await live(page);
  const stored = await page.evaluate(() => [JSON.stringify({ ...localStorage, ...sessionStorage }), document.cookie].join());
  assert.ok(!stored.includes(server.key.slice(3)) && !stored.includes(name), 'a script can read what proves it');
  assert.ok(!page.url().includes('tk_'));
  const [cookie, ...others] = await page.context().cookies();
  assert.deepEqual(others, []);
  const { httpOnly, secure, sameSite, path, expires } = cookie;
  assert.deepEqual({ name: cookie.name, httpOnly, secure, sameSite, path }, { name, httpOnly: true, secure: true, sameSite: 'Strict', path: '/' });
  assert.ok(expires - Date.now() / 1_000 <= 12 * 3_600 + 1);
  assert.ok(!cookie.value.includes(server.key.slice(3)));
  await page.reload();
  await shows(page, 'No executions yet', 'after a reload');
  await live(page);
  // It may change something, too.
  await page.goto(`${server.operations}/console/keys`);
  await page.getByRole('button', { name: 'Make a key' }).click();
  await page.getByLabel('Purpose').fill('by a cookie');
  await page.getByLabel('Scopes besides').fill('executions:read');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByText('by a cookie').waitFor();
  return page;
}

// What another page or program can send along with the cookie.
async function otherPagesCannotUseIt(page, server) {
  const [{ value }] = await page.context().cookies();
  const ask = (url, headers, query = '{ viewer { actor } }') => fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', cookie: `${name}=${value}`, ...headers },
    body: JSON.stringify({ query }),
  }).then(({ status }) => status);
  const shown = await fetch(`${server.operations}/console/session`, { headers: { cookie: `${name}=${value}`, 'sec-fetch-site': 'same-origin' } });
  const { csrf } = await shown.json();
  const own = { origin: server.operations, 'x-takeoff-csrf': csrf };
  assert.equal(await ask(server.operations, own), 200);
  assert.equal(await ask(server.operations, { origin: server.operations }), 401, 'without the text of the session');
  assert.equal(await ask(server.operations, { ...own, 'x-takeoff-csrf': 'another' }), 401);
  assert.equal(await ask(server.operations, { 'x-takeoff-csrf': csrf }), 401, 'without an origin');
  assert.equal(await ask(server.operations, { ...own, origin: 'http://127.0.0.1:1' }), 403, 'of another origin');
  assert.equal(await ask(server.url, { ...own, origin: server.url }), 401, 'at the port of everybody');
  for (const headers of [{}, { 'sec-fetch-site': 'same-site' }, { 'sec-fetch-site': 'cross-site' }]) {
    const told = await fetch(`${server.operations}/console/session`, { headers: { cookie: `${name}=${value}`, ...headers } });
    assert.equal((await told.json()).csrf, null, JSON.stringify(headers));
  }
  const foreign = await fetch(`${server.operations}/console/session`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ proof: server.key }),
  });
  assert.equal(foreign.status, 403, 'another page begins a session');
  assert.equal(foreign.headers.get('set-cookie'), null);
}

async function anotherTabHasIt(page, server) {
  const other = await page.context().newPage();
  await other.goto(`${server.operations}/console/executions`);
  await shows(other, 'No executions yet', 'another tab');
  await live(other);
  await other.close();
}

async function logsOut(page) {
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Log out' }).click();
}

async function endsByLoggingOut(page, server) {
  const [{ value }] = await page.context().cookies();
  // A session that may go on is not said to have ended.
  const away = (route) => (route.request().method() === 'DELETE' ? route.abort() : route.continue());
  await page.route('**/console/session', away);
  await logsOut(page);
  await page.getByRole('alert').filter({ hasText: 'You are still logged in' }).waitFor();
  await page.unroute('**/console/session', away);
  await page.getByRole('button', { name: 'Log out' }).click();
  await shows(page, 'You are logged out', 'after logging out');
  assert.deepEqual(await page.context().cookies(), []);
  const told = await fetch(`${server.operations}/console/session`, { headers: { cookie: `${name}=${value}`, 'sec-fetch-site': 'same-origin' } });
  assert.equal((await told.json()).csrf, null, 'a copy of the cookie goes on');
  await page.reload();
  await page.getByLabel('Key or token').waitFor();
  await page.context().close();
}

// By being revoked, or by its time. The socket ends, without anything that is asked for.
async function endsWithItsKey(open, server) {
  const revoke = 'mutation($input: RevokeApiKeyInput!) { revokeApiKey(input: $input) { errors { message } } }';
  const ended = async (page, from, most) => {
    await page.getByText('The session has ended').waitFor();
    const after = Date.now() - from;
    assert.ok(after >= 0 && after < most, `${after} ms after its key`);
    assert.equal(await page.getByText('No executions yet').count(), 0);
    await page.reload();
    await page.getByLabel('Key or token').waitFor();
    await page.context().close();
  };
  const revoked = await keyWith(server, { label: 'revoked', scopes: ['executions:read'] });
  const one = await open(`${server.operations}/console/executions`);
  await enter(one, revoked.text);
  await live(one);
  const began = Date.now();
  await by(server, server.key, revoke, { input: { id: revoked.id } });
  await ended(one, began, 5_000);
  const other = await open(`${server.operations}/console/executions`);
  const end = Date.now() + 10_000;
  const short = await keyWith(server, { label: 'short', scopes: ['executions:read'], expiresAt: new Date(end).toISOString() });
  await enter(other, short.text);
  await live(other);
  await ended(other, end, 5_000);
}

// Who may not operate nodes is not shown the way to them, and no button where they come by the address; nor what another one
// was shown who was logged in before.
async function offersWhatIsPermitted(open, server) {
  const { text } = await keyWith(server, { label: 'reads', scopes: ['executions:read'] });
  const page = await open(`${server.operations}/console/executions`);
  const ways = page.getByRole('navigation');
  await enter(page, server.key);
  await ways.getByRole('link', { name: 'Runtime' }).waitFor();
  await page.getByRole('button', { name: 'Cancel all that match' }).waitFor();
  await logsOut(page);
  await enter(page, text);
  await ways.getByRole('link', { name: 'Executions' }).waitFor();
  assert.equal(await ways.getByRole('link', { name: 'Runtime' }).count(), 0, 'what another one may do is offered');
  await live(page);
  await ways.getByText('default', { exact: true }).waitFor();
  assert.equal(await ways.getByRole('link', { name: 'Runtime' }).count(), 0);
  for (const name of ['Cancel all that match', 'Run all again']) assert.equal(await page.getByRole('button', { name }).count(), 0, name);
  await ways.getByRole('link', { name: 'Webhooks' }).click();
  await shows(page, 'No webhooks yet', 'who may read them');
  assert.equal(await page.getByRole('link', { name: 'Make a webhook' }).count(), 0);
  await page.goto(`${server.operations}/console/runtime`);
  await page.getByRole('alert').first().waitFor();
  assert.equal(await page.getByRole('button', { name: /[dD]rain/ }).count(), 0);
  await page.context().close();
  await until('the server still serves', () => fetch(`${server.url}/ready`).then(({ ok }) => ok));
}
