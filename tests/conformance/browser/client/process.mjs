// A server of a test's own, which can be killed and started again at its address.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { until } from '../../lib/wait.mjs';

// `options` are those of the process; its environment names the address.
export function serverOf(url, options) {
  let server;
  process.on('exit', () => server?.kill('SIGKILL'));
  return {
    async serve() {
      server = spawn(process.env.TAKEOFF_PROGRAM, ['serve'], { ...options, stdio: ['ignore', 'ignore', 'inherit'] });
      await until('the server does not start', async () => {
        assert.equal(server.exitCode, null, 'the server has ended');
        return (await fetch(`${url}/health`).catch(() => null))?.ok;
      });
    },
    kill: (signal = 'SIGKILL') => new Promise((resolve) => {
      if (!server || server.exitCode !== null || server.signalCode !== null) return resolve();
      server.once('exit', resolve);
      return server.kill(signal);
    }),
  };
}
