// What people do in the console, by the mouse and by keys alone, and what it says when something fails.

import assert from 'node:assert/strict';
import { asks } from './data.mjs';

// A form that is filled in, a cancellation, a repetition, a state that is edited, a key.
export async function works(open, url, { session, failed }) {
  await submitsByAForm(open, url);
  await cancelsAndRepeats(open, url, { session, failed });
  await editsAState(open, url, session);
  await makesAKey(open, url);
}

async function submitsByAForm(open, url) {
  const page = await open(`${url}/console/types/echo/new`);
  await page.getByLabel(/^message/).fill('by the form');
  await page.getByRole('tab', { name: 'JSON' }).click();
  const json = page.getByLabel('Parameters as JSON');
  assert.deepEqual(JSON.parse(await json.inputValue()), { delay_ms: 0, message: 'by the form' });
  await json.fill('{"message": 7}');
  await page.getByRole('tab', { name: 'Form' }).click();
  await page.getByRole('button', { name: 'Submit' }).click();
  await page.getByRole('alert').filter({ hasText: 'not of type' }).first().waitFor();
  await page.getByRole('tab', { name: 'JSON' }).click();
  await json.fill('{"message": "by the JSON"}');
  await page.getByRole('tab', { name: 'Form' }).click();
  assert.equal(await page.getByLabel(/^message/).inputValue(), 'by the JSON');
  await page.getByRole('button', { name: 'Submit' }).click();
  await page.waitForURL(/\/executions\/exe_/);
  await page.locator('main header .badge').getByText('Completed').waitFor();
  await page.getByRole('tab', { name: 'Input and result' }).click();
  await page.getByText('"by the JSON"').first().waitFor();
  await page.context().close();
}

async function cancelsAndRepeats(open, url, { session, failed }) {
  const { submit } = asks(url);
  const id = await submit(session, 'echo', { message: 'later' }, { runAt: '2099-01-01T00:00:00Z' });
  const page = await open(`${url}/console/executions/${id}`);
  await page.getByRole('button', { name: 'Cancel', exact: true }).click();
  await page.getByLabel('Reason').fill('not needed');
  await page.getByRole('button', { name: 'Cancel the execution' }).click();
  await page.locator('main header .badge').getByText('Cancelled').waitFor();
  await page.goto(`${url}/console/executions/${failed}`);
  await page.getByRole('button', { name: 'Run again' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Run again' }).click();
  await page.waitForURL((address) => /exe_/.test(address.pathname) && !address.pathname.endsWith(failed));
  await page.getByText('Re-run of').waitFor();
  await page.locator('main header .badge').getByText('Failed').waitFor();
  await page.context().close();
}

// What another one wrote meanwhile is never overwritten.
async function editsAState(open, url, session) {
  const { post } = asks(url);
  const page = await open(`${url}/console/sessions/${session}`);
  const field = page.getByLabel(/^State, from version/);
  await page.getByRole('button', { name: 'Edit' }).click();
  await field.fill('{"step": 2');
  await page.getByRole('button', { name: 'Write' }).click();
  await page.getByText('This is no JSON').waitFor();
  const other = 'mutation($input: SetSessionStateInput!) { setSessionState(input: $input) { errors { code } } }';
  await post(other, { input: { sessionId: session, state: { step: 9 }, ifVersion: '1' } });
  await field.fill('{"step": 2}');
  // The page may have read the newer state already; then there is nothing to press.
  await page.getByRole('button', { name: 'Write' }).click({ timeout: 2_000 }).catch(() => {});
  await page.getByText('The state has changed meanwhile').waitFor();
  assert.ok(await page.getByRole('button', { name: 'Write' }).isDisabled());
  await page.getByRole('button', { name: 'Begin with version 2' }).click();
  await field.fill('{"step": 3}');
  await page.getByRole('button', { name: 'Write' }).click();
  await page.getByText('State, version 3').waitFor();
  const { session: now } = await post('query($id: ID!) { session(id: $id) { state } }', { id: session });
  assert.deepEqual(now.state, { step: 3 });
  await page.context().close();
}

async function makesAKey(open, url) {
  const page = await open(`${url}/console/keys`);
  await page.getByRole('button', { name: 'Make a key' }).click();
  await page.getByLabel('Purpose').fill('of this test');
  await page.getByLabel('Scopes besides').fill('executions:read');
  await page.getByRole('button', { name: 'Make it' }).click();
  const text = await page.locator('.secret code').innerText();
  assert.match(text, /^tk_/);
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('row').filter({ hasText: 'of this test' }).getByText('Valid').waitFor();
  await page.getByRole('button', { name: 'Revoke' }).click();
  await page.getByRole('button', { name: 'Revoke it' }).click();
  await page.getByRole('row').filter({ hasText: 'of this test' }).getByText('Revoked').waitFor();
  await page.reload();
  await page.getByText('of this test').waitFor();
  assert.ok(!(await page.content()).includes(text), 'the key is shown again');
  await page.context().close();
}

// By keys alone: finds what failed, reads it, runs it again; the palette; the time zone.
export async function isUsedByKeys(open, url, { journey }) {
  const page = await open(`${url}/console/executions?status=FAILED&roots=1`);
  await page.locator('[role=row][data-at]').first().waitFor();
  await page.locator('[role=row][data-at]').first().focus();
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/executions\/exe_/);
  await page.getByText('CHILD_FAILED').first().waitFor();
  await page.getByRole('button', { name: 'Run again' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.keyboard.press('Control+k');
  await page.keyboard.type(journey);
  await page.getByRole('menuitem').first().waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.waitForURL(new RegExp(journey));
  // What the server finds by a name.
  await page.keyboard.press('Control+k');
  await page.keyboard.type('cities');
  await page.getByRole('menuitem').filter({ hasText: 'Artifact' }).first().waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/artifacts\/art_/);
  await page.goBack();
  await page.waitForURL(new RegExp(journey));
  const created = page.locator('dd time').first();
  await created.waitFor();
  // The browser of this test is in Kolkata.
  assert.match(await created.innerText(), /GMT\+5:30$/);
  await page.keyboard.press('t');
  assert.match(await created.innerText(), /UTC$/);
  await page.keyboard.press('g');
  await page.keyboard.press('a');
  await page.waitForURL(/\/artifacts$/);
  await page.context().close();
}

// An answer that fails looks like none that is empty, and one with a part missing says which.
export async function failsInWords(open, url, { journey }) {
  const page = await open(`${url}/console/types`);
  const answer = (body, status = 200) => page.route('**/graphql', (route) => {
    const isAsked = /executions\(first|Artifacts|execution\(id/.test(route.request().postData());
    return isAsked ? route.fulfill({ status, contentType: 'application/json', body: JSON.stringify(body) }) : route.continue();
  });
  await answer({ errors: [{ message: 'the database is away', extensions: { code: 'INTERNAL' } }] }, 500);
  for (const path of ['/executions', '/artifacts', `/executions/${journey}`]) {
    await page.goto(`${url}/console${path}`);
    await page.getByRole('alert').filter({ hasText: 'the database is away' }).first().waitFor();
    assert.equal(await page.getByText(/No executions yet|No artifacts yet|There is no such/).count(), 0);
  }
  // The feed has begun by then, and asks for nothing again by itself.
  await page.waitForLoadState('networkidle');
  await page.unroute('**/graphql');
  await page.getByRole('button', { name: 'Try again' }).first().click();
  await page.getByRole('treegrid').getByText('parse_content').waitFor();
  await page.route('**/graphql', async (route) => {
    const found = await route.fetch();
    const body = await found.json();
    if (body.data?.execution?.artifacts) {
      body.errors = [{ message: 'too slow', path: ['execution', 'error'], extensions: { code: 'TIMEOUT' } }];
    }
    await route.fulfill({ response: found, json: body });
  });
  await page.reload();
  await page.getByRole('alert').filter({ hasText: 'execution.error: too slow' }).waitFor();
  await page.getByRole('treegrid').getByText('parse_content').waitFor();
  await page.context().close();
}
