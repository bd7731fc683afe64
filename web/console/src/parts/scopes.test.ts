import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type May, mayBegin, mayManageWebhooks, permits, permitsType } from './scopes';

const holding =
  (...scopes: string[]): May =>
  (scope) =>
    permits(scopes, scope);

test('a right to what is one’s own permits something, and not the whole', () => {
  const own = ['executions:control:own'];
  assert.ok(permits(own, 'executions:control'));
  assert.ok(!permits(own, 'executions:control:all'));
  for (const held of ['executions:control', 'executions:control:all', 'executions:*', '*'])
    assert.ok(permits([held], 'executions:control:all'), held);
  assert.ok(!permits(['executions:read'], 'executions:control'));
  assert.ok(permitsType(['intents:submit:echo'], 'echo'));
  assert.ok(!permitsType(['intents:submit:echo'], 'parse'));
});

test('a bulk operation is offered to whoever reads as much as they change', () => {
  const offered = (...scopes: string[]) => mayBegin(holding(...scopes), 'executions:control', 'executions:read');
  assert.ok(offered('executions:control', 'executions:read'));
  assert.ok(offered('executions:control:own', 'executions:read:own'));
  assert.ok(offered('executions:control:own', 'executions:read'));
  assert.ok(!offered('executions:control', 'executions:read:own'));
  assert.ok(!offered('executions:control'));
  assert.ok(!offered('executions:read'));
});

test('webhooks are offered to whoever reads and controls all executions', () => {
  assert.ok(mayManageWebhooks(holding('executions:read', 'executions:control')));
  assert.ok(!mayManageWebhooks(holding('executions:read', 'executions:control:own')));
  assert.ok(!mayManageWebhooks(holding('executions:control')));
});
