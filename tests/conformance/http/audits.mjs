// The audits of graphql-http for servers of GraphQL over HTTP. Each must be `ok`: what the specification only
// recommends counts like what it requires.

import { auditServer } from 'graphql-http';
import { httpUrl } from '../lib/server.mjs';

const results = await auditServer({ url: httpUrl, fetchFn: fetch });

let failed = 0;
for (const { id, name, status, reason } of results) {
  console.log(`${status.padEnd(6)} ${id} ${name}${status === 'ok' ? '' : `: ${reason}`}`);
  if (status !== 'ok') failed += 1;
}
console.log(`${results.length - failed} of ${results.length} audits are ok`);
// Fewer audits than this release has would mean that some did not run.
process.exitCode = failed === 0 && results.length === 61 ? 0 : 1;
