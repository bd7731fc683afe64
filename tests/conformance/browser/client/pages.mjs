// The pages of docs/frontends.md with @takeoff/client, urql and Apollo, as the document has them, in StrictMode: each shows
// live progress, over a server that is killed in the middle and started again, each event once.
//
// With CONFORMANCE_FULL=1 also the document's commands from nothing, which take packages without a lock file.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, limitMs, until } from '../../lib/wait.mjs';
import { commands } from './example.mjs';
import { serverOf } from './process.mjs';

const root = new URL('../../../../', import.meta.url);
const recipes = new URL('tests/conformance/recipes/', root);
const written = '127.0.0.1:8080';

async function bundleOf(sdk, file, address) {
  const { build } = createRequire(new URL('package.json', sdk))('esbuild');
  const dist = (name) => fileURLToPath(new URL(`dist/${name}.js`, sdk));
  const packaged = (name) => fileURLToPath(new URL(`tests/conformance/node_modules/${name}`, root));
  const addressed = {
    name: 'addressed',
    setup: ({ onLoad }) => onLoad({ filter: /recipes\/\w+\.(tsx|jsx)$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      assert.ok(text.includes(written), `${path} names no server`);
      return { contents: text.replaceAll(written, address), loader: path.endsWith('.tsx') ? 'tsx' : 'jsx' };
    }),
  };
  const { outputFiles } = await build({
    stdin: {
      contents: `import { StrictMode } from 'react';
        import { createRoot } from 'react-dom/client';
        import App from './${file}';
        createRoot(document.getElementById('root')).render(<StrictMode><App /></StrictMode>);`,
      loader: 'jsx',
      resolveDir: fileURLToPath(recipes),
    },
    bundle: true,
    format: 'esm',
    write: false,
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"development"' },
    alias: {
      react: packaged('react'), 'react-dom': packaged('react-dom'), '@takeoff/client/react': dist('react'), '@takeoff/client': dist('index'),
    },
    plugins: [addressed],
  });
  return outputFiles[0].contents;
}

async function typesOf(url) {
  const query = `{ executions(first: 1, filter: { rootsOnly: true }) { nodes { status events(first: 200) { nodes { type } } } } }`;
  const answer = await fetch(`${url}/graphql`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query }),
  });
  const [{ status, events }] = (await answer.json()).data.executions.nodes;
  assert.equal(status, 'COMPLETED');
  return events.nodes.map(({ type }) => type);
}

// A click, a killed server, and each event once.
async function isLive(page, server, url) {
  await page.getByRole('button', { name: 'Start' }).click();
  await page.getByText('progress.reported').first().waitFor();
  await server.kill();
  await server.serve();
  await page.getByText('execution.completed').waitFor();
  await page.getByRole('status').getByText('store').waitFor();
  const shown = await page.locator('li').allInnerTexts();
  assert.deepEqual(shown, await typesOf(url));
  // The attempt after the kill may report a step again.
  assert.ok(shown.filter((type) => type === 'progress.reported').length >= 4);
  assert.equal(await page.getByRole('progressbar').getAttribute('value'), '1');
}

export async function pages(browser, sdk, broken, expected) {
  const folder = mkdtempSync(join(tmpdir(), 'takeoff-pages.'));
  const [port, pagePort] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  let bundle;
  const html = '<!doctype html><html lang="en"><meta charset="utf-8"><title>A page</title><link rel="icon" href="data:,"><div id="root"></div><script type="module" src="/page.js"></script></html>';
  const pageServer = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html; charset=utf-8' }).end(isScript ? bundle : html);
  });
  await new Promise((resolve) => pageServer.listen(pagePort, '127.0.0.1', resolve));
  const env = {
    PATH: process.env.PATH,
    TAKEOFF_HTTP_BIND: `127.0.0.1:${port}`,
    TAKEOFF_HTTP_CORS_ORIGINS: `http://127.0.0.1:${pagePort}`,
    TAKEOFF_DATA_DIR: join(folder, 'data'),
    TAKEOFF_LOG: 'warn',
  };
  const server = serverOf(url, { cwd: folder, env });
  const run = async (name, address) => {
    const context = await browser.newContext();
    const page = await context.newPage();
    page.setDefaultTimeout(limitMs);
    page.on('pageerror', (error) => broken.push(`an error of ${name}: ${error.message}`));
    page.on('console', (message) => {
      if (message.type() === 'error' && !expected.test(message.text())) broken.push(`${name}: ${message.text()}`);
    });
    await page.goto(address);
    await isLive(page, server, url);
    await context.close();
    console.log(`pages: ${name} shows live progress, each event once, over a killed server`);
  };
  try {
    await server.serve();
    for (const file of ['App.tsx', 'UrqlApp.jsx', 'ApolloApp.jsx']) {
      bundle = await bundleOf(sdk, file, `127.0.0.1:${port}`);
      await run(file, `http://127.0.0.1:${pagePort}/`);
    }
    if (process.env.CONFORMANCE_FULL === '1') await fromNothing(folder, pagePort, pageServer, port, run);
  } finally {
    await server.kill('SIGTERM');
    pageServer.closeAllConnections();
    pageServer.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

// The document's commands, in a folder beside a checkout, at the addresses of the test.
async function fromNothing(folder, pagePort, pageServer, port, run) {
  pageServer.closeAllConnections();
  await new Promise((resolve) => pageServer.close(resolve));
  const [, packing, making, [start]] = commands('Ten minutes from nothing', { 'pack-destination ..': `pack-destination ${folder}` });
  const more = { ...process.env, NODE_ENV: undefined };
  execFileSync('sh', ['-euc', packing.join('\n')], { cwd: fileURLToPath(root), env: more, stdio: ['ignore', 'ignore', 'inherit'] });
  execFileSync('sh', ['-euc', making.join('\n')], { cwd: folder, env: more, stdio: ['ignore', 'ignore', 'inherit'] });
  const app = join(folder, 'my-page');
  writeFileSync(join(app, 'src/App.tsx'), readFileSync(new URL('App.tsx', recipes), 'utf8').replaceAll(written, `127.0.0.1:${port}`));
  execFileSync('npm', ['run', 'build'], { cwd: app, env: more, stdio: ['ignore', 'ignore', 'inherit'] });
  const dev = spawn('sh', ['-euc', `exec ${start} -- --host 127.0.0.1 --port ${pagePort} --strictPort`], { cwd: app, env: more, stdio: ['ignore', 'ignore', 'inherit'], detached: true });
  try {
    await until('the page does not start', async () => (await fetch(`http://127.0.0.1:${pagePort}/`).catch(() => null))?.ok);
    await run('a new app of Vite', `http://127.0.0.1:${pagePort}/`);
  } finally {
    process.kill(-dev.pid, 'SIGTERM');
  }
}
