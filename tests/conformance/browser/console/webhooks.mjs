// Webhooks by the console: made by the form, its secret shown once and good for what comes; paused, resumed, changed, led to
// another place, given another secret, deleted; and what the pages say of one that fails.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { until } from '../../lib/wait.mjs';
import { asks } from './data.mjs';
import { check, nothingLiesOutside, themes, widths } from './look.mjs';

const pictures = process.env.CONSOLE_SCREENSHOTS;

export async function webhooks(open, url) {
  const receiver = await receives();
  try {
    const { session: begin } = asks(url);
    const session = await begin({});
    const made = await isMadeByTheForm(open, url, receiver, session);
    await failsAndRecovers(open, url, receiver, { ...made, session });
    await isPausedAndResumed(open, url, receiver, { ...made, session });
    await isChanged(open, url, made);
    await goesBack(open, url, receiver, { ...made, session });
    await hasAnotherSecret(open, url, receiver, { ...made, session });
    await isDeleted(open, url, made);
  } finally {
    await receiver.stop();
  }
  await showsEachState(open, url);
}

// What a webhook is told, and the answer that it gets.
async function receives() {
  const events = [];
  const answer = { status: 200, text: '' };
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => { body += part; });
    request.on('end', () => {
      if (answer.status === 200) events.push({ headers: request.headers, body });
      response.writeHead(answer.status).end(answer.text);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/takeoff`,
    events,
    answer,
    of: (executionId) => events.filter(({ body }) => JSON.parse(body).execution_id === executionId),
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const signs = (secret, { headers, body }) => {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const own = createHmac('sha256', key).update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`).digest('base64');
  return headers['webhook-signature'].split(' ').includes(`v1,${own}`);
};

const badge = (page) => page.locator('main header .badge');
const fact = (page, name) => page.locator('dl > div').filter({ has: page.getByText(name, { exact: true }) }).locator('dd');
const query = 'query($id: ID!) { webhook(id: $id) { name url status cursor consecutiveFailures filter { types intentType sessionId } } }';

async function press(page, name, yes) {
  await page.getByRole('button', { name, exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: yes, exact: true }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}

// Submits an echo and waits until the receiver has been told that it is completed.
async function isTold(url, receiver, session, message) {
  const id = await asks(url).submit(session, 'echo', { message });
  await until('nothing is delivered', () => receiver.of(id).length > 0);
  return receiver.of(id)[0];
}

async function isMadeByTheForm(open, url, receiver, session) {
  const page = await open(`${url}/console/webhooks`);
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: url });
  await page.getByRole('link', { name: 'Make a webhook' }).click();
  const make = page.getByRole('button', { name: 'Make the webhook' });
  assert.ok(await make.isDisabled(), 'a webhook without an address is offered');
  await page.getByLabel('Address').fill('ftp://example.com/');
  await page.getByLabel('Name').fill('by the form');
  await make.click();
  await page.getByRole('alert').filter({ hasText: 'url' }).waitFor();
  await page.getByLabel('Address').fill(receiver.url);
  await page.getByRole('button', { name: 'Events' }).click();
  await page.getByRole('menuitemcheckbox', { name: 'execution.completed' }).click();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Intents' }).click();
  await page.getByRole('menuitemcheckbox', { name: 'echo' }).click();
  await page.keyboard.press('Escape');
  await page.getByLabel('Session').fill(session);
  await make.click();
  const secret = await page.locator('.secret code').innerText();
  assert.match(secret, /^whsec_/);
  await page.getByRole('button', { name: 'Copy the secret' }).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), secret);
  assert.deepEqual((await check(page)).violations, [], 'the secret');
  await page.getByRole('link', { name: 'I have copied it' }).click();
  await page.waitForURL(/\/webhooks\/whk_/);
  const id = new URL(page.url()).pathname.split('/').at(-1);
  await badge(page).getByText('Active').waitFor();
  const { webhook } = await asks(url).post(query, { id });
  assert.deepEqual(webhook.filter, { types: ['execution.completed'], intentType: ['echo'], sessionId: session });
  assert.deepEqual([webhook.name, webhook.url], ['by the form', receiver.url]);
  const told = await isTold(url, receiver, session, 'to the webhook');
  assert.ok(signs(secret, told), 'the secret that was shown does not sign');
  await page.waitForFunction(() => [...document.querySelectorAll('dt')].some((dt) => dt.textContent === 'Last accepted' && dt.nextSibling.textContent !== '–'));
  // Neither going back nor another visit shows the secret again.
  for (const go of [() => page.goBack(), () => page.goto(`${url}/console/webhooks/${id}`), () => page.goto(`${url}/console/webhooks`)]) {
    await go();
    await page.waitForLoadState('networkidle');
    assert.ok(!(await page.content()).includes(secret), 'the secret is shown again');
  }
  const row = page.getByRole('row').filter({ hasText: 'by the form' });
  await row.getByText('execution.completed, of intent echo, of one session').waitFor();
  await row.getByText('Active').waitFor();
  await page.context().close();
  return { id, secret, cursor: JSON.parse(told.body).cursor, delivery: told.headers['webhook-id'] };
}

async function failsAndRecovers(open, url, receiver, { id, session }) {
  const page = await open(`${url}/console/webhooks/${id}`);
  Object.assign(receiver.answer, { status: 503, text: 'the shop is closed' });
  await asks(url).submit(session, 'echo', { message: 'refused' });
  await badge(page).getByText('Failing').waitFor();
  const note = page.getByRole('region', { name: 'What fails' });
  await note.getByText(/^Not accepted/).waitFor();
  await note.getByText('the shop is closed').waitFor();
  await page.goto(`${url}/console/webhooks`);
  const row = page.getByRole('row').filter({ hasText: 'by the form' });
  await row.getByText('Failing').waitFor();
  await row.getByText(/503.*the shop is closed/).waitFor();
  Object.assign(receiver.answer, { status: 200, text: '' });
  await row.getByText('Active').waitFor();
  await page.context().close();
}

async function isPausedAndResumed(open, url, receiver, { id, session }) {
  const page = await open(`${url}/console/webhooks/${id}`);
  await press(page, 'Pause', 'Pause it');
  await badge(page).getByText('Paused').waitFor();
  const { submit, ended } = asks(url);
  const meanwhile = await submit(session, 'echo', { message: 'meanwhile' });
  await ended(meanwhile);
  assert.deepEqual(receiver.of(meanwhile), []);
  await press(page, 'Resume', 'Resume it');
  await badge(page).getByText('Active').waitFor();
  await until('what happened meanwhile is not delivered', () => receiver.of(meanwhile).length === 1);
  await page.context().close();
}

// What the form does not name stays; what it takes away is gone.
async function isChanged(open, url, { id }) {
  const page = await open(`${url}/console/webhooks/${id}`);
  await page.getByRole('button', { name: 'Change', exact: true }).click();
  const dialog = page.getByRole('dialog').filter({ hasText: 'Change this webhook' });
  await dialog.getByLabel('Name').fill('renamed');
  await dialog.getByLabel('Events of handlers').fill('domain.paid');
  await dialog.getByRole('button', { name: 'Intents' }).click();
  await page.getByRole('menuitemcheckbox', { name: 'echo' }).click();
  await page.keyboard.press('Escape');
  await dialog.getByLabel('Address').fill('ftp://example.com/');
  await dialog.getByRole('button', { name: 'Change it' }).click();
  await dialog.getByRole('alert').filter({ hasText: 'url' }).waitFor();
  const { webhook: before } = await asks(url).post(query, { id });
  await dialog.getByLabel('Address').fill(before.url);
  await dialog.getByRole('button', { name: 'Change it' }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByRole('heading', { name: 'renamed' }).waitFor();
  const { webhook } = await asks(url).post(query, { id });
  const types = ['execution.completed', 'domain.paid'];
  assert.deepEqual(webhook.filter, { types, intentType: [], sessionId: before.filter.sessionId });
  await fact(page, 'Events').getByText('domain.paid').waitFor();
  await page.context().close();
}

// To a cursor of before, from which all comes again; and to now.
async function goesBack(open, url, receiver, { id, session, cursor, delivery }) {
  const last = await isTold(url, receiver, session, 'to come again');
  const page = await open(`${url}/console/webhooks/${id}`);
  const again = (headers) => receiver.events.filter((one) => one.headers['webhook-id'] === headers).length;
  await page.getByRole('button', { name: 'Redeliver' }).click();
  await page.getByRole('textbox', { name: 'Cursor' }).fill('nothing');
  await page.getByRole('button', { name: 'Deliver from there' }).click();
  await page.getByRole('dialog').getByRole('alert').waitFor();
  await page.getByRole('textbox', { name: 'Cursor' }).fill(cursor);
  await page.getByRole('button', { name: 'Deliver from there' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await until('nothing comes again', () => again(last.headers['webhook-id']) === 2);
  assert.equal(again(delivery), 1, 'what is before the cursor comes again');
  await page.getByRole('button', { name: 'Redeliver' }).click();
  await page.getByLabel('From where').selectOption('now');
  await page.getByRole('button', { name: 'Deliver from there' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await isTold(url, receiver, session, 'goes on');
  await page.context().close();
}

async function hasAnotherSecret(open, url, receiver, { id, session, secret }) {
  const page = await open(`${url}/console/webhooks/${id}`);
  await page.getByRole('button', { name: 'New secret' }).click();
  await page.getByRole('button', { name: 'Make the secret' }).click();
  const other = await page.locator('.secret code').innerText();
  assert.match(other, /^whsec_/);
  assert.notEqual(other, secret);
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'New secret' }).click();
  await page.getByRole('button', { name: 'Make the secret' }).waitFor();
  assert.ok(!(await page.content()).includes(other), 'the secret is shown again');
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => [...document.querySelectorAll('dt')].some((dt) => dt.textContent.startsWith('The former secret') && dt.nextSibling.textContent !== '–'));
  const told = await isTold(url, receiver, session, 'with both');
  assert.ok(signs(secret, told) && signs(other, told), 'both secrets sign');
  await page.context().close();
}

async function isDeleted(open, url, { id }) {
  const page = await open(`${url}/console/webhooks/${id}`);
  await press(page, 'Delete', 'Delete it');
  await page.waitForURL(/\/webhooks$/);
  await page.getByRole('link', { name: 'orders' }).waitFor();
  assert.equal(await page.getByText('renamed').count(), 0);
  await page.goto(`${url}/console/webhooks/${id}`);
  await page.getByText('There is no such webhook').waitFor();
  await page.context().close();
}

const ago = (seconds) => new Date(Date.now() - seconds * 1_000).toISOString();
const filter = { types: [], intentType: [], sessionId: null };
const failing = (one) => ({
  ...one, status: 'ACTIVE', consecutiveFailures: '37', lastSuccessAt: ago(90_000), lastFailureAt: ago(20), nextAttemptAt: ago(-1_500),
  lastFailure: '503 Service Unavailable: <html><head><title>Back soon</title></head><body>The shop is closed for maintenance until Monday morning</body></html>',
  formerSecretUntil: ago(-50_000), cursor: 'djEuNDcxMS4yLjAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA',
});
const all = (one) => [
  failing(one),
  { ...one, id: 'whk_2', name: null, url: 'https://hooks.eu-central-1.example.com/services/takeoff/events?team=orders&kind=all', status: 'ACTIVE', filter, lastSuccessAt: ago(3) },
  { ...one, id: 'whk_3', name: 'audit', status: 'DISABLED', disabledReason: 'GONE', lastSuccessAt: ago(9_000), consecutiveFailures: '1' },
  { ...one, id: 'whk_4', name: 'a webhook of a team with a long name, which nobody reads to its end', status: 'DISABLED', disabledReason: 'FAILING' },
  one,
];

async function answers(page, { list, one }) {
  await page.route('**/graphql', async (route) => {
    const found = await route.fetch();
    const body = await found.json();
    if (body.data?.webhooks) body.data.webhooks.nodes = list(body.data.webhooks.nodes[0]);
    if (body.data?.webhook) body.data.webhook = one(body.data.webhook);
    await route.fulfill({ response: found, json: body });
  });
}

async function showsEachState(open, url) {
  const { post } = asks(url);
  const { webhooks: found } = await post('{ webhooks(first: 1) { nodes { id } } }');
  const address = `${url}/console/webhooks/${found.nodes[0].id}`;
  const disabled = (one) => ({ ...failing(one), status: 'DISABLED', disabledReason: 'FAILING', nextAttemptAt: null });
  for (const width of widths) {
    for (const colorScheme of themes) {
      const page = await open(`${url}/console/types`, { viewport: { width, height: 900 }, colorScheme });
      const looks = async (name) => {
        await nothingLiesOutside(page, `${name} at ${width}`);
        assert.deepEqual((await check(page)).violations, [], `${name} at ${width}, ${colorScheme}`);
        if (pictures) await page.screenshot({ path: `${pictures}/${name.replaceAll(' ', '-')}-${width}-${colorScheme}.png` });
        await page.unrouteAll({ behavior: 'ignoreErrors' });
      };
      await answers(page, { list: all, one: failing });
      await page.goto(`${url}/console/webhooks`);
      for (const name of ['Failing', 'Disabled', 'Paused', 'Active']) await page.getByRole('row').getByText(name, { exact: true }).first().waitFor();
      await looks('webhooks that fail');
      await answers(page, { list: all, one: failing });
      await page.goto(address);
      await page.getByText('Not accepted 37 times in a row').waitFor();
      await page.getByText('The shop is closed').waitFor();
      await looks('a webhook that fails');
      await answers(page, { list: all, one: disabled });
      await page.goto(address);
      await page.getByText('The server has given it up').waitFor();
      await looks('a webhook that is given up');
      await answers(page, { list: () => [], one: failing });
      await page.goto(`${url}/console/webhooks`);
      await page.getByText('No webhooks yet').waitFor();
      await looks('no webhooks');
      await page.context().close();
    }
  }
}
