// Compresses what `vite build` made (dist), takes the plain files away, and holds the budget: what the first page loads,
// and all files together, in KiB of gzip.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const budget = { initial: 230, all: 480 };
const dist = new URL('../dist/', import.meta.url);
const assets = new URL('assets/', dist);
const html = readFileSync(new URL('index.html', dist), 'utf8');
if (!html.includes('<!--server-->')) throw new Error('index.html has lost the place where the server writes');

const initial = new Set();
// Files that a file imports without a condition come with it.
function take(name) {
  if (initial.has(name)) return;
  initial.add(name);
  if (!name.endsWith('.js')) return;
  const text = readFileSync(new URL(name, assets), 'utf8');
  for (const [, found] of text.matchAll(/(?:from|import)\s*["']\.\/([^"']+)["']/g)) take(found);
}
for (const [, name] of html.matchAll(/(?:src|href)="\.\/assets\/([^"]+\.(?:js|css))"/g)) take(name);
// The page that people open first.
for (const name of readdirSync(assets)) if (/^executions-.*\.js$/.test(name)) take(name);

const bytes = { initial: 0, all: 0 };
for (const name of readdirSync(assets)) {
  const body = readFileSync(new URL(name, assets));
  const gzip = gzipSync(body, { level: 9 });
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: body.length };
  writeFileSync(new URL(`${name}.gz`, assets), gzip);
  writeFileSync(new URL(`${name}.br`, assets), brotliCompressSync(body, { params }));
  rmSync(new URL(name, assets));
  if (!/\.(?:js|css)$/.test(name)) continue;
  bytes.all += gzip.length;
  if (initial.has(name)) bytes.initial += gzip.length;
}
for (const [part, limit] of Object.entries(budget)) {
  const size = bytes[part] / 1024;
  process.stdout.write(`${part}: ${size.toFixed(1)} KiB of gzip, ${limit} at most\n`);
  if (size > limit) throw new Error(`${part}: more than ${limit} KiB`);
}
writeFileSync(new URL('sizes.json', dist), JSON.stringify(bytes));
