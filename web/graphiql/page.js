// GraphiQL for this server: queries and mutations by HTTP, subscriptions by graphql-transport-ws, and a tour that
// takes the ids of its answers into its variables.
'use strict';

(() => {
  const { React, ReactDOM, GraphiQL, GraphiQLPluginExplorer, graphqlWs, takeoffCaller: caller } = window;
  const socketUrl = new URL('graphql/ws', location.origin);
  socketUrl.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  // Why the server closes a socket, in words.
  const [unproven, refused, tryLater] = [4401, 4403, 1013];
  const closings = {
    [unproven]: 'The server wants a token.',
    [refused]: 'The server has closed the socket: its token has ended, was revoked or is not valid.',
    [tryLater]: 'The server has closed the socket for now. Try again later.',
  };
  // The subscriptions that run.
  const subscriptions = new Set();
  // So many batches of a subscription are shown; earlier ones are counted.
  const mostBatches = 200;

  // The variables of the tour: ids, which the answers of its steps fill in.
  const template = { session: '', execution: '', artifact: '' };

  // Each step of the tour: what its answer puts into the variables, and what to do next.
  const steps = {
    CreateSession: {
      takes: ({ createSession }) => ({ session: createSession?.session?.id }),
      next: 'The session is in the variables. Run Submit.',
    },
    Submit: {
      takes: ({ submitIntent }) => ({ execution: submitIntent?.execution?.id }),
      next: 'The execution is in the variables, and runs for some four seconds. Run Watch now.',
    },
    Watch: { takes: () => ({}), next: 'It has ended. Run Look.' },
    Look: {
      takes({ execution }) {
        const steps = (execution?.children?.nodes ?? []).flatMap((child) => child.children.nodes);
        return { artifact: steps.flatMap((step) => step.artifacts.nodes).at(-1)?.id };
      },
      next: 'The last artifact is in the variables. Run Lineage.',
    },
    Lineage: { takes: () => ({}), next: 'Paste the mermaid text into a renderer to see it drawn. Run SetState.' },
    SetState: {
      takes: () => ({}),
      next: 'Run it again: the version has moved on, so it is refused. Then run IntentTypes.',
    },
    IntentTypes: { takes: () => ({}), next: 'That was the tour. Change what you like, and run it again.' },
  };
  const firstStep = 'Press the run button (or Ctrl-Enter) and choose CreateSession.';

  let root;
  let props;
  const render = (more) => {
    props = { ...props, ...more };
    root.render(React.createElement(GraphiQL, props));
  };

  // The step of the tour that a request is, if its variables are those of the tour.
  function stepOf({ operationName, variables }) {
    return variables && Object.keys(template).every((name) => name in variables) ? steps[operationName] : undefined;
  }

  // Takes what an answer holds into the variables; what to do next, if the answer is part of the tour.
  function guided(request, data) {
    const step = stepOf(request);
    if (!step || !data) return undefined;
    const taken = Object.entries(step.takes(data)).filter(([, value]) => value);
    if (taken.length > 0) {
      render({ variables: JSON.stringify({ ...request.variables, ...Object.fromEntries(taken) }, null, 2) });
    }
    const isRefused = Object.values(data).some((part) => part?.errors?.length > 0);
    return isRefused && request.operationName !== 'SetState' ? 'It was refused; "errors" says why.' : step.next;
  }

  // Steps that need an id of an earlier one.
  function missingOf({ operationName, variables }) {
    const needs = { Submit: 'session', SetState: 'session', Watch: 'execution', Look: 'execution', Lineage: 'artifact' };
    const from = { session: 'CreateSession', execution: 'Submit', artifact: 'Look' };
    const need = needs[operationName];
    return need && variables[need] === '' ? `It needs the ${need}: run ${from[need]} first.` : undefined;
  }

  function isSubscription({ operationName }, options) {
    const definitions = options?.documentAST?.definitions ?? [];
    const operations = definitions.filter(({ kind }) => kind === 'OperationDefinition');
    const chosen = operations.find(({ name }) => name?.value === operationName) ?? operations[0];
    return chosen?.operation === 'subscription';
  }

  // The headers of a request: the caller's token, and over it what the header editor says.
  const sent = (headers) => {
    const named = Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]);
    return { ...caller.headers(), ...Object.fromEntries(named) };
  };
  const isProvenByHand = (headers) => Object.keys(headers ?? {}).some((name) => name.toLowerCase() === 'authorization');

  async function post(request, headers) {
    const response = await fetch('/graphql', {
      method: 'POST',
      headers: { accept: 'application/json', ...sent(headers), 'content-type': 'application/json' },
      body: JSON.stringify(request),
    });
    if (response.status === 401 && !isProvenByHand(headers)) caller.check();
    const answer = await response.json();
    const next = guided(request, answer.data);
    return next ? { next, ...answer } : answer;
  }

  // A connection of its own for each subscription, which begins with the headers. Every batch stays.
  async function* follow(request, headers) {
    const isByHand = isProvenByHand(headers);
    let socket;
    const client = graphqlWs.createClient({
      url: socketUrl.href,
      connectionParams: () => sent(headers),
      shouldRetry: (event) => 'code' in event && event.code !== refused,
      on: { connected: (connected) => (socket = connected) },
    });
    const running = {
      end: () => isByHand || client.dispose(),
      // By a ping with a fresh token the server lets the socket go on.
      renew(payload) {
        if (!isByHand && socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: 'ping', payload }));
      },
    };
    subscriptions.add(running);
    const batches = [];
    let earlier = 0;
    const shown = (next) => ({
      ...(next && { next }),
      ...(earlier > 0 && { earlierBatchesLeftOut: earlier }),
      batches: [...batches],
    });
    const isTour = stepOf(request) !== undefined;
    try {
      if (isTour) yield shown('Watching: each batch is added below as it arrives.');
      for await (const batch of client.iterate(request)) {
        batches.push(batch);
        if (batches.length > mostBatches) {
          batches.shift();
          earlier += 1;
        }
        yield shown(isTour ? 'Watching: each batch is added below as it arrives.' : undefined);
      }
      if (isTour) yield shown(guided(request, batches.at(-1)?.data));
    } catch (event) {
      if (!(event.code in closings)) throw event;
      if (!isByHand && event.code !== tryLater) caller.check();
      yield { ...shown(), errors: [{ message: closings[event.code] }] };
    } finally {
      subscriptions.delete(running);
      client.dispose();
    }
  }

  function fetcher(request, options) {
    const missing = stepOf(request) && missingOf(request);
    if (missing) return Promise.resolve({ next: missing });
    return isSubscription(request, options) ? follow(request, options?.headers) : post(request, options?.headers);
  }

  // There is another caller: ends the subscriptions of the one before, and asks for the schema again.
  function changed() {
    for (const running of subscriptions) running.end();
    if (root) render({ schema: schema(), fetcher: (...request) => fetcher(...request) });
  }

  // GraphiQL asks the server for a schema that is undefined, and goes without one that is null.
  const schema = () => (caller.isKnown() ? undefined : null);

  // The caller has a fresh token.
  function renewed(headers) {
    for (const running of subscriptions) running.renew(headers);
  }

  async function show() {
    caller.start({ changed, renewed });
    const asked = new URLSearchParams(location.search);
    const tour = await (await fetch(document.documentElement.dataset.tour)).text();
    const given = asked.get('query');
    root = ReactDOM.createRoot(document.getElementById('graphiql'));
    const tab = { query: tour, variables: JSON.stringify(template, null, 2) };
    const made = {
      fetcher,
      defaultQuery: '',
      defaultTabs: [tab],
      defaultEditorToolsVisibility: 'variables',
      shouldPersistHeaders: false,
      plugins: [GraphiQLPluginExplorer.explorerPlugin()],
    };
    // Of the first tab GraphiQL takes the query alone.
    if (given !== null) {
      // A tab of its own, which a link may fill; what the reader had is not touched.
      made.variables = asked.get('variables') ?? '';
      made.defaultTabs = [{ query: given, variables: made.variables }, tab];
      made.storage = forgetful();
    } else if (localStorage.getItem('graphiql:tabState') === null) {
      made.variables = tab.variables;
      made.response = JSON.stringify({ next: firstStep }, null, 2);
    }
    render({ ...made, schema: schema() });
  }

  // Keeps what is written in this page only.
  function forgetful() {
    const kept = new Map();
    return {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => kept.set(key, value),
      removeItem: (key) => kept.delete(key),
      clear: () => kept.clear(),
      get length() {
        return kept.size;
      },
    };
  }

  show();
})();
