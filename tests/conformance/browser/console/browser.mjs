// Chromium for tests of the console: other hosts are blocked, and errors, warnings and breaches of the policy are kept.

import { chromium } from 'playwright-core';

const limit = 20_000;
// What the browser says of its own while a server is away, and of an answer that is no success.
const expected = /WebSocket connection to|Failed to load resource/;

export async function browse() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
    ],
  });
  const broken = [];

  // Besides the page's own, `origins` may be asked, and the browser may say what `says` permits.
  async function open(address, { origins = [], says, ...options } = {}) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, timezoneId: 'Asia/Kolkata', ...options });
    const { origin } = new URL(address);
    await context.route((url) => ![origin, ...origins].includes(url.origin) && url.protocol.startsWith('http'), (route) => {
      broken.push(`asked another host: ${route.request().url()}`);
      return route.abort();
    });
    const page = await context.newPage();
    page.setDefaultTimeout(limit);
    page.on('pageerror', (error) => broken.push(`${address}: an error on the page: ${error.message}`));
    page.on('console', (message) => {
      const isFault = ['error', 'warning'].includes(message.type()) && ![expected, says].some((words) => words?.test(message.text()));
      if (isFault) broken.push(`${address}: on the console: ${message.text()}`);
    });
    await page.goto(address);
    return page;
  }

  return { open, broken, close: () => browser.close() };
}
