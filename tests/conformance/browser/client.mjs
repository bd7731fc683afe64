// @takeoff/client in Chromium, on a page of another origin with tokens of seconds from a real issuer (oidc-provider):
// a server that is killed, a tab that slept, tokens that end, twenty executions over one socket, StrictMode, a token
// callback that is another one at each render; then the custom elements, the example of docs/frontends.md and its pages.
//
//   CLIENT_SCREENSHOTS=folder   keeps pictures of the elements and the example in both themes

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { limitMs, until } from '../lib/wait.mjs';
import { startExample } from './client/example.mjs';
import { pages as runPages } from './client/pages.mjs';
import { startPlace } from './client/place.mjs';

const pictures = process.env.CLIENT_SCREENSHOTS;
const sdk = new URL('../../../sdks/typescript/client/', import.meta.url);
const axe = readFileSync(new URL('node_modules/axe-core/axe.min.js', sdk), 'utf8');
const place = await startPlace(sdk);
const broken = [];
// What the browser says of its own while the server is away.
const expected = /Failed to load resource|WebSocket connection to|blocked by CORS policy/;
let browser;

// --- Pages ----------------------------------------------------------------------------------------------------------

async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 900, height: 700 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(limitMs);
  page.on('pageerror', (error) => broken.push(`an error on the page: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' && !expected.test(message.text())) broken.push(`on the console: ${message.text()}`);
  });
  const sockets = [];
  page.on('websocket', (socket) => {
    const one = { sent: [] };
    sockets.push(one);
    socket.on('framesent', ({ payload }) => one.sent.push(JSON.parse(payload)));
  });
  await page.goto(`${place.pageUrl}/`);
  return { page, sockets, close: () => context.close() };
}

const record = (page) => page.evaluate(() => window.record);

const untilEnded = (page, ids) => Promise.all(ids.map((id) => page.waitForSelector(`#${id}[data-status=COMPLETED][data-complete=true][data-result=true]`)));

// Of all that a page showed of an execution, nothing went backwards, and its events came once and in order, to the last.
function isMonotonic(name, shown) {
  const order = [undefined, 'CREATED', 'RUNNING', 'COMPLETED'];
  for (const [at, now] of shown.entries()) {
    const before = shown[at - 1] ?? { events: [] };
    assert.ok(order.indexOf(now.status) >= order.indexOf(before.status), `${name}: ${before.status} became ${now.status}`);
    assert.ok((now.attempt ?? 0) >= (before.attempt ?? 0), `${name}: attempt ${before.attempt} became ${now.attempt}`);
    assert.deepEqual(now.events, now.events.map((_, index) => index + 1), `${name}: events are missing or there twice`);
    assert.ok(now.events.length >= before.events.length, `${name}: events went away`);
    assert.ok(!before.isComplete || now.isComplete, `${name}: it was complete`);
  }
  const last = shown.at(-1);
  assert.ok(last.hasResult, `${name}: no result`);
  assert.equal(last.connection, 'live', `${name}: what has ended does not grow old`);
}

// --- What it does ---------------------------------------------------------------------------------------------------

async function killed() {
  place.lastsSeconds = 600;
  const ids = await place.submitMany(20, { steps: 6, delayMs: 400 });
  const { page, sockets, close } = await open();
  await page.evaluate((what) => window.show(what), { url: place.serverUrl, ids });
  await page.waitForFunction(() => document.querySelectorAll('[data-status=RUNNING]').length === 20);
  assert.equal(sockets.length, 1, 'twenty executions use one socket');
  await place.kill();
  await page.getByText('reconnecting').waitFor();
  await place.serve();
  await untilEnded(page, ids);
  const { shown, connections, tokens, renders } = await record(page);
  for (const id of ids) isMonotonic(id, shown[id]);
  const lost = connections.find(({ status }) => status === 'reconnecting');
  assert.ok(lost && Math.abs(Date.now() - lost.staleSince) < limitMs, 'it says since when it is stale');
  // Each socket that was opened reached the server or was refused while it was away.
  const acknowledged = sockets.filter(({ sent }) => sent.length > 0);
  assert.equal(acknowledged.length, 2, `${acknowledged.length} sockets for one restart`);
  assert.ok(renders > 10);
  assert.ok(tokens <= 2, `${tokens} tokens were asked for in ${renders} renders`);
  await close();
  console.log(`killed: 20 executions over one socket, each event once, ${renders} renders with another token callback each`);
}

async function asleep() {
  place.lastsSeconds = 60;
  const ids = await place.submitMany(2, { steps: 4, delayMs: 700 });
  const { page, sockets, close } = await open();
  await page.clock.install();
  await page.evaluate((what) => window.show(what), { url: place.proxyUrl, ids });
  await page.waitForFunction(() => document.querySelectorAll('[data-status=RUNNING]').length === 2);
  // The network is gone without a word, the page's clock stands, and the work ends meanwhile.
  await page.clock.pauseAt(new Date(Date.now() + 1_000));
  place.freezeConnections();
  await place.untilEnded(ids);
  const before = await record(page);
  assert.ok(ids.every((id) => before.shown[id].at(-1).status === 'RUNNING'), 'it knows nothing of it');
  // It wakes five minutes later: its token has ended, too.
  await page.clock.fastForward('05:00');
  await page.clock.runFor(10_000);
  await page.clock.resume();
  await untilEnded(page, ids);
  const { shown, tokens, connections } = await record(page);
  for (const id of ids) isMonotonic(id, shown[id]);
  assert.ok(connections.some(({ status }) => status === 'reconnecting'));
  assert.equal(tokens, 2);
  assert.equal(sockets.length, 2, 'the dead socket, and one that went on');
  await close();

  // A page that learns that the network is back does not wait for the silence.
  const [id] = await place.submitMany(1, { steps: 6, delayMs: 700 });
  const other = await open();
  await other.page.evaluate((what) => window.show(what), { url: place.proxyUrl, ids: [id] });
  await other.page.waitForSelector(`#${id}[data-status=RUNNING]`);
  place.freezeConnections();
  await other.page.evaluate(() => window.dispatchEvent(new Event('online')));
  const begin = Date.now();
  await until('it does not connect again', () => other.sockets.length === 2);
  assert.ok(Date.now() - begin < 15_000, 'it waited for the silence');
  await untilEnded(other.page, [id]);
  isMonotonic(id, (await record(other.page)).shown[id]);
  await other.close();
  console.log('asleep: a cut that nobody told of is noticed, and nothing is missing after it');
}

async function renewed() {
  place.lastsSeconds = 8;
  const [id] = await place.submitMany(1, { steps: 10, delayMs: 2_000 });
  const { page, sockets, close } = await open();
  await page.evaluate((what) => window.show(what), { url: place.serverUrl, ids: [id] });
  await untilEnded(page, [id]);
  const { shown, tokens, connections } = await record(page);
  isMonotonic(id, shown[id]);
  assert.equal(sockets.length, 1, 'the socket was opened again');
  const pings = sockets[0].sent.filter(({ type, payload }) => type === 'ping' && payload?.authorization);
  assert.ok(pings.length >= 2, `${pings.length} fresh tokens went over the socket`);
  assert.ok(tokens <= pings.length + 2);
  assert.ok(connections.every(({ status }) => status !== 'reconnecting'));
  await close();
  console.log(`renewed: ${pings.length} fresh tokens of ${place.lastsSeconds} s over one socket`);
}

async function submitted() {
  place.lastsSeconds = 600;
  const session = await place.createSession();
  const { page, close } = await open();
  await page.evaluate((what) => window.show(what), { url: place.serverUrl, session });
  await page.waitForFunction(() => window.record.sessions.at(-1)?.version);
  // While the server is away the page shows what it will be, and it is submitted once.
  await place.kill();
  await page.evaluate(() => { window.accepted = window.submit({ message: 'hello' }); });
  await page.waitForFunction(() => window.record.submits.at(-1).isOptimistic);
  const { id, status } = (await record(page)).submits.at(-1);
  assert.deepEqual([id, status], ['', 'CREATED']);
  await place.serve();
  await page.waitForFunction(() => window.record.submits.at(-1).status === 'COMPLETED' && window.record.submits.at(-1).result);
  const { submits } = await record(page);
  assert.deepEqual(submits.at(-1).result, { message: 'hello' });
  assert.equal((await place.executionsOf(session)).length, 1, 'it was submitted once');
  // A refusal takes it back.
  assert.equal(await page.evaluate(() => window.submit({ message: 7 })), undefined);
  await page.getByText('undefined INVALID_INPUT').waitFor();

  // Two pages write to one state by compare-and-set.
  const other = await open();
  await other.page.evaluate((what) => window.show(what), { url: place.serverUrl, session });
  await other.page.waitForFunction(() => window.record.sessions.at(-1)?.version);
  const add = (one) => one.evaluate(async () => {
    for (let n = 0; n < 10; n++) await window.session.update((state) => ({ ...state, n: (state.n ?? 0) + 1 }));
  });
  await Promise.all([add(page), add(other.page)]);
  assert.equal((await place.stateOf(session)).n, 20, 'no write was lost');
  const stale = await page.evaluate(() => window.session.set({}, { ifVersion: '1' }).catch(({ code }) => code));
  assert.equal(stale, 'STALE_VERSION');
  // Each sees the other's, with the next thing that happens in the session.
  await page.evaluate(() => window.submit({ message: 'again' }));
  for (const one of [page, other.page]) {
    await one.getByText('{"n":20}').waitFor();
    const versions = (await record(one)).sessions.flatMap(({ version }) => (version ? [Number(version)] : []));
    assert.deepEqual(versions, versions.toSorted((a, b) => a - b), 'a state went backwards');
  }
  // A write is no event: the other page, which is seen, reads it all the same.
  await page.evaluate(() => window.session.merge({ by: 'one page' }));
  await other.page.getByText('one page').waitFor();
  await other.close();

  // A file goes to the other origin, and tells how far it is.
  const uploaded = await page.evaluate(async () => {
    const told = [];
    const file = new File([new Uint8Array(3_000_000)], 'zeros.bin');
    const { sizeBytes } = await window.client.upload(file, { onProgress: (sent, total) => told.push([sent, total]) });
    return { sizeBytes, told };
  });
  assert.equal(uploaded.sizeBytes, 3_000_000);
  assert.deepEqual(uploaded.told.at(-1), [3_000_000, 3_000_000]);
  const sent = uploaded.told.map(([bytes]) => bytes);
  assert.deepEqual(sent, sent.toSorted((a, b) => a - b));
  await close();
  console.log('submitted: shown at once, submitted once; two pages write one state; a file is sent');
}

async function elements() {
  const { execution, artifact } = await place.journey();
  const [failed] = await place.submitFailing();
  for (const colorScheme of ['light', 'dark']) {
    const { page, close } = await open({ colorScheme });
    const html = `
      <takeoff-execution id="${execution}"></takeoff-execution><br><takeoff-execution id="${failed}"></takeoff-execution><br>
      <takeoff-lineage artifact="${artifact}"></takeoff-lineage><br>
      <takeoff-execution id="exe_00000000000000000000000000"></takeoff-execution>`;
    await page.evaluate((what) => window.showElements(what), { url: place.serverUrl, html });
    await page.getByText('completed', { exact: true }).waitFor();
    await page.getByText('failed', { exact: true }).waitFor();
    await page.getByText('NOT_FOUND: there is no execution').waitFor();
    await page.getByRole('img', { name: '3 artifacts, 2 edges' }).waitFor();
    await page.getByText('As a table').click();
    const rows = await page.locator('takeoff-lineage tbody tr').allInnerTexts();
    assert.equal(rows.length, 3);
    assert.match(rows[0], /deterministic_embeddings\s+cities.csv\s+ready\s+parsed_content cities.csv by create_deterministic_embeddings/);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] }));
    assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), [], colorScheme);
    if (pictures) await page.screenshot({ path: `${pictures}/elements-${colorScheme}.png`, fullPage: true });
    // Another id is another execution, and what is taken out follows nothing.
    await page.evaluate((id) => document.querySelector('takeoff-execution').setAttribute('id', id), failed);
    await page.waitForFunction(() => document.querySelector('takeoff-execution').shadowRoot.textContent.includes('failed'));
    await close();
  }
  console.log('elements: an execution, a failed one, one that is not there, and a lineage, in both themes, by axe');
}

// `isProven`: from another origin with a token of a minute; else as the page's author begins, against a server that
// wants no proof.
async function example() {
  for (const [isProven, colorScheme] of [[false, 'light'], [true, 'dark']]) {
    const running = await startExample(place, isProven);
    const context = await browser.newContext({ viewport: { width: 900, height: 700 }, colorScheme });
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(limitMs);
      page.on('pageerror', (error) => broken.push(`an error of the example: ${error.message}`));
      const sent = [];
      page.on('request', (request) => sent.push(request.headers()['authorization'] ?? ''));
      await page.goto(running.url);
      const file = { name: 'cities.csv', mimeType: 'text/csv', buffer: Buffer.from('city,founded\nMalmö,1353\n') };
      await page.locator('input[type=file]').setInputFiles(file);
      await page.getByText('execution.completed').waitFor();
      await page.getByRole('status').getByText('COMPLETED').waitFor();
      await page.getByRole('img', { name: '3 artifacts, 2 edges' }).waitFor();
      const events = await page.locator('li').allInnerTexts();
      assert.deepEqual([events.length, events[0], events.at(-1)], [11, 'execution.created', 'execution.completed']);
      assert.equal(sent.some((one) => one.startsWith('Bearer tt_')), isProven);
      assert.ok(!sent.some((one) => one.includes('tk_')), 'the page never had a key');
      if (pictures) await page.screenshot({ path: `${pictures}/example-${colorScheme}.png`, fullPage: true });
    } finally {
      await context.close();
      await running.stop();
    }
  }
  console.log('example: as docs/frontends.md has it, without proofs, and from another origin with a token of a minute');
}

const pages = () => runPages(browser, sdk, broken, expected);

try {
  await place.serve();
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
  });
  for (const part of [killed, asleep, renewed, submitted, elements, example, pages]) {
    if (!process.argv[2] || process.argv[2] === part.name) await part();
  }
  assert.deepEqual(broken, []);
} finally {
  await browser?.close();
  await place.stop();
}
process.exit(0);
