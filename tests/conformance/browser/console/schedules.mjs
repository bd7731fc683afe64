// Schedules by the console: made by the form, paused, resumed, triggered, backfilled and deleted; and the way from an
// execution to the schedule that has fired it.

import assert from 'node:assert/strict';
import { asks } from './data.mjs';

export async function schedules(open, url, { session, schedule, fired }) {
  await leadsToItsSchedule(open, url, { schedule, fired });
  const id = await isMadeByTheForm(open, url, session);
  await isWorkedWith(open, url, id);
}

async function leadsToItsSchedule(open, url, { schedule, fired }) {
  const page = await open(`${url}/console/executions/${fired}`);
  await page.locator(`a[href$="/schedules/${schedule}"]`).click();
  await page.waitForURL(new RegExp(schedule));
  const times = page.getByRole('region', { name: 'Next times' }).getByRole('listitem');
  await times.first().waitFor();
  assert.equal(await times.count(), 10);
  await page.locator(`a[href$="${fired}"]`).click();
  await page.waitForURL(new RegExp(fired));
  await page.context().close();
}

async function isMadeByTheForm(open, url, session) {
  const { post } = asks(url);
  const page = await open(`${url}/console/schedules`);
  await page.getByRole('link', { name: 'Make a schedule' }).click();
  await page.getByLabel('Type', { exact: true }).selectOption('echo');
  await page.waitForURL(/type=echo/);
  await page.getByLabel(/^message/).fill('hourly');
  await page.getByLabel('Name').fill('by the form');
  await page.getByLabel('Session').selectOption(session);
  await page.getByLabel('Cron expression').fill('99 * * * *');
  const make = page.getByRole('button', { name: 'Make the schedule' });
  await make.click();
  await page.getByRole('alert').filter({ hasText: 'cron' }).first().waitFor();
  await page.getByLabel('Cron expression').fill('15 * * * *');
  await page.getByLabel('Time zone of the expression').fill('Asia/Kolkata');
  await page.getByLabel('While another one runs').selectOption('QUEUE_ONE');
  await make.click();
  await page.waitForURL(/\/schedules\/sch_/);
  await page.getByText('15 * * * *, Asia/Kolkata').waitFor();
  const id = new URL(page.url()).pathname.split('/').at(-1);
  const { schedule } = await post(
    'query($id: ID!) { schedule(id: $id) { name cron timeZone overlap parameters sessionId status } }', { id });
  assert.deepEqual(schedule, {
    name: 'by the form', cron: '15 * * * *', timeZone: 'Asia/Kolkata', overlap: 'QUEUE_ONE',
    parameters: { delay_ms: 0, message: 'hourly' }, sessionId: session, status: 'ACTIVE',
  });
  await page.context().close();
  return id;
}

async function isWorkedWith(open, url, id) {
  const page = await open(`${url}/console/schedules/${id}`);
  const state = page.locator('main header .badge');
  const press = async (name, yes) => {
    await page.getByRole('button', { name, exact: true }).click();
    await page.getByRole('dialog').getByRole('button', { name: yes, exact: true }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  };
  await press('Pause', 'Pause it');
  await state.getByText('Paused').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Backfill' }).count(), 0, 'what a paused schedule refuses is offered');
  await press('Resume', 'Resume it');
  await state.getByText('Active').waitFor();

  await page.getByRole('button', { name: 'Backfill' }).click();
  // In the zone in which times are shown, Kolkata: three quarters past.
  const local = (hours) => new Date(Date.now() + (5.5 - hours) * 3_600_000).toISOString().slice(0, 16);
  await page.getByLabel('From').fill(local(3));
  await page.getByLabel('Before').fill(local(0));
  await page.getByRole('button', { name: 'Put them into the queue' }).click();
  await page.getByText('Times put into the queue: 3.').waitFor();
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByText('that of').first().waitFor();

  await press('Submit now', 'Submit');
  await page.waitForURL(/\/executions\/exe_/);
  await page.locator('main header .badge').getByText('Completed').waitFor();
  await page.goto(`${url}/console/schedules/${id}`);
  await page.getByText('triggered').waitFor();

  await press('Delete', 'Delete it');
  await page.waitForURL(/\/schedules$/);
  await page.goto(`${url}/console/schedules/${id}`);
  await page.getByText('There is no such schedule').waitFor();
  await page.context().close();
}
