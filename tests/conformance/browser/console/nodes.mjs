// Nodes: what each tells of itself, and one that is drained and takes work again.

import assert from 'node:assert/strict';
import { asks } from './data.mjs';
import { check, nothingLiesOutside, themes, widths } from './look.mjs';

const pictures = process.env.CONSOLE_SCREENSHOTS;

export async function operatesNodes(open, url) {
  await drains(open, url);
  await saysWhyItIsRefused(open, url);
  await showsAFleet(open, url);
}

async function drains(open, url) {
  const { post } = asks(url);
  const page = await open(`${url}/console/runtime`);
  const row = page.getByRole('region', { name: 'Nodes' }).getByRole('row').nth(1);
  await row.getByText('Active').waitFor();
  await row.getByRole('button', { name: /^Drain/ }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('No other node takes executions').waitFor();
  await dialog.getByLabel('What runs there').selectOption('later');
  const minutes = dialog.getByLabel('Minutes');
  await minutes.fill('many');
  await dialog.getByText('A number from 0 to 1440.').waitFor();
  assert.ok(await dialog.getByRole('button', { name: 'Drain it' }).isDisabled());
  await minutes.fill('5');
  await dialog.getByRole('button', { name: 'Drain it' }).click();
  await dialog.waitFor({ state: 'detached' });
  await row.getByText('Drained').waitFor();
  const { runtime } = await post('{ runtime { nodes { state drainRequestedAt handOverAt } } }');
  const [node] = runtime.nodes;
  const length = Date.parse(node.handOverAt) - Date.parse(node.drainRequestedAt);
  assert.ok(Math.abs(length - 300_000) < 5_000, `it hands over after ${length} ms`);
  await row.getByRole('button', { name: /^Undrain/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Undrain it' }).click();
  await row.getByText('Active').waitFor();
  const after = await post('{ runtime { nodes { state drainRequestedAt } } }');
  assert.deepEqual(after.runtime.nodes, [{ state: 'ACTIVE', drainRequestedAt: null }]);
  await page.context().close();
}

// A node that is gone by then: the dialog stays, and says so.
async function saysWhyItIsRefused(open, url) {
  const page = await open(`${url}/console/runtime`);
  await page.getByRole('button', { name: /^Drain/ }).click();
  await page.route('**/graphql', async (route) => {
    const asked = route.request().postDataJSON();
    if (!/drainNode/.test(asked.query)) return route.continue();
    const variables = { input: { ...asked.variables.input, id: 'nod_01m8n6jc16ehh8g4sbr0kdbqt9' } };
    return route.continue({ postData: JSON.stringify({ ...asked, variables }) });
  });
  await page.getByRole('button', { name: 'Drain it' }).click();
  await page.getByRole('dialog').getByRole('alert').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('row').getByText('Active').waitFor();
  await page.context().close();
}

const ago = (seconds) => new Date(Date.now() - seconds * 1_000).toISOString();

// Four nodes in each of the states that there are.
async function showsAFleet(open, url) {
  const fleet = (one) => [
    { ...one, labels: [{ name: 'gpu', value: 'true' }, { name: 'zone', value: 'a' }], running: 317 },
    { ...one, id: 'nod_2', name: 'worker-2.eu-central.example.com', isThis: false, state: 'DRAINING', drainRequestedAt: ago(90), handOverAt: ago(-510) },
    { ...one, id: 'nod_3', name: 'worker-3', isThis: false, state: 'DRAINED', drainRequestedAt: ago(900) },
    { ...one, id: 'nod_4', name: 'worker-4', isThis: false, state: 'DRAINING', heartbeatAt: null },
  ];
  for (const width of widths) {
    for (const colorScheme of themes) {
      const page = await open(`${url}/console/types`, { viewport: { width, height: 900 }, colorScheme });
      await page.route('**/graphql', async (route) => {
        const found = await route.fetch();
        const body = await found.json();
        if (body.data?.runtime) body.data.runtime.nodes = fleet(body.data.runtime.nodes[0]);
        await route.fulfill({ response: found, json: body });
      });
      await page.goto(`${url}/console/runtime`);
      const row = (name) => page.getByRole('row').filter({ hasText: name });
      await row('worker-2').getByText('hands over in 8 min').waitFor();
      await row('worker-4').getByText('it stops').waitFor();
      await row('gpu=true').getByText('zone=a').waitFor();
      assert.equal(await page.getByRole('button', { name: /^Undrain/ }).count(), 2);
      assert.equal(await page.getByRole('button', { name: /^Drain/ }).count(), 1);
      await page.getByText('1 of them take work').waitFor();
      await nothingLiesOutside(page, `a fleet at ${width}`);
      assert.deepEqual((await check(page)).violations, [], `a fleet at ${width}, ${colorScheme}`);
      if (pictures) await page.screenshot({ path: `${pictures}/a-fleet-${width}-${colorScheme}.png` });
      await page.unrouteAll({ behavior: 'ignoreErrors' });
      await page.context().close();
    }
  }
}
