// Runs the tests beside the code: modules are loaded by Vite, as the build does.

import { readdirSync } from 'node:fs';
import { createServer } from 'vite';

const root = new URL('..', import.meta.url).pathname;
const vite = await createServer({
  root,
  server: { middlewareMode: true, ws: false },
  appType: 'custom',
  logLevel: 'error',
  optimizeDeps: { noDiscovery: true },
});
const tests = readdirSync(`${root}/src`, { recursive: true })
  .filter((name) => name.endsWith('.test.ts'))
  .sort();
try {
  for (const name of tests) await vite.ssrLoadModule(`/src/${name}`);
} finally {
  await vite.close();
}
