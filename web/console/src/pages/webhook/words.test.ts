import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventsOf, inputOf, nameOf, stateOf, timesInARow, wantedOf } from './words';

const all = { types: [], intentType: [], sessionId: null };

test('a webhook that is tried again and again is not said to be well', () => {
  assert.equal(stateOf({ status: 'ACTIVE', consecutiveFailures: '0' }).name, 'Active');
  assert.equal(stateOf({ status: 'ACTIVE', consecutiveFailures: '3' }).name, 'Failing');
  assert.equal(stateOf({ status: 'PAUSED', consecutiveFailures: '3' }).name, 'Paused');
  assert.equal(stateOf({ status: 'DISABLED', consecutiveFailures: '900' }).name, 'Disabled');
  assert.equal(timesInARow('1'), 'once');
  assert.equal(timesInARow('1200'), '1,200 times in a row');
});

test('a filter is said in words, long ones by their first names', () => {
  assert.equal(eventsOf(all), 'all events');
  assert.equal(
    eventsOf({ types: ['execution.failed'], intentType: ['a', 'b', 'c'], sessionId: 'ses_1' }),
    'execution.failed, of intent a, b and 1 more, of one session',
  );
});

test('what has no name goes by the host of its address', () => {
  assert.equal(nameOf({ name: 'orders', url: 'https://a.example/x' }), 'orders');
  assert.equal(nameOf({ name: null, url: 'https://a.example:8443/x' }), 'a.example:8443');
  assert.equal(nameOf({ name: null, url: 'nothing' }), 'nothing');
});

test('a form that is not changed says what the webhook says', () => {
  const filter = { types: ['execution.failed', 'domain.paid'], intentType: ['a'], sessionId: 'ses_1' };
  const webhook = { name: 'orders', url: 'https://a.example/x', filter };
  assert.deepEqual(inputOf(wantedOf(webhook)), webhook);
  assert.deepEqual(inputOf(wantedOf({ ...webhook, name: null, filter: all })), { ...webhook, name: null, filter: {} });
  assert.deepEqual(inputOf({ ...wantedOf(), url: ' https://b.example ', others: 'domain.a,domain.b' }), {
    name: null,
    url: 'https://b.example',
    filter: { types: ['domain.a', 'domain.b'] },
  });
});
