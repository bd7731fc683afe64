// Ports, and waiting for what another process does.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';

// The longest time to wait for something.
export const limitMs = 60_000;

// Returns as soon as it is so; a failure of `isSo` ends the wait.
export async function until(complaint, isSo) {
  const deadline = Date.now() + limitMs;
  while (!(await isSo())) {
    assert.ok(Date.now() < deadline, complaint);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export async function freePort() {
  const listener = createServer();
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address();
  await new Promise((resolve) => listener.close(resolve));
  return port;
}
