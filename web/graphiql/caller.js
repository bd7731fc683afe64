// The caller, where the server wants a proof: the token of this tab, and the bar that shows its holder. The token is kept
// in the storage of this tab (sessionStorage), and the token that renews it in the memory of this page.
'use strict';

(() => {
  const login = window.takeoffLogin;
  const isRequired = document.documentElement.dataset.proof === 'required';
  const kept = 'takeoff:token';
  // A token is renewed when this part of its time is left, or this much.
  const partLeft = 0.2;
  const mostLeftMs = 60_000;
  // Timers take no longer times; what lasts longer ends when the server says so.
  const longestTimerMs = 2 ** 31 - 1;

  // The proof has `token`, and if an issuer gave it `issuer`, `expiresAt` (ms), `refreshToken`. `who` is its holder.
  let proof;
  let who;
  let timer;
  let told = { changed() {}, renewed() {} };
  let bar;

  // --- The proof ----------------------------------------------------------------------------------------------

  const headers = () => (proof ? { authorization: `Bearer ${proof.token}` } : {});

  // Asks the server who the holder of a token is. Returns `who`, or in `words` why there is none; `isRefused` where the
  // token is not valid.
  async function ask(token) {
    const answer = await fetch('/graphql', {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: '{ viewer { actor tenantId } }' }),
    }).catch(() => undefined);
    if (!answer) return { words: 'The server does not answer.' };
    if (answer.status === 401) return { isRefused: true, words: 'The server refuses this token: it is not valid, has expired or was revoked.' };
    if (answer.status === 429) {
      const seconds = answer.headers.get('retry-after') ?? 'some';
      return { words: `The server refuses for now: too many tokens or requests came from here. Try again in ${seconds} s.` };
    }
    const { data, errors } = await answer.json().catch(() => ({}));
    return data?.viewer ? { who: data.viewer } : { words: errors?.[0]?.message ?? `The server answers ${answer.status}.` };
  }

  // Holds a proof that the server takes; returns the server's answer.
  async function take(given) {
    const answer = await ask(given.token);
    if (answer.who) {
      hold(given);
      who = answer.who;
      show('');
      told.changed();
    } else {
      say(answer.words);
    }
    return answer;
  }

  function hold(given) {
    proof = given;
    const { token, issuer, expiresAt } = given;
    sessionStorage.setItem(kept, JSON.stringify({ token, issuer, expiresAt }));
    clearTimeout(timer);
    if (expiresAt === undefined) return;
    const left = expiresAt - Date.now();
    const margin = given.refreshToken ? Math.min(mostLeftMs, left * partLeft) : 0;
    if (left - margin < longestTimerMs) timer = setTimeout(end, Math.max(left - margin, 0));
  }

  // The proof is about to end: renews it if the issuer gave what that needs, or else forgets it.
  async function end() {
    if (!proof.refreshToken) {
      forget('The token has expired. Log in again.');
      return;
    }
    const ending = proof;
    const renewed = await login.renew(ending).catch((fault) => ({ words: login.words(fault, ending.issuer) }));
    if (proof !== ending) return;
    if (renewed.token) {
      hold(renewed);
      show('');
      told.renewed(headers());
    } else {
      hold({ ...ending, refreshToken: undefined });
      show(`${renewed.words} The token is not renewed.`);
    }
  }

  // The server has refused a request or closed a socket: forgets the proof if it is not valid any more.
  async function check() {
    if (!isRequired) return;
    if (!proof) {
      say('The server wants a token.');
      return;
    }
    const checked = proof;
    const answer = await ask(checked.token);
    if (answer.isRefused && proof === checked) forget(answer.words);
  }

  function forget(words) {
    clearTimeout(timer);
    const former = proof;
    [proof, who] = [undefined, undefined];
    sessionStorage.removeItem(kept);
    show(words);
    told.changed();
    return former;
  }

  async function logOut() {
    const { issuer, refreshToken } = forget('The token is forgotten.');
    if (!issuer) return;
    const failed = refreshToken && (await login.revoke({ issuer, refreshToken }).catch((fault) => login.words(fault, issuer)));
    if (!proof) say(failed || `The token is forgotten. You may still be logged in at ${issuer}.`);
  }

  // --- The bar ------------------------------------------------------------------------------------------------

  // An element with attributes, children and what happens to it.
  function element(name, { on = {}, ...attributes } = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    for (const [event, run] of Object.entries(on)) made.addEventListener(event, run);
    made.append(...children);
    return made;
  }

  function say(words) {
    bar.querySelector('p').textContent = words;
  }

  // Shows who asks now, and says words.
  function show(words) {
    bar.querySelector('div').replaceChildren(...(who ? known() : unknown()));
    say(words);
  }

  function known() {
    const { expiresAt, refreshToken } = proof;
    const time = expiresAt && new Date(expiresAt).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
    const until = time && !refreshToken ? ` until ${time}` : '';
    return [
      element('span', { class: 'who' }, element('b', {}, who.actor), ` of tenant ${who.tenantId}${until}`),
      element('button', { type: 'button', on: { click: logOut } }, proof.issuer ? 'Log out' : 'Forget'),
    ];
  }

  function unknown() {
    // No field for passwords, which a browser would offer to keep.
    const field = element('input', {
      type: 'text', class: 'masked', placeholder: 'key or token', 'aria-label': 'key or token', autocomplete: 'off', spellcheck: 'false',
    });
    const pasted = async (event) => {
      event.preventDefault();
      const token = field.value.trim().replace(/^bearer\s+/i, '');
      if (/^[\x21-\x7e]+$/.test(token)) await take({ token });
      else say('A token is one word of ASCII characters.');
    };
    const form = element('form', { on: { submit: pasted } }, field, element('button', {}, 'Use'));
    return [element('span', {}, 'Not logged in'), form, ...logins()];
  }

  // A button for each issuer, or why there is none.
  function logins() {
    if (login.issuers.length === 0) return [];
    const missing = login.missing();
    if (missing) return [element('span', {}, missing)];
    return login.issuers.map((one) => {
      const begin = () => {
        say(`Going to ${one.issuer}.`);
        login.begin(one).catch((fault) => say(login.words(fault, one.issuer)));
      };
      const { host, pathname } = new URL(one.issuer);
      return element('button', { type: 'button', on: { click: begin } }, `Log in at ${host}${pathname.replace(/\/$/, '')}`);
    });
  }

  // Shows the bar, and begins with what the issuer has just answered or with the token that the tab has. `changed` is
  // called when there is another caller, `renewed` when the same one has a fresh token.
  function start(callbacks) {
    if (!isRequired) return;
    told = callbacks;
    bar = document.getElementById('caller');
    bar.append(element('div'), element('p', { role: 'status' }));
    const returned = login.returned();
    const given = JSON.parse(sessionStorage.getItem(kept));
    show('');
    if (returned) {
      sessionStorage.removeItem(kept);
      login.finish(returned).then(take).catch((fault) => say(login.words(fault, returned.begun?.issuer)));
    } else if (given?.expiresAt < Date.now()) {
      forget('The token has expired. Log in again.');
    } else if (given) {
      take(given).then(({ isRefused }) => isRefused && sessionStorage.removeItem(kept));
    }
  }

  window.takeoffCaller = { start, headers, check, isKnown: () => !isRequired || who !== undefined };
})();
