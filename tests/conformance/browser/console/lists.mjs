// A list of thousands, walked by its keys.

import assert from 'node:assert/strict';
import { asks } from './data.mjs';

const limitMs = 240_000;

export async function walksTheList(open, url, { session }) {
  const { post } = asks(url);
  const intents = Array.from({ length: 1_000 }, (_, at) => ({
    sessionId: session, intentType: 'echo', parameters: { message: `row ${at}` }, runAt: '2099-01-01T00:00:00Z',
  }));
  const query = 'mutation($input: SubmitIntentsInput!) { submitIntents(input: $input) { errors { code } results { errors { code } } } }';
  for (let part = 0; part < 2; part += 1) await post(query, { input: { intents } });
  const address = `${url}/console/executions?status=CREATED`;
  await scrollsFar(open, address);
  await keepsTheFocus(open, address);
  await keepsTheFocusWhenItStops(open, address);
  await handsTheFocusOn(open, url, session);
  await stopsWhereAPageFails(open, address);
}

const rowsOf = (page) => page.locator('[role=row][data-at]');

// To its end, page by page; few rows are in the document.
async function scrollsFar(open, address) {
  const page = await open(address);
  const rows = rowsOf(page);
  await rows.first().focus();
  let last = 0;
  const deadline = Date.now() + limitMs;
  while (last < 2_000) {
    await page.keyboard.press('End');
    await page.waitForTimeout(50);
    last = Math.max(...(await rows.evaluateAll((all) => all.map((row) => Number(row.dataset.at)))), last);
    const inDocument = await rows.count();
    assert.ok(inDocument <= 80, `${inDocument} rows are in the document`);
    assert.ok(Date.now() < deadline, `row ${last} is the last one`);
  }
  await page.context().close();
}

// A row that has the focus keeps it, and with it the keys of the list, wherever the list is scrolled meanwhile.
async function keepsTheFocus(open, address) {
  const page = await open(address);
  await rowsOf(page).first().focus();
  await page.keyboard.press('j');
  const isAt = (place) => page.waitForFunction((at) => document.activeElement?.dataset.at === at, place);
  await isAt('1');
  await page.locator('.grid .scroller').evaluate((scroller) => scroller.scrollTo(0, scroller.scrollHeight));
  await page.locator('[data-at="90"]').waitFor();
  await page.locator('[data-at="0"]').waitFor({ state: 'detached' });
  await isAt('1');
  await page.keyboard.press('j');
  await isAt('2');
  await page.waitForFunction(() => document.querySelector('.grid .scroller').scrollTop < 100);
  await page.context().close();
}

// A key that is pressed as the list comes to rest, on a page that is busy: what is in view is rendered later than the next
// frame then.
async function keepsTheFocusWhenItStops(open, address) {
  const page = await open(address);
  await page.addInitScript(() => {
    const { postMessage } = MessagePort.prototype;
    MessagePort.prototype.postMessage = function later(...message) {
      setTimeout(() => postMessage.apply(this, message), 40);
    };
  });
  await page.reload();
  await rowsOf(page).first().focus();
  await page.keyboard.press('j');
  for (let round = 0; round < 16; round += 1) {
    const key = round % 2 === 0 ? 'End' : 'Home';
    await page.locator('.grid .scroller').evaluate((scroller, pressed) => new Promise((resolve) => {
      const press = () => {
        document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: pressed, bubbles: true, cancelable: true }));
        // The list takes 150 ms without a move for its rest.
        const since = performance.now();
        while (performance.now() - since < 8);
        setTimeout(resolve, 100);
      };
      scroller.addEventListener('scroll', () => setTimeout(press, 146), { once: true });
      scroller.scrollTop += scroller.scrollTop > 100 ? -1 : 1;
    }), key);
    const has = await page.evaluate(() => document.activeElement.getAttribute('role'));
    assert.equal(has, 'row', `the focus is lost after ${key}, round ${round}`);
  }
  await page.context().close();
}

// A row that leaves the list while it has the focus leaves it to the one in its place.
async function handsTheFocusOn(open, url, session) {
  const { submit, cancel } = asks(url);
  const ids = [];
  for (const message of ['one', 'two', 'three']) ids.push(await submit(session, 'echo', { message }, { runAt: '2099-01-01T00:00:00Z' }));
  const page = await open(`${url}/console/executions?status=CREATED`);
  const rowOf = (id) => page.locator('[role=row][data-at]').filter({ has: page.locator(`a[href$="${id}"]`) });
  await page.locator('header [role=status]').getByText('Live').waitFor();
  await rowOf(ids[1]).focus();
  await cancel(ids[1]);
  await rowOf(ids[1]).waitFor({ state: 'detached' });
  const has = (id) => page.waitForFunction((one) => document.activeElement.matches(`[role=row]:has(a[href$="${one}"])`), id);
  await has(ids[0]);
  await page.keyboard.press('k');
  await has(ids[2]);
  await page.context().close();
}

// What could not be loaded is said, and is not asked for again and again.
async function stopsWhereAPageFails(open, address) {
  const page = await open(address);
  await rowsOf(page).first().focus();
  let asked = 0;
  await page.route('**/graphql', (route) => {
    const { query, variables } = route.request().postDataJSON();
    if (!/executions\(first/.test(query) || !variables.after) return route.continue();
    asked += 1;
    const body = { errors: [{ message: 'the database is away', extensions: { code: 'INTERNAL' } }] };
    return route.fulfill({ status: 500, contentType: 'application/json', body: JSON.stringify(body) });
  });
  await page.keyboard.press('End');
  const alert = page.getByRole('alert').filter({ hasText: 'the database is away' });
  await alert.waitFor();
  await page.waitForTimeout(1_000);
  assert.ok(asked <= 2, `it is asked for ${asked} times`);
  await page.unroute('**/graphql');
  await alert.getByRole('button', { name: 'Try again' }).click();
  await alert.waitFor({ state: 'detached' });
  await page.locator('[data-at="105"]').waitFor();
  await page.locator('[role=row][aria-selected=true]').focus();
  await page.keyboard.press('End');
  await page.locator('[data-at="199"]').waitFor();
  await page.context().close();
}
