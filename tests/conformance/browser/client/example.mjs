// The example of docs/frontends.md: the document shows its files as they are, and its commands are run as they are written,
// at addresses of the test's own.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, until } from '../../lib/wait.mjs';

const root = new URL('../../../../', import.meta.url);
const folder = new URL('examples/frontend/', root);
const written = readFileSync(new URL('docs/frontends.md', root), 'utf8');
const shown = { 'src/main.tsx': 'tsx', 'src/FileJourney.tsx': 'tsx', 'backend.ts': 'ts', 'vite.config.ts': 'ts' };

// The commands below a heading of the document, with the addresses of the test in place of those written.
export function commands(heading, addresses) {
  const section = written.split(`\n### ${heading}\n`)[1]?.split('\n### ')[0];
  assert.ok(section, `docs/frontends.md has no section "${heading}"`);
  return [...section.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => {
    let text = block;
    for (const [from, to] of Object.entries(addresses)) text = text.replaceAll(from, to);
    return text.trim().split('\n');
  });
}

function theDocumentShowsTheFiles() {
  for (const [file, language] of Object.entries(shown)) {
    const text = readFileSync(new URL(file, folder), 'utf8');
    assert.ok(written.includes(`\`\`\`${language}\n${text}\`\`\``), `docs/frontends.md does not show examples/frontend/${file} as it is`);
  }
}

export async function startExample(place, isProven) {
  theDocumentShowsTheFiles();
  const data = mkdtempSync(join(tmpdir(), 'takeoff-example.'));
  const port = new URL(place.exampleUrl).port;
  const serverUrl = isProven ? place.serverUrl : `http://127.0.0.1:${await freePort()}`;
  const children = [];
  // The server takes each TAKEOFF_ variable for a key of its configuration.
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('TAKEOFF_'));
  const env = { ...Object.fromEntries(others), PATH: `${dirname(process.env.TAKEOFF_PROGRAM)}${delimiter}${process.env.PATH}`, NODE_ENV: undefined };
  const run = (line, more) => execFileSync('sh', ['-euc', line], { cwd: fileURLToPath(root), env: { ...env, ...more }, stdio: ['ignore', 'ignore', 'inherit'] });
  const start = (line, cwd, more) => {
    const child = spawn('sh', ['-euc', `exec ${line}`], { cwd, env: { ...env, ...more }, stdio: ['ignore', 'ignore', 'inherit'], detached: true });
    children.push(child);
    return child;
  };
  const isThere = async (url) => (await fetch(url).catch(() => null))?.ok;

  const [[serve]] = commands('Ten minutes from nothing', { 'http://localhost:5173': place.exampleUrl, 'cargo run --': 'takeoff' });
  const [install, [, dev]] = commands('A file and what is made of it', {});
  const [variables, [build]] = commands('With proofs', { 'https://takeoff.example.com': serverUrl, '"$(cat acme.key)"': place.key });
  const [name, address] = serve.split(' takeoff')[0].split('=');
  assert.deepEqual([name, address], ['TAKEOFF_HTTP_CORS_ORIGINS', place.exampleUrl]);
  run(install.join('\n'));
  let more = { VITE_TAKEOFF_URL: serverUrl };
  if (isProven) {
    more = Object.fromEntries(variables.map((line) => line.replace('export ', '').split('=')));
    run(`cd examples/frontend\n${build.split(' && ')[0]}`, more);
  } else {
    start(`env ${serve}`, data, { TAKEOFF_HTTP_BIND: serverUrl.replace('http://', ''), TAKEOFF_DATA_DIR: join(data, 'data'), TAKEOFF_LOG: 'warn' });
    await until('the server does not start', () => isThere(`${serverUrl}/health`));
  }
  const page = isProven ? build.split(' && ')[1] : dev;
  start(`${page} -- --host 127.0.0.1 --port ${port} --strictPort`, fileURLToPath(folder), more);
  await until('the example does not start', () => isThere(place.exampleUrl));
  return {
    url: `${place.exampleUrl}/`,
    async stop() {
      await Promise.all(children.map((child) => new Promise((resolve) => {
        if (child.exitCode !== null) return resolve();
        child.once('exit', resolve);
        return process.kill(-child.pid, 'SIGTERM');
      })));
      rmSync(data, { recursive: true, force: true });
    },
  };
}
