// The tour of @takeoff/client in docs/frontends.md, run as the document shows it, against the server of this run.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../../../', import.meta.url);
const tour = new URL('sdks/typescript/client/test/tour.mjs', root);
const document = readFileSync(new URL('docs/frontends.md', root), 'utf8');
assert.ok(document.includes(`\`\`\`js\n${readFileSync(tour, 'utf8')}\`\`\``), 'docs/frontends.md does not show tour.mjs as it is');

const lines = execFileSync('node', [fileURLToPath(tour)], { encoding: 'utf8', timeout: 60_000 }).trim().split('\n');
assert.deepEqual(lines.slice(0, 5), ['25 % ingest', '50 % save', '75 % parse', '100 % profile', '4 progress.reported']);
const end = lines.indexOf('11 execution.completed');
assert.equal(end, 11);
assert.deepEqual(lines.slice(end + 1).join('\n').replaceAll(/\s+/g, ' '), [
  `parsed_content {"city":"Malmö","founded":1353} [ 'parsed_content', 'file' ]`,
  'true STALE_VERSION { files: 1 }',
  'true compose_journey',
  'CANCELLED',
  '1 execution.created',
  'default true',
].join(' '));
console.log('the tour of @takeoff/client, as docs/frontends.md has it');
