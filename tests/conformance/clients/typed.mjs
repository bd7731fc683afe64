// `takeoff types --ts` against the server: tsc takes what its intents take, and refuses what they refuse. It takes the page
// of docs/frontends.md as well.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const program = process.env.TAKEOFF_PROGRAM;
const url = process.env.TAKEOFF_URL;
const here = dirname(fileURLToPath(import.meta.url));
const client = resolve(here, '../../../sdks/typescript/client');

const module = execFileSync(program, ['types', '--ts', '--url', url], { encoding: 'utf8' });
for (const type of ['echo', 'ingest_file', 'parse_content', 'compose_journey']) {
  assert.ok(module.includes(`"${type}": `), `${type} is in the module:\n${module}`);
}

// Within the client's folder, where its packages are found.
const folder = mkdtempSync(join(client, '.typed-'));
try {
  writeFileSync(join(folder, 'intents.ts'), module);
  writeFileSync(join(folder, 'use.ts'), `
import { createClient } from '../src/index.js';
import type { Intents } from './intents.js';

const client = createClient<Intents>();
const options = { sessionId: 's' };
await client.submit('echo', { message: 'hello', delay_ms: 5 }, options);
await client.submit('ingest_file', { filename: 'a.csv', content: 'a' }, options);
// @ts-expect-error a parameter of another type
await client.submit('echo', { message: 7 }, options);
// @ts-expect-error a parameter that is not there
await client.submit('echo', { message: 'hello', delay: 5 }, options);
// @ts-expect-error a member that a step must have is missing
await client.submit('compose_journey', { steps: [{ name: 'one' }] }, options);
// @ts-expect-error an intent that is not there
await client.submit('nothing', {}, options);
`);
  // The page of docs/frontends.md.
  const page = readFileSync(resolve(here, '../recipes/App.tsx'), 'utf8');
  writeFileSync(join(folder, 'App.tsx'), page.replace("'@takeoff/client'", "'../src/index.js'").replace("'@takeoff/client/react'", "'../src/react.js'"));
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
    extends: '../tsconfig.json',
    compilerOptions: { noEmit: true, rootDir: '..', jsx: 'react-jsx' },
    include: ['*.ts', '*.tsx'],
  }));
  const tsc = join(client, 'node_modules/typescript/bin/tsc');
  const checked = spawnSync(process.execPath, [tsc, '--project', folder], { encoding: 'utf8' });
  assert.equal(checked.status, 0, `${checked.stdout}${checked.stderr}\n${module}`);
} finally {
  rmSync(folder, { recursive: true });
}
console.log('types --ts: ok');
