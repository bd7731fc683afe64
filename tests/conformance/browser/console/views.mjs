// Views with a name, two executions side by side, failures by cause, and views without the console around them.

import assert from 'node:assert/strict';
import { asks } from './data.mjs';

// A view is its address under a name: saved, opened from another one, found by the palette, shared, taken away.
export async function savesViews(open, url) {
  const page = await open(`${url}/console/executions?status=FAILED&roots=1`);
  await page.getByRole('button', { name: 'Views' }).click();
  await page.getByLabel('Save what is shown as').fill('broken roots');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: /Views.*broken roots/ }).waitFor();
  await page.goto(`${url}/console/executions?status=RUNNING&since=1h`);
  await page.getByRole('button', { name: 'Views', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'broken roots', exact: true }).click();
  await page.waitForURL((address) => address.search === '?status=FAILED&roots=1');
  await page.goto(`${url}/console/artifacts`);
  await page.getByRole('heading', { name: 'Artifacts' }).waitFor();
  await page.keyboard.press('Control+k');
  await page.keyboard.type('broken');
  await page.getByRole('menuitem', { name: /broken roots/ }).click();
  await page.waitForURL((address) => address.pathname.endsWith('/executions') && address.search === '?status=FAILED&roots=1');
  await page.reload();
  await page.getByRole('button', { name: /Views.*broken roots/ }).click();
  await page.getByRole('button', { name: 'Remove broken roots' }).click();
  await page.getByText('No view of this list is saved yet.').waitFor();
  assert.equal(await page.evaluate(() => localStorage.getItem('takeoff:console:views')), '[]');
  await page.context().close();
}

export async function comparesAndGroups(open, url, { session, journey, failed }) {
  const { submit, ended } = asks(url);
  const page = await open(`${url}/console/executions/${journey}`);
  await page.getByRole('link', { name: 'Compare' }).click();
  await page.getByRole('button', { name: `Compare with this one, ${failed}` }).click();
  await page.waitForURL((address) => address.search === `?a=${journey}&b=${failed}`);
  const row = (table, place) => page.getByRole('region', { name: table }).getByRole('row').filter({ hasText: place });
  await row('Parameters', 'filename').getByText('cities.csv').waitFor();
  await row('Parameters', 'filename').getByText('broken.json').waitFor();
  await row('Parameters', 'filename').getByText('differs').waitFor();
  assert.equal(await row('Parameters', 'journey_id').count(), 0, 'what is the same is shown before it is asked for');
  await row('Facts and timing', 'Status').getByText('Failed').waitFor();
  await row('Facts and timing', 'Error').getByText('CHILD_FAILED').waitFor();
  await page.getByRole('button', { name: 'What is the same, too' }).click();
  await row('Parameters', 'journey_id').getByText('same').waitFor();
  await page.getByRole('button', { name: 'Swap' }).click();
  await page.waitForURL((address) => address.searchParams.get('a') === failed);

  // Failures that differ in numbers alone have one cause.
  for (const content of ['{"a": [1, 2', '{"b": [1, 2, 3']) {
    const id = await submit(session, 'compose_journey', { journey_id: 'content_pipeline', filename: 'broken.json', content });
    assert.equal(await ended(id), 'FAILED');
  }
  await page.goto(`${url}/console/failures?type=parse_content`);
  const cause = page.getByRole('grid', { name: 'Failures' }).getByRole('row').filter({ hasText: 'MALFORMED_JSON' });
  await cause.waitFor();
  assert.equal(await cause.count(), 1);
  assert.ok(Number(await cause.getByRole('gridcell').first().innerText()) >= 3);
  await cause.click();
  await page.waitForURL(/sel=/);
  const selected = page.getByRole('complementary', { name: 'Selected' });
  const link = selected.getByRole('link').first();
  await link.waitFor();
  await page.reload();
  await link.click();
  await page.getByText('MALFORMED_JSON').first().waitFor();
  await page.context().close();
}

// No navigation, no palette; what is selected is in the address; another page is opened beside it.
export async function embeds(open, url, { journey, artifact }) {
  const page = await open(`${url}/console/embed/execution/${journey}?theme=dark`);
  await page.getByRole('treegrid').getByText('parse_content').waitFor();
  assert.equal(await page.getByRole('navigation').count(), 0);
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  await page.locator('[role=status]').getByText('Live').waitFor();
  await page.getByRole('treegrid').getByText('compose_journey').click();
  await page.waitForURL(/at=exe/);
  const [other] = await Promise.all([
    page.context().waitForEvent('page'),
    page.getByRole('treegrid').getByRole('link', { name: 'parse_content' }).click(),
  ]);
  await other.waitForURL(/\/console\/executions\/exe_/);
  assert.match(page.url(), /\/embed\/execution\//);
  await page.goto(`${url}/console/embed/lineage/${artifact}`);
  await page.getByText('3 artifacts, 2 edges').waitFor();
  await page.getByRole('application').waitFor();
  assert.equal(await page.getByRole('navigation').count(), 0);
  await page.context().close();
}
