// What changed in schema.graphql since the release before, by graphql-inspector. A breaking change fails unless
// approved-changes.txt lists it, one line each: the text that is printed here, beginning with its path.
//
//   node schema/diff.mjs PREVIOUS_SCHEMA

import { readFileSync } from 'node:fs';
import { CriticalityLevel, diff } from '@graphql-inspector/core';
import { buildSchema } from 'graphql';
import { readSchema } from '../lib/files.mjs';

const approvals = new URL('approved-changes.txt', import.meta.url);
const approved = new Set(readFileSync(approvals, 'utf8').split('\n').filter((line) => line && !line.startsWith('#')));
const previous = buildSchema(readFileSync(process.argv[2], 'utf8'));

const mark = {
  [CriticalityLevel.Breaking]: 'BREAKING',
  [CriticalityLevel.Dangerous]: 'dangerous',
  [CriticalityLevel.NonBreaking]: 'compatible',
};

const changes = await diff(previous, readSchema());
let refused = 0;
for (const { criticality, message, path } of changes) {
  const line = `${path}: ${message}`;
  const isBreaking = criticality.level === CriticalityLevel.Breaking;
  const isRefused = isBreaking && !approved.has(line);
  if (isRefused) refused += 1;
  console.log(`${mark[criticality.level].padEnd(10)} ${line}${isBreaking && !isRefused ? ' (approved)' : ''}`);
}
console.log(`${changes.length} changes, ${refused} of them breaking and not approved`);
process.exitCode = refused === 0 ? 0 : 1;
