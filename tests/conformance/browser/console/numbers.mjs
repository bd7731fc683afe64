// Numbers of the server over time, its groups of failures, its timeline and its events from both ends; the filters of the
// list of executions; and large values.

import assert from 'node:assert/strict';
import { asks } from './data.mjs';

export async function countsAndFilters(open, url, made) {
  await counts(open, url, made);
  await saysWhatIsMissing(open, url);
  await readsEventsFromBothEnds(open, url, made);
  await waitsAndAttemptsAreShown(open, url, made);
  await filtersTheList(open, url, made);
  await showsTheBeginningOfWhatIsLarge(open, url, made);
}

// The overview has the numbers that the API has, as a picture and as a table, and they change as work does.
async function counts(open, url, { session }) {
  const { post, submit, ended } = asks(url);
  const page = await open(`${url}/console?type=echo`);
  const row = page.getByRole('region', { name: 'By intent' }).getByRole('row').filter({ hasText: 'echo' });
  await row.waitFor();
  const submitted = async () => Number((await row.getByRole('cell').nth(1).innerText()).replaceAll(',', ''));
  const query = 'query($filter: ExecutionStatsFilter!) { executionStats(filter: $filter, bucket: HOUR) { points { accepted } } }';
  const filter = { after: new Date(Date.now() - 23 * 3_600_000).toISOString(), intentType: ['echo'] };
  const { executionStats } = await post(query, { filter });
  const before = executionStats.points.reduce((sum, { accepted }) => sum + Number(accepted), 0);
  assert.equal(await submitted(), before);
  await page.getByRole('img', { name: new RegExp(`${before} submitted`) }).waitFor();
  assert.equal(await ended(await submit(session, 'echo', { message: 'one more' })), 'COMPLETED');
  await page.getByRole('img', { name: new RegExp(`${before + 1} submitted`) }).waitFor();
  assert.equal(await submitted(), before + 1);

  await page.getByRole('button', { name: /^As/ }).click();
  await page.getByRole('menuitemradio', { name: 'table' }).click();
  await page.waitForURL(/view=table/);
  const table = page.getByRole('region', { name: 'Executions over time' }).getByRole('table').first();
  await table.getByRole('row').nth(1).waitFor();
  const cells = await table.getByRole('row').evaluateAll((all) => all.slice(1).map((one) => Number(one.cells[1].textContent.replaceAll(',', ''))));
  assert.equal(cells.reduce((sum, count) => sum + count, 0), before + 1);
  await page.goto(`${url}/console`);
  await page.getByRole('link', { name: 'MALFORMED_JSON' }).click();
  await page.waitForURL((address) => address.searchParams.get('sel') === 'parse_content:MALFORMED_JSON');
  await page.getByRole('complementary', { name: 'Selected' }).getByRole('link', { name: 'All of them' }).click();
  await page.waitForURL(/code=MALFORMED_JSON/);
  await page.getByRole('grid', { name: 'Executions' }).getByText('MALFORMED_JSON').first().waitFor();
  await page.context().close();
}

// Numbers that cannot be had are not those of an installation where nothing happens.
async function saysWhatIsMissing(open, url) {
  const page = await open(`${url}/console/types`);
  await page.route('**/graphql', (route) => {
    const isAsked = /executionStats|failureGroups/.test(route.request().postData());
    const body = { errors: [{ message: 'the database is away', extensions: { code: 'INTERNAL' } }] };
    return isAsked ? route.fulfill({ status: 500, contentType: 'application/json', body: JSON.stringify(body) }) : route.continue();
  });
  await page.goto(`${url}/console`);
  await page.getByRole('alert').filter({ hasText: 'the database is away' }).nth(1).waitFor();
  await page.getByRole('region', { name: 'Running now' }).waitFor();
  assert.equal(await page.getByText(/Nothing was submitted|Nothing has failed/).count(), 0);
  await page.goto(`${url}/console/failures`);
  await page.getByRole('alert').filter({ hasText: 'the database is away' }).waitFor();
  assert.equal(await page.getByText('Nothing has failed').count(), 0);
  await page.context().close();
}

async function readsEventsFromBothEnds(open, url, { journey }) {
  const page = await open(`${url}/console/executions/${journey}?tab=events`);
  const first = page.getByRole('grid', { name: 'Events' }).locator('[role=row][data-at="0"]');
  await first.getByText('execution.completed').waitFor();
  await page.getByRole('button', { name: /^Order/ }).click();
  await page.getByRole('menuitemradio', { name: 'oldest first' }).click();
  await first.getByText('execution.created').waitFor();
  await page.waitForURL(/order=oldest/);
  await page.getByRole('button', { name: /^Type/ }).click();
  await page.getByRole('menuitemcheckbox', { name: 'child.submitted' }).click();
  await page.keyboard.press('Escape');
  await first.getByText('ingest_file').waitFor();
  assert.equal(await page.getByText('progress.reported').count(), 0);
  await page.reload();
  await first.getByText('ingest_file').waitFor();
  await page.context().close();
}

// What comes while its events are looked at is put before the others, and what it waits for is in the timeline.
async function waitsAndAttemptsAreShown(open, url, { session }) {
  const { submit, cancel } = asks(url);
  const id = await submit(session, 'echo', { message: 'later' }, { runAt: '2099-01-01T00:00:00Z' });
  const page = await open(`${url}/console/executions/${id}?tab=events`);
  const first = page.getByRole('grid', { name: 'Events' }).locator('[role=row][data-at="0"]');
  await first.getByText('execution.created').waitFor();
  await cancel(id);
  await first.getByText('execution.cancelled').waitFor();
  assert.equal(await page.getByText('execution.created').count(), 1);
  await page.context().close();
}

async function filtersTheList(open, url, { failed }) {
  const { post, session, ended } = asks(url);
  const query = 'mutation($input: RerunExecutionInput!) { rerunExecution(input: $input) { execution { id } } }';
  const { rerunExecution } = await post(query, { input: { executionId: failed, idempotencyKey: crypto.randomUUID() } });
  const again = rerunExecution.execution.id;
  assert.equal(await ended(again), 'FAILED');
  const page = await open(`${url}/console/executions`);
  const ids = () => page.locator('[role=row][data-at] a[href*="/executions/"]').evaluateAll((all) => all.map((one) => one.href.split('/').at(-1)));
  const until = (test) => page.waitForFunction(test);
  await page.getByRole('button', { name: 'More filters' }).click();
  const field = page.getByLabel('Re-run of');
  await field.fill(failed);
  await field.press('Enter');
  await page.waitForURL((address) => address.searchParams.get('rerun') === failed);
  await page.locator(`a[href$="${again}"]`).waitFor();
  await until(() => [...document.querySelectorAll('[role=row][data-at]')].every((row) => row.textContent.includes('compose_journey')));
  assert.ok((await ids()).includes(again));

  await page.goto(`${url}/console/executions`);
  await page.getByRole('button', { name: 'More filters' }).click();
  await page.getByLabel('Error codes').fill('MALFORMED_JSON');
  await page.getByLabel('Error codes').press('Enter');
  await page.waitForURL(/code=MALFORMED_JSON/);
  await page.getByRole('button', { name: /^Order/ }).click();
  await page.getByRole('menuitemradio', { name: 'ended last first' }).click();
  await page.waitForURL(/order=ended/);
  await page.getByRole('button', { name: /^Ended/ }).click();
  await page.getByRole('menuitemradio', { name: 'last hour' }).click();
  await page.waitForURL(/finished=1h/);
  const { executions } = await post(
    'query($filter: ExecutionFilter) { executions(first: 100, filter: $filter, orderBy: LAST_FINISHED_FIRST) { nodes { id } } }',
    { filter: { errorCode: ['MALFORMED_JSON'] } },
  );
  const expected = executions.nodes.map(({ id }) => id);
  await page.locator(`a[href$="${expected[0]}"]`).waitFor();
  assert.deepEqual(await ids(), expected.slice(0, (await ids()).length));

  await showsWhatAViewSets(page, url);
  await page.goto(`${url}/console/executions?waiting=SCHEDULE`);
  await page.locator('[role=row][data-at]').first().waitFor();
  assert.ok((await page.locator('[role=row][data-at] small').allInnerTexts()).every((text) => text === 'waits for its time'));
  const nothing = await session({});
  await page.goto(`${url}/console/executions?handler=nobody&session=${nothing}`);
  await page.getByText('No execution fits').waitFor();
  await page.getByRole('button', { name: 'Clear the filters' }).click();
  await page.waitForURL((address) => address.search === '');
  await page.context().close();
}

// A filter that is set by another address of the same page is shown, too.
async function showsWhatAViewSets(page, url) {
  await page.goto(`${url}/console/executions?code=MALFORMED_JSON`);
  await page.getByRole('button', { name: 'Views' }).click();
  await page.getByLabel('Save what is shown as').fill('malformed');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: /Views.*malformed/ }).waitFor();
  await page.goto(`${url}/console/executions`);
  await page.getByRole('button', { name: 'More filters' }).waitFor();
  await page.getByRole('button', { name: 'Views', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'malformed', exact: true }).click();
  await page.waitForURL(/code=MALFORMED_JSON/);
  const field = page.getByRole('textbox', { name: 'Error codes' });
  await field.waitFor();
  assert.equal(await field.inputValue(), 'MALFORMED_JSON');
}

// A large value is loaded when it is asked for; until then its beginning is there, and its size.
async function showsTheBeginningOfWhatIsLarge(open, url, { session }) {
  const { submit, ended } = asks(url);
  const message = 'long '.repeat(12_000);
  const id = await submit(session, 'echo', { message });
  assert.equal(await ended(id), 'COMPLETED');
  const page = await open(`${url}/console/executions/${id}?tab=data`);
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  const panel = page.getByRole('region', { name: 'Parameters' });
  await panel.getByText('The first 19.5 KiB of 58.6 KiB').waitFor();
  const shown = await panel.locator('pre').innerText();
  assert.ok(shown.startsWith('{"message":"long ') && shown.length <= 20_001, shown.slice(0, 40));
  const link = await panel.getByRole('link', { name: 'Save' }).getAttribute('href');
  assert.deepEqual(await (await fetch(link)).json(), { message });
  assert.deepEqual(asked.filter((address) => address.includes('/payload')), []);
  await panel.getByRole('button', { name: 'Load all' }).click();
  await panel.getByRole('button', { name: 'Copy parameters' }).waitFor();
  await panel.getByRole('button', { name: 'Show all' }).click();
  await page.waitForFunction((least) => document.querySelector('pre').innerText.length >= least, message.length);
  await page.context().close();
}
