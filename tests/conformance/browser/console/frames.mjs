// Pages of the console within those of others: what is to be embedded, by pages of the origins that the configuration names,
// and nothing else by anybody.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { freePort, until } from '../../lib/wait.mjs';
import { asks } from './data.mjs';
import { startServer } from './servers.mjs';

const blocked = /frame-ancestors/;

// A page with a frame, at an origin of its own.
async function host(port, address) {
  const server = createServer((_, answer) => {
    answer.writeHead(200, { 'content-type': 'text/html' });
    answer.end(`<!doctype html><html lang="en"><title>Another page</title><iframe title="console" src="${address}" width="1000" height="700"></iframe></html>`);
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return () => new Promise((resolve) => server.close(resolve) && server.closeAllConnections());
}

export async function framed(open, url, { journey }) {
  const [allowed, other] = [await freePort(), await freePort()];
  const origin = (port) => `http://127.0.0.1:${port}`;
  const server = await startServer({ settings: { TAKEOFF_CONSOLE_FRAME_ANCESTORS: `https://app.example.com, ${origin(allowed)}` } });
  try {
    const { session: begin, submit } = asks(server.url);
    const id = await submit(await begin({}), 'echo', { message: 'framed' });
    const embedded = `${server.url}/console/embed/execution/${id}`;
    const cases = [
      [allowed, embedded, true],
      [other, embedded, false],
      [allowed, `${server.url}/console/executions/${id}`, false],
      [allowed, `${server.url}/console/embed/../executions/${id}`, false],
      // Nothing is named in the configuration of the other server.
      [allowed, `${url}/console/embed/execution/${journey}`, false],
    ];
    for (const [port, address, isShown] of cases) await tries(open, port, address, isShown);
  } finally {
    await server.stop();
  }
}

async function tries(open, port, address, isShown) {
  const stop = await host(port, address);
  const where = `${address} in a page of ${port}`;
  const page = await open('about:blank', { origins: [new URL(address).origin, `http://127.0.0.1:${port}`], says: blocked });
  const refused = [];
  page.on('console', (message) => blocked.test(message.text()) && refused.push(message.text()));
  await page.goto(`http://127.0.0.1:${port}/`);
  const frame = page.frameLocator('iframe');
  if (isShown) {
    await frame.getByRole('treegrid').getByText('echo').waitFor();
    await frame.locator('[role=status]').getByText('Live').waitFor();
    assert.deepEqual(refused, [], where);
  } else {
    await until(`${where} is not refused`, () => refused.length > 0);
    assert.equal(await frame.locator('#console').count(), 0, where);
  }
  await page.context().close();
  await stop();
}
