// Ids that a page chooses for its executions.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from '../dist/index.js';

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

/** The UUID of an id in the server's form, in hexadecimal. */
function uuidOf(id) {
  const bits = [...id.slice('exe_'.length)].reduce((sum, letter) => (sum << 5n) | BigInt(alphabet.indexOf(letter)), 0n);
  return bits.toString(16).padStart(32, '0');
}

test('a chosen id is a version 7 UUID of now with the digits of the caller, who is asked for once', async () => {
  const asked = [];
  const client = createClient({
    url: 'http://server.example/',
    fetch: async (_, { body }) => {
      asked.push(JSON.parse(body).query);
      return Response.json({ data: { viewer: { executionIdSuffix: '0a1b2c3d' } } });
    },
  });
  const ids = await Promise.all([client.newExecutionId(), client.newExecutionId()]);
  assert.equal(asked.length, 1);
  assert.notEqual(ids[0], ids[1]);
  for (const id of ids) {
    assert.match(id, /^exe_[0-7][0-9a-hjkmnp-tv-z]{25}$/);
    const uuid = uuidOf(id);
    assert.match(uuid, /^[0-9a-f]{12}7[0-9a-f]{3}8[0-9a-f]{7}0a1b2c3d$/);
    assert.ok(Math.abs(parseInt(uuid.slice(0, 12), 16) - Date.now()) < 60_000);
  }
});

test('a submit with a chosen id is sent with it and without a key', async () => {
  const sent = [];
  const client = createClient({
    url: 'http://server.example/',
    fetch: async (_, { body }) => {
      sent.push(JSON.parse(body).variables.input);
      return Response.json({ data: { payload: { execution: { id: 'exe_1' }, replayed: false, errors: [] } } });
    },
  });
  await client.submit('echo', {}, { sessionId: 's', executionId: 'exe_1' });
  await client.submit('echo', {}, { sessionId: 's' });
  assert.deepEqual([sent[0].executionId, sent[0].idempotencyKey], ['exe_1', undefined]);
  assert.equal(typeof sent[1].idempotencyKey, 'string');
});
