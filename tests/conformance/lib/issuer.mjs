// An issuer of OpenID Connect (oidc-provider) with a client that gets access tokens for one audience, and on request
// a page where people log in, by any name.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const secret = 'the secret of the client of this test';

// `settings` has `url`, `port`, `client`, `audience`, `keys` (JWKs), and as functions, so that they can change:
// `claims`, `algorithm` and `seconds` of the next token. `page` is the address of a page that logs people in, as the
// client `page`; `back` the addresses to which a server is led back that logs people in, as the client `console`.
export async function startIssuer({ url, port, client, audience, keys, claims, algorithm, seconds, page, back }) {
  const pageClient = {
    client_id: 'page',
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: [page],
    response_types: ['code'],
    id_token_signed_response_alg: algorithm(),
  };
  const consoleClient = {
    client_id: 'console',
    client_secret: secret,
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: back,
    response_types: ['code'],
    id_token_signed_response_alg: algorithm(),
  };
  const provider = new Provider(url, {
    jwks: { keys },
    clients: [{
      client_id: client,
      client_secret: secret,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    }, ...(page ? [pageClient] : []), ...(back ? [consoleClient] : [])],
    issueRefreshToken: (_, of, code) =>
      of.grantTypeAllowed('refresh_token') && (of.clientId === 'console' || code.scopes.has('offline_access')),
    // One that is used twice ends all of its login.
    rotateRefreshToken: true,
    clientBasedCORS: (_, origin) => page !== undefined && origin === new URL(page).origin,
    cookies: { keys: [secret] },
    extraTokenClaims: claims,
    features: {
      devInteractions: { enabled: page !== undefined || back !== undefined },
      revocation: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo: () => ({
          scope: '',
          audience,
          accessTokenTTL: seconds(),
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: algorithm() } },
        }),
      },
    },
    ttl: { ClientCredentials: seconds },
  });
  const http = createServer(provider.callback());
  const asked = [];
  http.on('request', ({ url: path }) => asked.push(path));
  await new Promise((resolve) => http.listen(port, '127.0.0.1', resolve));
  return {
    /** The paths that were asked for. */
    asked,
    secret,
    async stop() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

export async function fetchToken({ url, client, audience }) {
  const request = () => fetch(`${url}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${client}:${encodeURIComponent(secret)}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource: audience }),
  });
  // A connection to the issuer of before may be taken first.
  const answer = await request().catch(request);
  const body = await answer.json();
  assert.ok(body.access_token, JSON.stringify(body));
  return body.access_token;
}
