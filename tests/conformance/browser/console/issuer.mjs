// People log in at a real issuer (oidc-provider): by an authorization code that the server exchanges. The session goes on
// with fresh tokens while several tabs are open, ends by logging out, which the issuer is told, and what is refused is
// said in words.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { startIssuer } from '../../lib/issuer.mjs';
import { freePort, until } from '../../lib/wait.mjs';
import { check, nothingLiesOutside, shows, widths } from './look.mjs';
import { startProxy, startServer } from './servers.mjs';

const audience = 'https://takeoff.example/api';
const name = '__Host-takeoff-console';
// The issuer's page wants a font from elsewhere.
const font = 'https://fonts.googleapis.com';

export async function logsInAtAnIssuer(open) {
  const [port, operationsPort] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const prefixed = await startProxy(`http://127.0.0.1:${operationsPort}`, '/a/b');
  const state = { seconds: 8, tenant: 'acme' };
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = await startIssuer({
    url,
    port,
    client: 'reports',
    audience,
    keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: 'one' }],
    claims: () => ({ tenant: state.tenant, roles: ['developer'] }),
    algorithm: () => 'ES256',
    seconds: () => state.seconds,
    back: [`http://127.0.0.1:${operationsPort}/console/login/acme`],
  });
  const issuers = [{
    url, audience: [audience], tenant_claim: 'tenant', tenants: ['acme'], roles_claim: 'roles', leeway_seconds: 0,
    console: { client_id: 'console', client_secret: issuer.secret, audience, name: 'Acme' },
  }];
  const server = await startServer({ required: true, operationsPort, settings: { TAKEOFF_AUTH_ISSUERS: JSON.stringify(issuers) } });
  const at = (path) => open(`${server.operations}/console/${path}`, { origins: [url, font] });
  try {
    const page = await comesBackToItsPage(at, server);
    await goesOnWithFreshTokens(page, issuer);
    await endsByLoggingOut(page, server, issuer);
    await isRefusedInWords(at, server, state);
    await isBegunByItsOwnPagesAlone(server, url, prefixed);
  } finally {
    await server.stop();
    await prefixed.stop();
    await issuer.stop();
  }
}

async function enter(page, who) {
  await page.getByRole('button', { name: 'Log in with Acme' }).click();
  await page.getByPlaceholder('Enter any login').fill(who);
  await page.getByPlaceholder('and password').fill('any');
  await page.getByRole('button', { name: 'Sign-in' }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
}

const live = (page) => page.locator('header [role=status]').getByText('Live').waitFor();
const sessionOf = async (page) => (await page.context().cookies()).find((cookie) => cookie.name === name);

async function comesBackToItsPage(at, server) {
  const page = await at('executions?status=FAILED');
  await page.getByRole('button', { name: 'Log in with Acme' }).waitFor();
  for (const width of widths) {
    await page.setViewportSize({ width, height: 900 });
    await nothingLiesOutside(page, `the login with an issuer at ${width}`);
    assert.deepEqual((await check(page)).violations, [], `the login with an issuer at ${width}`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await enter(page, 'alice');
  await page.waitForURL(`${server.operations}/console/executions?status=FAILED`);
  await shows(page, 'No execution fits', 'after the login');
  await page.getByRole('navigation').first().getByText('alice').waitFor();
  await live(page);
  const { httpOnly, secure, sameSite, path } = await sessionOf(page);
  assert.deepEqual({ httpOnly, secure, sameSite, path }, { httpOnly: true, secure: true, sameSite: 'Strict', path: '/' });
  const others = (await page.context().cookies(server.operations)).filter((cookie) => cookie.name.startsWith('__Host-') && cookie.name !== name);
  assert.deepEqual(others, [], 'what was kept for the login is gone');
  const stored = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie);
  assert.ok(!stored.includes('eyJ'), 'a script can read a token');
  return page;
}

// Tokens of 8 seconds, which all tabs of the browser go on with, while the issuer takes each refresh token once.
async function goesOnWithFreshTokens(page, issuer) {
  const renewals = () => issuer.asked.filter((path) => path === '/token').length;
  const other = await page.context().newPage();
  await other.goto(page.url());
  await live(other);
  const marks = [page, other];
  for (const tab of marks) await tab.evaluate(() => { window.isTheSame = true; });
  const [first, begun] = [(await sessionOf(page)).value, renewals()];
  // More than two lives of a token.
  const end = Date.now() + 20_000;
  while (Date.now() < end) {
    for (const tab of marks) assert.equal(await tab.getByLabel('Key or token').count(), 0, 'it was logged out');
    await wait(500);
  }
  assert.notEqual((await sessionOf(page)).value, first, 'the session has no other proof');
  assert.ok(renewals() - begun >= 2, `${renewals() - begun} renewals`);
  for (const tab of marks) {
    assert.ok(await tab.evaluate(() => window.isTheSame), 'the page was loaded anew');
    await tab.getByRole('link', { name: 'Artifacts' }).first().click();
    await shows(tab, 'No artifacts yet', 'after tokens have ended');
    await live(tab);
  }
  await other.close();
}

async function endsByLoggingOut(page, server, issuer) {
  const { value } = await sessionOf(page);
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Log out' }).click();
  await shows(page, 'You are logged out', 'after logging out');
  const told = await fetch(`${server.operations}/console/session`, { headers: { cookie: `${name}=${value}`, 'sec-fetch-site': 'same-origin' } });
  assert.equal((await told.json()).csrf, null, 'a copy of the cookie goes on');
  await until('the issuer is told', () => issuer.asked.includes('/token/revocation'));
  await page.context().close();
}

async function isRefusedInWords(at, server, state) {
  state.seconds = 600;
  const page = await at('sessions');
  await page.getByRole('button', { name: 'Log in with Acme' }).click();
  await page.getByText('[ Cancel ]').click();
  await shows(page, 'the issuer refuses it', 'after giving up');
  assert.equal(page.url(), `${server.operations}/console/`);
  state.tenant = 'globex';
  await enter(page, 'bob');
  await shows(page, 'the server does not accept the token', 'of another tenant');
  assert.equal(await sessionOf(page), undefined);
  state.tenant = 'acme';
  // What another browser was sent there with.
  await page.goto(`${server.operations}/console/login/acme?code=x&state=y`);
  await shows(page, 'it took too long', 'a login that was not begun here');
  await page.context().close();
}

async function isBegunByItsOwnPagesAlone(server, issuer, prefixed) {
  const begin = (headers, body) => fetch(`${server.operations}/console/login`, {
    method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body),
  });
  const body = { issuer, folder: '/console/', page: 'sessions' };
  assert.equal((await begin({}, body)).status, 403);
  assert.equal((await begin({ origin: 'http://127.0.0.1:1' }, body)).status, 403);
  const own = { origin: server.operations };
  for (const bad of [{ ...body, issuer: 'https://other.example' }, { ...body, folder: '//evil.example/console/' }, {}]) {
    assert.equal((await begin(own, bad)).status, 400, JSON.stringify(bad));
  }
  const { address } = await (await begin(own, { ...body, folder: '/a/b/console/' })).json();
  const sent = new URL(address).searchParams;
  assert.equal(sent.get('redirect_uri'), `${server.operations}/a/b/console/login/acme`, 'below the path of a proxy');
  assert.equal(sent.get('code_challenge_method'), 'S256');
  // What comes back below a path goes on below it.
  const back = await fetch(`${prefixed.url}/console/login/acme?error=access_denied`, { redirect: 'manual' });
  assert.equal(back.status, 303);
  assert.equal(new URL(back.headers.get('location'), back.url).href, `${prefixed.url}/console/#login=old`);
}
