// The README's section "On the internet", word for word: its files, its commands, its page in Chromium. Names lead to
// this machine, ports are free ones, and the issuer, which the README leaves to its reader, is an oidc-provider.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { chromium } from 'playwright-core';
import { fetchToken, startIssuer } from '../lib/issuer.mjs';
import { freePort, limitMs, until } from '../lib/wait.mjs';

const folder = mkdtempSync(join(tmpdir(), 'takeoff-internet.'));
const children = [];

// --- What the README says -----------------------------------------------------------------------------------

const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
const section = readme.split('\n## On the internet\n')[1].split('\n## ')[0];
const blocks = [...section.matchAll(/^( *)```(\w+)\n([\s\S]*?)^\1```/gm)].map(([, indent, language, text]) => ({
  language,
  text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
}));
const block = (language) => {
  const found = blocks.filter((one) => one.language === language);
  assert.equal(found.length, 1, `one block of ${language}`);
  return found[0].text;
};

const ports = { server: await freePort(), app: await freePort(), operations: await freePort(), issuer: await freePort() };
const issuerUrl = `http://127.0.0.1:${ports.issuer}`;
const server = `https://takeoff.example.com:${ports.server}`;
const app = `https://app.example.com:${ports.app}`;
const replaced = [
  ['0.0.0.0:8443', `0.0.0.0:${ports.server}`],
  ['https://takeoff.example.com:8443', server],
  ['127.0.0.1:9090', `127.0.0.1:${ports.operations}`],
  ['https://app.example.com:8444', app],
  ['.listen(8444)', `.listen(${ports.app})`],
  ['https://login.example.com', issuerUrl],
];
const here = (text) => replaced.reduce((all, [from, to]) => all.replaceAll(from, to), text);

// --- Certificates and names -----------------------------------------------------------------------------------

const run = (command, ...args) => execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
  '-subj', '/CN=authority of this test', '-keyout', 'ca.key', '-out', 'ca.crt');
for (const name of ['takeoff', 'app']) {
  writeFileSync(join(folder, 'names'), `subjectAltName=DNS:${name}.example.com\n`);
  run('openssl', 'req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}.example.com`,
    '-keyout', `${name}.key`, '-out', `${name}.csr`);
  run('openssl', 'x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2',
    '-extfile', 'names', '-out', `${name}.crt`);
}
// For Node.js, what a resolver would do.
writeFileSync(join(folder, 'names.cjs'), `
  const dns = require('node:dns');
  const { lookup } = dns;
  dns.lookup = (name, ...rest) => lookup(name.endsWith('.example.com') ? '127.0.0.1' : name, ...rest);
`);
const env = {
  PATH: `${dirname(process.env.TAKEOFF_PROGRAM)}${delimiter}${process.env.PATH}`,
  HOME: folder,
  TAKEOFF_LOG: 'info',
  NODE_EXTRA_CA_CERTS: join(folder, 'ca.crt'),
  NODE_OPTIONS: `--require ${join(folder, 'names.cjs')}`,
};

// --- The issuer -------------------------------------------------------------------------------------------------

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
let org = 'acme';
const issuer = { url: issuerUrl, port: ports.issuer, client: 'bob', audience: 'https://takeoff.example.com' };
const issuing = await startIssuer({
  ...issuer,
  keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: 'one' }],
  claims: () => ({ org }),
  algorithm: () => 'RS256',
  seconds: () => 600,
});

function tokenOf(tenant) {
  org = tenant;
  return fetchToken(issuer);
}

// --- Asking -----------------------------------------------------------------------------------------------------

function ask(url, { method = 'GET', headers = {}, body } = {}) {
  const { hostname, port, pathname } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = request({
      method, port, path: pathname, headers: { host: `${hostname}:${port}`, ...headers }, host: '127.0.0.1',
      servername: hostname, ca: readFileSync(join(folder, 'ca.crt')), agent: false,
    }, async (answer) => {
      const parts = [];
      for await (const part of answer) parts.push(part);
      resolve({ status: answer.statusCode, text: Buffer.concat(parts).toString() });
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

async function graphql(token, query) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const { status, text } = await ask(`${server}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) });
  return { status, ...JSON.parse(text) };
}

// Returns as soon as a page is answered so, while no process ends.
function untilStarted(complaint, url) {
  return until(complaint, async () => {
    assert.ok(children.every((child) => child.exitCode === null), `${complaint}: a process ended`);
    return (await ask(url).catch(() => null))?.status === 200;
  });
}

function start(command, ...args) {
  children.push(spawn(command, args, { cwd: folder, env, stdio: ['ignore', 'inherit', 'inherit'] }));
}

// --- As it is written -------------------------------------------------------------------------------------------

try {
  writeFileSync(join(folder, 'takeoff.toml'), here(block('toml')));
  writeFileSync(join(folder, 'backend.mjs'), here(block('js')));
  writeFileSync(join(folder, 'page.html'), here(block('html')));
  const commands = here(block('sh')).split('takeoff serve\n');
  assert.equal(commands.length, 2, 'the last command serves');
  execFileSync('sh', ['-euc', commands[0]], { cwd: folder, env, stdio: ['ignore', 'inherit', 'inherit'] });
  start('takeoff', 'serve');
  await untilStarted('the server does not start', `${server}/health`);
  start('node', 'backend.mjs');
  await untilStarted('the backend does not start', `${app}/`);

  // Nobody without a proof; each tenant's key for its own.
  assert.equal((await graphql(null, '{ viewer { tenantId } }')).status, 401);
  const key = (tenant) => readFileSync(join(folder, `${tenant}.key`), 'utf8').trim();
  for (const tenant of ['acme', 'globex']) {
    for (const proof of [key(tenant), await tokenOf(tenant)]) {
      const answer = await graphql(proof, '{ viewer { tenantId } }');
      assert.equal(answer.data?.viewer.tenantId, tenant, `${tenant} ${proof.slice(0, 12)}: ${JSON.stringify(answer)}`);
    }
  }
  const main = await ask(`${server}/graphiql`);
  assert.equal(main.status, 404, 'GraphiQL is on the address for operations alone');
  assert.equal((await fetch(`http://127.0.0.1:${ports.operations}/metrics`)).status, 200);

  // The page, as a visitor sees it.
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--host-resolver-rules=MAP *.example.com 127.0.0.1, MAP * ~NOTFOUND , EXCLUDE 127.0.0.1'],
  });
  try {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    page.setDefaultTimeout(limitMs);
    const broken = [];
    page.on('pageerror', (error) => broken.push(error.message));
    const sent = [];
    page.on('request', (one) => sent.push(one.headers().authorization ?? ''));
    await page.goto(`${app}/`);
    await page.click('button');
    await page.getByText('execution.completed').waitFor();
    const seen = await page.locator('li').allTextContents();
    assert.deepEqual(seen, ['execution.created', 'execution.started', 'execution.completed']);
    assert.deepEqual(broken, []);
    assert.ok(sent.some((one) => one.startsWith('Bearer tt_')), 'the page has a token');
    assert.ok(!sent.some((one) => one.includes('tk_')), 'the page never had a key');
    // A page of an origin that is not named gets nothing.
    await context.route('https://stranger.example.com/', (route) => route.fulfill({ body: '<p>', contentType: 'text/html' }));
    await page.goto('https://stranger.example.com/');
    const failed = await page.evaluate((url) => fetch(url, { method: 'POST', body: '{}' }).then(() => false, () => true),
      `${server}/graphql`);
    assert.ok(failed, 'a page of another origin reached the server');
  } finally {
    await browser.close();
  }

  // What the page did is the visitor's, and is not there for the other tenant.
  const list = '{ executions { nodes { id submittedBy intent { session { userId } } } } }';
  const { nodes } = (await graphql(key('acme'), list)).data.executions;
  assert.deepEqual(nodes.map(({ submittedBy, intent }) => [submittedBy, intent.session.userId]), [['ann', 'ann']]);
  for (const proof of [key('globex'), await tokenOf('globex'), await tokenOf('acme')]) {
    assert.deepEqual((await graphql(proof, '{ executions { nodes { id } } }')).data.executions.nodes, []);
  }
  console.log('two tenants, an issuer, keys, TLS, and a page of another origin: as the README says');
} finally {
  const ended = children.map((child) => new Promise((resolve) => {
    if (child.exitCode !== null) return resolve();
    child.once('exit', resolve);
    return child.kill('SIGTERM');
  }));
  await Promise.all(ended);
  await issuing.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
