// The console in Chromium, with every other host blocked: each page in both themes and at the widths of a desk, a tablet and
// a telephone, without an error, a breach of its policy, something outside of its width, or a violation of WCAG 2.2 AA; what
// a reload keeps; rows that change by push; a server that is killed and comes back; a path prefix; frames of other pages; a
// server that wants proofs; a login at a real issuer. It starts servers of its own.
//
//   CONSOLE_SCREENSHOTS=folder   keeps a picture of each page, width and theme

import assert from 'node:assert/strict';
import { asks, seed } from './console/data.mjs';
import { browse } from './console/browser.mjs';
import { framed } from './console/frames.mjs';
import { logsInAtAnIssuer } from './console/issuer.mjs';
import { walksTheList } from './console/lists.mjs';
import { logsIn } from './console/login.mjs';
import { check, nothingLiesOutside, shows, themes, widths } from './console/look.mjs';
import { operatesNodes } from './console/nodes.mjs';
import { countsAndFilters } from './console/numbers.mjs';
import { changesAll } from './console/operations.mjs';
import { schedules } from './console/schedules.mjs';
import { startProxy, startServer } from './console/servers.mjs';
import { failsInWords, isUsedByKeys, works } from './console/tasks.mjs';
import { comparesAndGroups, embeds, savesViews } from './console/views.mjs';
import { webhooks } from './console/webhooks.mjs';

const pictures = process.env.CONSOLE_SCREENSHOTS;

const server = await startServer({ settings: { TAKEOFF_WEBHOOKS_ALLOW_PRIVATE_ADDRESSES: 'true', TAKEOFF_WEBHOOKS_FIRST_RETRY_MS: '300' } });
const { open, close, broken } = await browse();
let proxy;
try {
  const made = await seed(server.url);
  const pages = pagesOf(made);
  await looks(pages);
  await keepsItsView(pages);
  proxy = await startProxy(server.url, '/a/b');
  await worksBelowAPrefix(pages, proxy);
  await opensOverIt(made);
  await isPushed(made);
  await walksTheList(open, server.url, made);
  await works(open, server.url, made);
  await schedules(open, server.url, made);
  await savesViews(open, server.url);
  await comparesAndGroups(open, server.url, made);
  await embeds(open, server.url, made);
  await countsAndFilters(open, server.url, made);
  await operatesNodes(open, server.url);
  await isUsedByKeys(open, server.url, made);
  await failsInWords(open, server.url, made);
  await changesAll(open, server.url);
  await webhooks(open, server.url);
  await survivesAKill(made);
  await framed(open, server.url, made);
  await logsIn(open);
  await logsInAtAnIssuer(open);
  assert.deepEqual(broken, [], 'the console broke');
  console.log(`${pages.length} pages: as they should be`);
} finally {
  await close();
  await proxy?.stop();
  await server.stop();
}

// Each page: a name, its address below /console, and a text that it shows.
function pagesOf({ journey, failed, session, artifact, schedule, fired, operation, webhook }) {
  return [
    ['overview', '', 'What failed in the last day'],
    ['overview, table', '?view=table&since=1h', 'From'],
    ['overview, nothing', '?since=1h&type=get_parsed_file', 'Nothing was submitted'],
    ['executions', '/executions', 'echo'],
    ['executions of a filter', '/executions?status=FAILED&roots=1', 'MALFORMED_JSON'],
    ['executions, none', '/executions?key=nobody', 'No execution fits'],
    ['executions, all filters', '/executions?code=CHILD_FAILED&finished=1d&order=ended', 'CHILD_FAILED'],
    ['execution', `/executions/${journey}`, 'parse_content'],
    ['execution, failed', `/executions/${failed}`, 'CHILD_FAILED'],
    ['execution, events', `/executions/${journey}?tab=events`, 'execution.completed'],
    ['execution, events of a type', `/executions/${journey}?tab=events&type=child.submitted&order=oldest`, 'ingest_file'],
    ['execution, no events', `/executions/${journey}?tab=events&type=execution.failed`, 'No event of these types'],
    ['execution, data', `/executions/${journey}?tab=data`, 'content_pipeline'],
    ['execution, artifacts', `/executions/${failed}?tab=artifacts`, 'No artifacts'],
    ['execution, of a schedule', `/executions/${fired}`, 'Its time'],
    ['compare', `/compare?a=${journey}&b=${failed}`, 'places differ'],
    ['compare, all', `/compare?a=${journey}&b=${failed}&all=1`, 'Submitted by'],
    ['compare, one', `/compare?a=${journey}`, 'Compare with this one'],
    ['compare, none', '/compare', 'Which executions?'],
    ['failures', '/failures', 'CHILD_FAILED'],
    ['failures, one', '/failures?sel=parse_content:MALFORMED_JSON', 'All of them'],
    ['failures, none', '/failures?type=echo', 'Nothing has failed'],
    ['schedules', '/schedules', 'nightly'],
    ['schedules, none', '/schedules?status=PAUSED', 'No schedule fits'],
    ['schedule', `/schedules/${schedule}`, 'Next times'],
    ['schedule, new', '/schedules/new?type=echo', 'While another one runs'],
    ['schedule, like another', `/schedules/new?from=${schedule}&type=echo`, 'Time zone of the expression'],
    ['operations', '/operations', 'Cancel executions'],
    ['operation', `/operations/${operation}`, 'Nothing to do any more'],
    ['operation, absent', '/operations/opr_01m8n6jc16ehh8g4sbr0kdbqt9', 'There is no such operation'],
    ['webhooks', '/webhooks', 'orders'],
    ['webhook', `/webhooks/${webhook}`, 'What is sent where'],
    ['webhook, new', '/webhooks/new', 'Where events go, and which'],
    ['webhook, absent', '/webhooks/whk_01m8n6jc16ehh8g4sbr0kdbqt9', 'There is no such webhook'],
    ['artifacts', '/artifacts', 'parsed_content'],
    ['artifact', `/artifacts/${artifact}`, 'Made from'],
    ['artifact, content', `/artifacts/${artifact}?tab=content`, 'Malmö'],
    ['artifact, history', `/artifacts/${artifact}?tab=history`, 'registered'],
    ['lineage', `/lineage?root=${artifact}&sel=${artifact}`, '3 artifacts, 2 edges'],
    ['lineage, table', `/lineage?root=${artifact}&view=table`, 'where the walk began'],
    ['lineage of nothing', '/lineage', 'Which artifact?'],
    ['sessions', '/sessions', 'ann'],
    ['session', `/sessions/${session}`, 'version 1'],
    ['types', '/types', 'Parses a file'],
    ['submit', '/types/parse_content/new', 'parse_options'],
    ['submit, as JSON', '/types/echo/new?view=json', 'Parameters as JSON'],
    ['submit again', `/types/compose_journey/new?from=${journey}`, 'with the parameters of'],
    ['runtime', '/runtime', 'answers'],
    ['keys', '/keys', 'No keys yet'],
    ['log', '/log', 'session.created'],
    ['an id', `/go/${journey}`, 'parse_content'],
    ['an id of an operation', `/go/${operation}`, 'Nothing to do any more'],
    ['an id of a webhook', `/go/${webhook}`, 'What is sent where'],
    ['embedded execution', `/embed/execution/${journey}`, 'parse_content'],
    ['embedded lineage', `/embed/lineage/${artifact}?theme=dark&view=table`, 'where the walk began'],
    ['nothing', '/nowhere', 'There is no such page'],
    ['an address that is not understood', '/executions?status=FINE&colour=blue', 'status, colour'],
    ['execution, absent', '/executions/exe_01m8n6jc16ehh8g4sbr0kdbqt9', 'There is no such execution'],
  ];
}

async function looks(pages) {
  for (const width of widths) {
    for (const colorScheme of themes) {
      const page = await open(`${server.url}/console`, { viewport: { width, height: 900 }, colorScheme });
      for (const [name, path, text] of pages) {
        const where = `${name} at ${width}, ${colorScheme}`;
        await page.goto(`${server.url}/console${path}`);
        await shows(page, text, where);
        await nothingLiesOutside(page, where);
        const { violations } = await check(page);
        assert.deepEqual(violations, [], where);
        assert.deepEqual(broken, [], where);
        if (pictures) await page.screenshot({ path: `${pictures}/${name.replaceAll(/\W+/g, '-')}-${width}-${colorScheme}.png` });
      }
      await page.context().close();
    }
  }
}

// The palette, the settings, the menu of a filter, a dialog, and the pages of a telephone.
async function opensOverIt({ failed, schedule, webhook }) {
  const over = [
    ['the palette', '/executions', (page) => page.keyboard.press('Control+k'), 'Overview'],
    ['the settings', '/executions', (page) => page.getByRole('button', { name: 'Settings' }).click(), 'Keys of single letters'],
    ['the menu of a filter', '/executions', (page) => page.getByRole('button', { name: 'Status' }).click(), 'Cancelled'],
    ['saved views', '/executions?status=FAILED', (page) => page.getByRole('button', { name: 'Views' }).click(), 'Save what is shown as'],
    ['a dialog of two times', `/schedules/${schedule}`, (page) => page.getByRole('button', { name: 'Backfill' }).click(), 'Put them into the queue'],
    ['a bulk operation', '/executions?roots=1', (page) => page.getByRole('button', { name: 'Cancel all that match' }).click(), 'would be cancelled'],
    ['a bulk operation on a telephone', '/executions', (page) => page.getByRole('button', { name: 'Run all again' }).click(), 'No filter is set', 390],
    ['a webhook that is changed', `/webhooks/${webhook}`, (page) => page.getByRole('button', { name: 'Change' }).click(), 'Events of handlers'],
    ['a webhook that goes back', `/webhooks/${webhook}`, (page) => page.getByRole('button', { name: 'Redeliver' }).click(), 'Deliver from there'],
    ['a dialog', `/executions/${failed}`, (page) => page.getByRole('button', { name: 'Run again' }).click(), 'A new execution of the same intent'],
    ['the pages of a telephone', '/executions', (page) => page.getByRole('button', { name: 'Pages' }).click(), 'Runtime', 390],
  ];
  for (const [name, path, press, text, width = 1440] of over) {
    for (const colorScheme of themes) {
      const page = await open(`${server.url}/console${path}`, { viewport: { width, height: 900 }, colorScheme });
      await page.locator('header [role=status]').getByText('Live').waitFor();
      await page.waitForLoadState('networkidle');
      await press(page);
      await page.getByRole('dialog').or(page.getByRole('menu')).getByText(text).first().waitFor();
      assert.deepEqual((await check(page)).violations, [], `${name}, ${colorScheme}`);
      if (pictures) await page.screenshot({ path: `${pictures}/${name.replaceAll(' ', '-')}-${width}-${colorScheme}.png` });
      await page.context().close();
    }
  }
}

// The same view after a reload: by what assistive technology is told, without times that run. What was not understood is
// told once, and is no longer in the address then.
async function keepsItsView(pages) {
  const told = async (page, text) => {
    await shows(page, text, 'a reload');
    await page.waitForLoadState('networkidle');
    await page.waitForFunction(() => !document.querySelector('main').textContent.includes('Loading'));
    const tree = (await page.locator('main').ariaSnapshot()).replaceAll(/\?expires=\S+/g, '');
    return tree.replaceAll(/(?:in )?\d+ (?:s|min|h|d)(?: ago)?|now/g, 'ago').replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'a key');
  };
  for (const [name, path, text] of pages.filter(([name]) => name !== 'an address that is not understood')) {
    const page = await open(`${server.url}/console${path}`);
    const before = await told(page, text);
    await page.reload();
    assert.equal(await told(page, text), before, name);
    await page.context().close();
  }
}

// A filter that is chosen is in the address, a row comes by push and changes by push, and nothing is asked for again and
// again meanwhile.
async function isPushed({ session }) {
  const page = await open(`${server.url}/console/executions`);
  await shows(page, 'echo', 'the list');
  await page.getByRole('button', { name: 'Status' }).click();
  await page.getByRole('menuitemcheckbox', { name: 'Created' }).click();
  await page.keyboard.press('Escape');
  await page.waitForURL(/status=CREATED/);
  const rows = () => page.locator('[role=row][data-at]').count();
  await page.locator('[role=row][data-at]').first().waitFor();
  const before = await rows();
  let asked = 0;
  page.on('request', (request) => request.url().endsWith('/graphql') && (asked += 1));
  const { submit, cancel } = asks(server.url);
  const id = await submit(session, 'echo', { message: 'later' }, { runAt: '2099-01-01T00:00:00Z' });
  await page.locator(`a[href$="${id}"]`).waitFor();
  assert.equal(await rows(), before + 1);
  await cancel(id);
  await page.locator(`a[href$="${id}"]`).waitFor({ state: 'detached' });
  assert.ok(asked <= 4, `${asked} requests for two changes`);
  await page.context().close();
}

async function survivesAKill({ session }) {
  const { submit } = asks(server.url);
  const page = await open(`${server.url}/console/executions?roots=1`);
  const pill = page.locator('header [role=status]');
  await pill.getByText('Live').waitFor();
  await page.locator('[role=row][data-at]').first().waitFor();
  const rows = await page.getByRole('row').count();
  await server.kill();
  await pill.getByText('Reconnecting').waitFor();
  assert.equal(await page.getByRole('row').count(), rows, 'what was loaded is not there any more');
  await server.start();
  const id = await submit(session, 'echo', { message: 'after' });
  await pill.getByText('Live').waitFor();
  await page.locator(`a[href$="${id}"]`).waitFor();
  await page.context().close();
}

// No request leaves the prefix; the proxy strips it, and knows nothing else.
async function worksBelowAPrefix(pages, { url, outside }) {
  for (const [name, path, text] of pages) {
    const page = await open(`${url}/console${path}`);
    await shows(page, text, `${name} below a prefix`);
    await page.context().close();
  }
  const page = await open(`${url}/console`);
  await page.locator('header [role=status]').getByText('Live').waitFor();
  await page.getByRole('link', { name: 'Executions' }).first().click();
  await shows(page, 'echo', 'the list below a prefix');
  assert.equal(new URL(page.url()).pathname, '/a/b/console/executions');
  await page.context().close();
  assert.deepEqual(outside, [], 'requests left the prefix');
}
