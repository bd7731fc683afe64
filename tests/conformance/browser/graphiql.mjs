// The page /graphiql in Chromium, with every other host blocked: the tour is run as it is written, a
// subscription ticks to the terminal event, the header editor is heard, and nothing breaks the policy.
//
//   GRAPHIQL_SCREENSHOTS=folder   keeps a picture of each width and theme

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const base = process.env.TAKEOFF_URL;
const pictures = process.env.GRAPHIQL_SCREENSHOTS;
const limit = 20_000;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
  ],
});
const outside = [];
const broken = [];

async function open(path, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  await context.route((url) => url.origin !== base && url.protocol.startsWith('http'), (route) => {
    outside.push(route.request().url());
    return route.abort();
  });
  const page = await context.newPage();
  page.setDefaultTimeout(limit);
  page.on('pageerror', (error) => broken.push(`an error on the page: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') broken.push(`on the console: ${message.text()}`);
  });
  await page.goto(base + path);
  for (const editor of ['.graphiql-query-editor', '.graphiql-editor-tool', '.graphiql-response']) {
    await page.waitForSelector(`${editor} .CodeMirror`);
  }
  return page;
}

// What an editor of the page holds, and what it is to hold.
const text = (page, editor) => page.$eval(`${editor} .CodeMirror`, (one) => one.CodeMirror.getValue());
const write = (page, editor, value) =>
  page.$eval(`${editor} .CodeMirror`, (one, text) => one.CodeMirror.setValue(text), value);

// Runs one operation of the tab by its name, from the menu of the run button; its answer.
async function run(page, name, isEnough = () => true) {
  await write(page, '.graphiql-response', '');
  await page.click('.graphiql-execute-button');
  const item = page.getByRole('menuitem', { name, exact: true });
  if (await item.waitFor({ timeout: 2_000 }).then(() => true, () => false)) await item.click();
  const deadline = Date.now() + limit;
  for (;;) {
    const shown = await text(page, '.graphiql-response');
    try {
      const answer = JSON.parse(shown);
      if (isEnough(answer)) return answer;
    } catch {
      // It is not there, or not whole, yet.
    }
    assert.ok(Date.now() < deadline, `${name}: ${shown}`);
    await page.waitForTimeout(50);
  }
}

const page = await open('/graphiql');
const tour = await text(page, '.graphiql-query-editor');
assert.match(tour, /mutation Submit/);

// The tour, each step as it is written and without touching the variables: the ids of the answers get there.
const variablesOf = async (page) => JSON.parse(await text(page, '.graphiql-editor-tool .graphiql-editor:not(.hidden)'));
async function theTour(page) {
  assert.match(JSON.parse(await text(page, '.graphiql-response')).next, /CreateSession/);
  assert.deepEqual(await variablesOf(page), { session: '', execution: '', artifact: '' });
  const early = await run(page, 'Watch', (a) => a.next);
  assert.match(early.next, /run Submit first/);
  const created = await run(page, 'CreateSession', (a) => a.data);
  assert.match(created.next, /Run Submit/);
  assert.equal((await variablesOf(page)).session, created.data.createSession.session.id);
  const submitted = await run(page, 'Submit', (a) => a.data?.submitIntent);
  assert.equal((await variablesOf(page)).execution, submitted.data.submitIntent.execution.id);
  const events = (a) => (a.batches ?? []).flatMap(({ data }) => data.executionEvents.events);
  const isLast = (a) => /ended/.test(a.next) && events(a).some(({ type }) => type === 'execution.completed');
  const watched = await run(page, 'Watch', isLast);
  assert.ok(watched.batches.length > 1, 'it came all at once');
  assert.deepEqual(events(watched).map(({ sequence }) => sequence), events(watched).map((_, at) => String(at + 1)));
  await run(page, 'Look', (a) => a.data?.execution);
  const { artifact } = await variablesOf(page);
  assert.match(artifact, /^art_/);
  const { lineage } = (await run(page, 'Lineage', (a) => a.data?.lineage)).data;
  assert.deepEqual(lineage.nodes.map(({ depth }) => depth), [0, 1, 2]);
  assert.equal(lineage.nodes[0].artifact.id, artifact);
}
await theTour(page);
if (pictures) await page.screenshot({ path: `${pictures}/lineage.png` });
const state = (await run(page, 'SetState', (a) => a.data?.setSessionState)).data.setSessionState;
assert.deepEqual(state.session.state, { step: 2 });
const stale = (await run(page, 'SetState', (a) => a.data?.setSessionState?.errors?.length)).data.setSessionState;
assert.equal(stale.errors[0].currentVersion, '2');
assert.ok((await run(page, 'IntentTypes', (a) => a.data?.intentTypes)).data.intentTypes.length > 5);

// Where a part of the page is, once it is there: the page may still be replacing it.
const boxOf = (part) => {
  const element = document.querySelector(part);
  if (!element?.checkVisibility({ visibilityProperty: true })) return null;
  const { x, width, height } = element.getBoundingClientRect();
  return width > 0 && height > 0 && { x, width };
};

// The same at the width of a telephone, where nothing lies outside and every part has room.
for (const width of [390, 820]) {
  for (const colorScheme of ['light', 'dark']) {
    const narrow = await open('/graphiql', { viewport: { width, height: 844 }, colorScheme });
    if (colorScheme === 'light' && width === 390) await theTour(narrow);
    for (const part of ['.graphiql-query-editor', '.graphiql-editor-tool', '.graphiql-response', '.graphiql-execute-button']) {
      const box = await (await narrow.waitForFunction(boxOf, part)).jsonValue();
      assert.ok(box.x >= 0 && box.x + box.width <= width, `${part} lies outside at ${width}`);
      assert.ok(part === '.graphiql-execute-button' || box.width >= Math.min(300, width / 2.5), `${part} is ${box.width} wide at ${width}`);
    }
    const isScrolled = await narrow.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.ok(!isScrolled, `the page is wider than ${width}`);
    if (pictures) await narrow.screenshot({ path: `${pictures}/${width}-${colorScheme}.png` });
    await narrow.context().close();
  }
}

// The explorer, the documentation, and both themes.
await page.click('button[aria-label="Show GraphiQL Explorer"]');
await page.waitForSelector('.docExplorerWrap, .graphiql-plugin');
if (pictures) await page.screenshot({ path: `${pictures}/explorer.png` });
await page.click('button[aria-label="Hide GraphiQL Explorer"]');
for (const theme of ['Light', 'Dark']) {
  await page.click('button[aria-label="Open settings dialog"]');
  await page.getByRole('button', { name: theme, exact: true }).click();
  await page.keyboard.press('Escape');
  await page.waitForSelector(`body.graphiql-${theme.toLowerCase()}`);
  if (pictures) await page.screenshot({ path: `${pictures}/${theme.toLowerCase()}.png` });
}

// A link fills a tab; what the header editor says is sent, by HTTP and by WebSocket.
const live = 'subscription { tenantEvents { events { type } } }';
const query = `query Who { viewer { tenantId } } ${live.replace('{', 'Live {').replace('subscription Live', 'subscription Live')}`;
const linked = await open(`/graphiql?query=${encodeURIComponent(query)}`);
assert.equal(await text(linked, '.graphiql-query-editor'), query);
await linked.getByRole('button', { name: 'Headers', exact: true }).click();
await write(linked, '.graphiql-editor-tool .graphiql-editor:not(.hidden)', '{"X-Takeoff-Tenant": "elsewhere"}');
const who = await run(linked, 'Who', (a) => a.data?.viewer);
assert.equal(who.data.viewer.tenantId, 'elsewhere');
const post = (body) =>
  fetch(`${base}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-takeoff-tenant': 'elsewhere' },
    body: JSON.stringify(body),
  }).then((response) => response.json());
const other = await post({ query: 'mutation { createSession(input: {}) { session { id } } }' });
const submit = 'mutation($s: ID!) { submitIntent(input: {sessionId: $s, intentType: "echo"}) { execution { id } } }';
await post({ query: submit, variables: { s: other.data.createSession.session.id } });
const ticked = await run(linked, 'Live', (a) => a.batches?.[0]?.data?.tenantEvents?.events?.length);
assert.equal(ticked.batches[0].data.tenantEvents.events[0].type, 'execution.created');

// An EventSource comes back once after the terminal event, is told that there is no more, and stops.
const plain = await browser.newPage();
await plain.goto(`${base}/graphiql`);
const asDefault = (query, variables) =>
  fetch(`${base}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  }).then(async (response) => (await response.json()).data);
const begun = await asDefault('mutation { createSession(input: {}) { session { id } } }');
const echoed = await asDefault(submit, { s: begun.createSession.session.id });
const followed = await plain.evaluate((path) => new Promise((resolve) => {
  const types = [];
  const source = new EventSource(path);
  for (const type of ['execution.created', 'execution.started', 'execution.completed']) {
    source.addEventListener(type, () => types.push(type));
  }
  source.addEventListener('error', () => source.readyState === EventSource.CLOSED && resolve(types));
}), `/api/execution/${echoed.submitIntent.execution.id}/stream`);
assert.deepEqual(followed, ['execution.created', 'execution.started', 'execution.completed']);

await browser.close();
assert.deepEqual(outside, [], 'the page asked other hosts');
assert.deepEqual(broken, [], 'the page broke');
console.log('the tour at two widths, a link, headers, the explorer and both themes: as they should be');
