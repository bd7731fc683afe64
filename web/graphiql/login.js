// Logs in at an issuer of OpenID Connect: authorization code with PKCE (RFC 7636), as a client without a secret. The
// protocol is that of the library oauth4webapi, which is loaded when somebody logs in.
'use strict';

(() => {
  const { logins, oauth: library } = document.documentElement.dataset;
  const issuers = JSON.parse(logins ?? '[]');
  // The issuer sends the browser back here; it must know the address.
  const page = `${location.origin}/graphiql`;
  // What must still be known when the browser comes back.
  const underWay = 'takeoff:login';
  // An issuer answers within this time.
  const answerMs = 30_000;

  // Why there is no logging in here; nothing if there is.
  function missing() {
    if (!library) return 'This server was built without npm, so that nobody can log in on this page: paste a token.';
    if (!globalThis.crypto?.subtle) return 'Logging in needs this page by https, or on this machine: paste a token.';
    return undefined;
  }

  // The library, what an issuer says of itself, and the options of each request to it.
  async function discover(login) {
    const oauth = await import(library);
    const options = {
      // The server takes no other issuer by plain HTTP than one on its own machine.
      [oauth.allowInsecureRequests]: login.issuer.startsWith('http:'),
      signal: () => AbortSignal.timeout(answerMs),
      additionalParameters: service(login),
    };
    const issuer = new URL(login.issuer);
    const answer = await oauth.discoveryRequest(issuer, options);
    const server = await oauth.processDiscoveryResponse(issuer, answer);
    return { oauth, server, client: { client_id: login.clientId }, options };
  }

  // The service that the token is for, as different issuers want to be told.
  const service = ({ audience }) => (audience ? { audience, resource: audience } : {});

  const asks = ({ scope }, name) => scope.split(' ').includes(name);

  // Sends the browser to the issuer.
  async function begin(login) {
    const { oauth, server } = await discover(login);
    const [verifier, state, nonce] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState(), oauth.generateRandomNonce()];
    const address = new URL(server.authorization_endpoint);
    const asked = {
      response_type: 'code',
      client_id: login.clientId,
      redirect_uri: page,
      scope: login.scope,
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...(asks(login, 'openid') && { nonce }),
      // Issuers give what renews a token to those alone who have agreed to it (OpenID Connect Core, section 11).
      ...(asks(login, 'offline_access') && { prompt: 'consent' }),
      ...service(login),
    };
    for (const [name, value] of Object.entries(asked)) address.searchParams.set(name, value);
    const { issuer } = login;
    sessionStorage.setItem(underWay, JSON.stringify({ issuer, verifier, state, nonce, search: location.search }));
    location.assign(address);
  }

  // The issuer's answer, if the browser comes back from it; it is taken out of the address at once.
  function returned() {
    const answer = new URLSearchParams(location.search);
    if (!answer.has('state') || !(answer.has('code') || answer.has('error'))) return undefined;
    const begun = JSON.parse(sessionStorage.getItem(underWay));
    sessionStorage.removeItem(underWay);
    history.replaceState(null, '', `/graphiql${begun?.search ?? ''}`);
    return { answer, begun };
  }

  // The tokens for what the issuer has answered.
  async function finish({ answer, begun }) {
    const login = issuers.find(({ issuer }) => issuer === begun?.issuer);
    if (!login) throw new Said('No login was under way in this tab. Log in again.');
    const { oauth, server, client, options } = await discover(login);
    const code = oauth.validateAuthResponse(server, client, answer, begun.state);
    const sent = await oauth.authorizationCodeGrantRequest(
      server, client, oauth.None(), code, page, begun.verifier, options,
    );
    const expected = asks(login, 'openid') ? { expectedNonce: begun.nonce } : {};
    return tokens(login, await oauth.processAuthorizationCodeResponse(server, client, sent, expected));
  }

  // Fresh tokens for those that end.
  async function renew({ issuer, refreshToken }) {
    const login = issuers.find((one) => one.issuer === issuer);
    const { oauth, server, client, options } = await discover(login);
    const sent = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), refreshToken, options);
    const renewed = tokens(login, await oauth.processRefreshTokenResponse(server, client, sent));
    return { ...renewed, refreshToken: renewed.refreshToken ?? refreshToken };
  }

  // Tells the issuer that a token for renewing is not wanted any more, if it takes that.
  async function revoke({ issuer, refreshToken }) {
    const login = issuers.find((one) => one.issuer === issuer);
    const { oauth, server, client, options } = await discover(login);
    if (!server.revocation_endpoint) return;
    await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, oauth.None(), refreshToken, options));
  }

  const tokens = ({ issuer }, { access_token: token, refresh_token: refreshToken, expires_in: seconds }) => ({
    token,
    issuer,
    refreshToken,
    expiresAt: seconds === undefined ? undefined : Date.now() + seconds * 1_000,
  });

  // A fault that is in words already.
  class Said extends Error {}

  // A fault in words.
  function words(fault, issuer) {
    if (fault instanceof Said) return fault.message;
    if (fault.error) return `${issuer} refuses: ${fault.error_description ?? fault.error}`;
    if (fault.name === 'WWWAuthenticateChallengeError') return `${issuer} does not know this page as its client.`;
    // A browser does not tell a page more.
    const isUnanswered = fault.name === 'TimeoutError' || (fault instanceof TypeError && !fault.code);
    if (isUnanswered) return `${issuer} does not answer, or does not let pages of ${location.origin} ask it.`;
    return `The answer of ${issuer} cannot be used: ${fault.message}`;
  }

  window.takeoffLogin = { issuers, missing, begin, returned, finish, renew, revoke, words };
})();
