// Bulk operations by the console: begun from the lists that show what they concern, followed to their end, stopped; by the
// mouse and by keys alone; and each state that one may be in.

import assert from 'node:assert/strict';
import { asks } from './data.mjs';
import { check, nothingLiesOutside, themes, widths } from './look.mjs';

const pictures = process.env.CONSOLE_SCREENSHOTS;
const later = { runAt: '2099-01-01T00:00:00Z' };

export async function changesAll(open, url) {
  await cancelsWhatAListShows(open, url);
  await runsAGroupOfFailuresAgain(open, url);
  await archivesWhatAListShows(open, url);
  await beginsNothingByItself(open, url);
  await isDoneByKeys(open, url);
  await stops(open, url);
  await showsEachState(open, url);
}

const idIn = (page) => new URL(page.url()).pathname.split('/').at(-1);
const state = (page) => page.locator('main header .badge');
const fact = (page, name) => page.locator('dl > div').filter({ has: page.getByText(name, { exact: true }) }).locator('dd');

// 250 that wait are cancelled, and three that have ended are left alone, which the dialog says before.
async function cancelsWhatAListShows(open, url) {
  const { post, session: begin, submit, ended, operationEnded } = asks(url);
  const session = await begin({});
  const intents = Array.from({ length: 250 }, (_, at) => ({ sessionId: session, intentType: 'echo', parameters: { message: `${at}` }, ...later }));
  await post('mutation($input: SubmitIntentsInput!) { submitIntents(input: $input) { errors { code } } }', { input: { intents } });
  for (let at = 0; at < 3; at += 1) await ended(await submit(session, 'echo', { message: 'done' }));

  const page = await open(`${url}/console/executions?session=${session}`);
  await page.locator('[role=row][data-at]').first().waitFor();
  await page.getByRole('button', { name: 'Cancel all that match' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('250 executions').first().waitFor();
  await dialog.getByText('The other 3 of the list have ended').waitFor();
  assert.equal(await dialog.getByText('No filter is set').count(), 0);
  assert.equal(await dialog.getByRole('listitem').count(), 4);
  await dialog.getByLabel('Reason').fill('of no use');
  await dialog.getByRole('button', { name: 'Cancel 250 executions' }).click();
  await page.waitForURL(/\/operations\/opr_/);
  await state(page).getByText('Completed').waitFor();
  await page.getByText('250 of 250').waitFor();
  assert.equal(await page.getByRole('progressbar').getAttribute('value'), '1');
  assert.equal(await fact(page, 'Cancelled').innerText(), '250');
  assert.equal(await fact(page, 'State').innerText(), 'Created or Running');
  assert.equal(await fact(page, 'Reason').innerText(), 'of no use');
  assert.equal(await page.getByRole('button', { name: 'Stop' }).count(), 0, 'what has ended can be stopped');
  const id = idIn(page);
  const operation = await operationEnded(id);
  assert.deepEqual([operation.kind, operation.status, operation.doneCount, operation.reason], ['CANCEL_EXECUTIONS', 'COMPLETED', '250', 'of no use']);
  const query = 'query($filter: ExecutionFilter) { executions(first: 1, filter: $filter) { totalCount { count } } }';
  const { executions } = await post(query, { filter: { sessionId: session, status: ['CANCELLED'] } });
  assert.equal(executions.totalCount.count, 250);

  // It is in the list.
  await page.getByRole('navigation').getByRole('link', { name: 'Operations' }).click();
  const row = page.getByRole('row').filter({ has: page.locator(`a[href$="/operations/${id}"]`) });
  await row.getByText('Cancel executions').waitFor();
  await row.getByText('250 of 250').waitFor();
  await row.getByText('created or running, of session').waitFor();
  // A second time nothing is left.
  await page.goto(`${url}/console/executions?session=${session}`);
  await page.getByRole('button', { name: 'Cancel all that match' }).click();
  await page.getByRole('dialog').getByText('Nothing is there that it would change').waitFor();
  await page.getByRole('dialog').getByText('The 253 executions of the list have ended').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
  await page.context().close();
}

// Each once, and each new execution names the operation.
async function runsAGroupOfFailuresAgain(open, url) {
  const { post, operationEnded } = asks(url);
  const page = await open(`${url}/console/failures?type=parse_content`);
  const cause = page.getByRole('grid', { name: 'Failures' }).getByRole('row').filter({ hasText: 'MALFORMED_JSON' });
  await cause.click();
  const before = Number(await cause.getByRole('gridcell').first().innerText());
  await page.getByRole('complementary', { name: 'Selected' }).getByRole('button', { name: 'Run all again' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText(`${before} executions`).waitFor();
  await dialog.getByText('Roots only').waitFor();
  await dialog.getByRole('button', { name: `Run ${before} again` }).click();
  await page.waitForURL(/\/operations\/opr_/);
  const id = idIn(page);
  await state(page).getByText('Completed').waitFor();
  assert.equal(await fact(page, 'Run again').innerText(), String(before));
  assert.equal(await fact(page, 'Failed with').innerText(), 'MALFORMED_JSON');
  assert.equal((await operationEnded(id)).doneCount, String(before));
  const { executions } = await post('{ executions(first: 50, filter: { intentType: ["parse_content"], rootsOnly: true }) { nodes { id intent { idempotencyKey } } } }');
  const made = executions.nodes.filter(({ intent }) => intent.idempotencyKey?.startsWith(`${id}/`));
  assert.equal(made.length, before);
  await page.goto(`${url}/console/executions/${made[0].id}`);
  await page.getByText('Run again by').waitFor();
  await page.locator(`dl a[href$="/operations/${id}"]`).click();
  await page.waitForURL(new RegExp(`/operations/${id}$`));
  await page.context().close();
}

async function archivesWhatAListShows(open, url) {
  const { post, session: begin, submit, ended } = asks(url);
  const session = await begin({});
  const parameters = { journey_id: 'content_pipeline', filename: 'old.csv', content: 'city\nOslo\n' };
  assert.equal(await ended(await submit(session, 'compose_journey', parameters)), 'COMPLETED');
  const count = async (states) => {
    const query = 'query($filter: ArtifactFilter) { artifacts(first: 1, filter: $filter) { totalCount { count } } }';
    return (await post(query, { filter: { sessionId: session, lifecycleState: states } })).artifacts.totalCount.count;
  };
  const ready = await count(['READY']);
  assert.ok(ready > 0);
  const page = await open(`${url}/console/artifacts?session=${session}`);
  await page.getByRole('button', { name: 'Archive all that match' }).click();
  await page.getByRole('dialog').getByText('would be archived').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: /^Archive \d+ artifacts?$/ }).click();
  await page.waitForURL(/\/operations\/opr_/);
  await state(page).getByText('Completed').waitFor();
  assert.equal(await fact(page, 'Archived').innerText(), String(ready));
  assert.deepEqual([await count(['READY']), await count(['ARCHIVED'])], [0, ready]);
  await page.goto(`${url}/console/artifacts?session=${session}&state=ARCHIVED`);
  await page.getByRole('row').getByText('Archived').first().waitFor();
  assert.equal(await page.getByRole('button', { name: 'Archive all that match' }).count(), 0, 'what is archived already can be archived');
  await page.context().close();
}

const operationsOf = async (url) => (await asks(url).post('{ operations(first: 200) { nodes { id } } }')).operations.nodes.length;

// A dialog that is closed has begun nothing, and one whose count has failed says so and offers nothing. Without a filter the
// whole is meant, which it says.
async function beginsNothingByItself(open, url) {
  const before = await operationsOf(url);
  const page = await open(`${url}/console/executions`);
  await page.getByRole('button', { name: 'Run all again' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('No filter is set').waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await page.route('**/graphql', (route) => {
    if (!/rerunExecutions/.test(route.request().postData())) return route.continue();
    const body = { errors: [{ message: 'the database is away', extensions: { code: 'INTERNAL' } }] };
    return route.fulfill({ status: 500, contentType: 'application/json', body: JSON.stringify(body) });
  });
  await page.getByRole('button', { name: 'Run all again' }).click();
  await dialog.getByRole('alert').filter({ hasText: 'the database is away' }).waitFor();
  assert.equal(await dialog.getByRole('button', { name: /^Run/ }).count(), 0);
  await page.unroute('**/graphql');
  await dialog.getByRole('button', { name: 'Try again' }).click();
  await dialog.getByText('would be run again').waitFor();
  // What the server refuses then is said there, too.
  await page.route('**/graphql', async (route) => {
    const asked = route.request().postDataJSON();
    if (!/rerunExecutions/.test(asked.query)) return route.continue();
    const rerunExecutions = { operation: null, preview: null, errors: [{ code: 'RATE_LIMITED', message: 'at most 10 go on at the same time', path: null }] };
    return route.fulfill({ contentType: 'application/json', body: JSON.stringify({ data: { rerunExecutions } }) });
  });
  await dialog.getByRole('button', { name: /^Run .*again$/ }).click();
  await dialog.getByRole('alert').filter({ hasText: 'at most 10 go on' }).waitFor();
  await page.unroute('**/graphql');
  await page.keyboard.press('Escape');
  await page.context().close();
  assert.equal(await operationsOf(url), before, 'an operation has begun');
}

async function isDoneByKeys(open, url) {
  const { session: begin, submit, operationEnded } = asks(url);
  const session = await begin({});
  for (const message of ['one', 'two']) await submit(session, 'echo', { message }, later);
  const page = await open(`${url}/console/executions?session=${session}`);
  const button = page.getByRole('button', { name: 'Cancel all that match' });
  await button.waitFor();
  await button.focus();
  await page.keyboard.press('Enter');
  const yes = page.getByRole('dialog').getByRole('button', { name: 'Cancel 2 executions' });
  await yes.waitFor();
  for (let at = 0; at < 20 && !(await yes.evaluate((one) => one === document.activeElement)); at += 1) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/operations\/opr_/);
  const id = idIn(page);
  assert.equal((await operationEnded(id)).doneCount, '2');
  await page.keyboard.press('g');
  await page.keyboard.press('b');
  await page.waitForURL(/\/operations$/);
  const row = page.locator('[role=row][data-at="0"]');
  await row.locator(`a[href$="${id}"]`).waitFor();
  await row.focus();
  await page.keyboard.press('Enter');
  await page.waitForURL(new RegExp(`${id}$`));
  await page.keyboard.press('g');
  await page.keyboard.press('h');
  await page.waitForURL(/\/webhooks$/);
  await page.keyboard.press('Control+k');
  await page.keyboard.type(id);
  await page.getByRole('menuitem', { name: id }).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.waitForURL(new RegExp(`/operations/${id}$`));
  await page.context().close();
}

// An answer with what a real operation looks like while it goes on.
async function answers(page, change) {
  await page.route('**/graphql', async (route) => {
    const found = await route.fetch();
    const body = await found.json();
    if (body.data?.operation) body.data.operation = change([body.data.operation])[0];
    if (body.data?.operations) body.data.operations.nodes = change(body.data.operations.nodes);
    await route.fulfill({ response: found, json: body });
  });
}

const going = { status: 'RUNNING', finishedAt: null, expectedCount: { count: 4_000, exact: true }, matchedCount: '1100', doneCount: '1000', skippedCount: '8', refusedCount: '0' };

// It is asked for again and again while it goes on, and what stops it has the reason.
async function stops(open, url) {
  const { post } = asks(url);
  const { operations } = await post('{ operations(first: 1) { nodes { id } } }');
  const page = await open(`${url}/console/types`);
  let asked = 0;
  await answers(page, (all) => {
    asked += 1;
    return all.map((one) => ({ ...one, ...going, doneCount: String(1_000 + asked) }));
  });
  let told;
  page.on('request', (request) => {
    if (request.url().endsWith('/graphql') && /cancelOperation/.test(request.postData() ?? '')) told = request.postDataJSON().variables;
  });
  await page.goto(`${url}/console/operations/${operations.nodes[0].id}`);
  await page.getByText('1,009 of 4,000').waitFor();
  await page.getByText('1,011 of 4,000').waitFor();
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByLabel('Reason').fill('too many');
  await page.getByRole('dialog').getByRole('button', { name: 'Stop it' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.deepEqual(told, { input: { id: operations.nodes[0].id, reason: 'too many' } });
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  await page.context().close();
}

const itemId = 'exe_01m8n6jc16ehh8g4sbr0kdbqt9';
const refusals = [
  { itemId, code: 'NOT_FOUND', message: 'the content of the artifact is lost' },
  { itemId: 'exe_01m8n6jc16ehh8g4sbr0kdbqta', code: 'FORBIDDEN', message: 'a policy permits no intents of this type after 18:00, whoever asks for them' },
];
const states = (all) => {
  const [one] = all;
  const filter = { status: ['CREATED', 'RUNNING'], intentType: ['parse_content', 'ingest_file'], createdAfter: 1_767_225_600_000_000, rootsOnly: true, metadata: [{ key: 'team', value: 'a' }] };
  return [
    { ...one, ...going, filter, refusals, refusedCount: '92' },
    { ...one, ...going, id: 'opr_2', kind: 'RERUN_EXECUTIONS', expectedCount: { count: 10_000, exact: false }, doneCount: '12000', matchedCount: '12100', filter: { status: ['FAILED'], errorCode: ['CHILD_FAILED'] } },
    { ...one, id: 'opr_3', kind: 'ARCHIVE_ARTIFACTS', status: 'FAILED', error: 'the filter cannot be read', expectedCount: { count: 50, exact: true }, doneCount: '20', filter: { lifecycleState: ['READY'], nameContains: 'old' } },
    { ...one, id: 'opr_4', status: 'CANCELLED', expectedCount: { count: 50, exact: true }, doneCount: '20', filter: { status: ['RUNNING'] } },
  ];
};

async function showsEachState(open, url) {
  const { post } = asks(url);
  const { operations } = await post('{ operations(first: 1) { nodes { id } } }');
  const looks = async (page, name, width, colorScheme) => {
    await nothingLiesOutside(page, `${name} at ${width}`);
    assert.deepEqual((await check(page)).violations, [], `${name} at ${width}, ${colorScheme}`);
    if (pictures) await page.screenshot({ path: `${pictures}/${name.replaceAll(' ', '-')}-${width}-${colorScheme}.png` });
  };
  for (const width of widths) {
    for (const colorScheme of themes) {
      const page = await open(`${url}/console/types`, { viewport: { width, height: 900 }, colorScheme });
      await answers(page, states);
      await page.goto(`${url}/console/operations`);
      await page.getByRole('row').getByText('Stopped').waitFor();
      for (const name of ['Running', 'Failed']) await page.getByRole('row').getByText(name, { exact: true }).first().waitFor();
      await looks(page, 'operations that go on', width, colorScheme);
      await page.goto(`${url}/console/operations/${operations.nodes[0].id}`);
      await page.getByText('1,100 of 4,000').waitFor();
      await page.getByText('The first 2 of 92 are shown.').waitFor();
      await looks(page, 'an operation that goes on', width, colorScheme);
      await page.unrouteAll({ behavior: 'ignoreErrors' });
      await answers(page, (all) => states(all).slice(2));
      await page.reload();
      await page.getByText('It could not go on').waitFor();
      await looks(page, 'an operation that failed', width, colorScheme);
      await page.unrouteAll({ behavior: 'ignoreErrors' });
      await answers(page, () => []);
      await page.goto(`${url}/console/operations`);
      await page.getByText('No operations yet').waitFor();
      await looks(page, 'no operations', width, colorScheme);
      await page.unrouteAll({ behavior: 'ignoreErrors' });
      await page.context().close();
    }
  }
}
