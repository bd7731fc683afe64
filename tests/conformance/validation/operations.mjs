// Valid operations that together touch most of the schema; mutate.mjs makes variations of them.

export const operations = [
  `query Executions($first: Int = 10, $after: String, $status: [ExecutionStatus!], $withSteps: Boolean!) {
    executions(first: $first, after: $after, filter: {status: $status, intentType: ["echo"]}, orderBy: NEWEST_FIRST) {
      pageInfo { ...Page }
      edges { cursor node { ...Row steps @include(if: $withSteps) { name attempt result } } }
    }
  }
  fragment Page on PageInfo { hasNextPage endCursor }
  fragment Row on Execution { id status attempt intent { intentType parameters } error { code message } }`,

  `query Anything($id: ID!, $ids: [ID!]!) {
    node(id: $id) {
      __typename
      id
      ... on Execution { name: handlerName children(first: 5) { nodes { id status } } }
      ... on Artifact { name: artifactType materializations { format sizeBytes } }
      ... on Session { state stateVersion }
    }
    nodes(ids: $ids) { id ... on Intent { metadata } }
  }`,

  `query Lineage($roots: [ID!]!, $direction: LineageDirection! = BOTH, $depth: Int) {
    lineage(roots: $roots, direction: $direction, maxDepth: $depth, filter: {artifactType: ["file"]}) {
      nodes { depth isRoot artifact { ...Thing } }
      edges { parentId childId }
      truncated
      truncatedBecause
    }
    lineagePath(from: "art_a", to: "art_b") { ...Thing parents(last: 2) { nodes { ...Thing } } }
  }
  fragment Thing on Artifact { id artifactType lifecycleState producedBy { intentType execution { id } } }`,

  `query Log($filter: WalFilter, $since: DateTime) {
    walEntries(first: 3, filter: $filter) { nodes { sequence type data streamKind } pageInfo { endCursor } }
    late: walEntries(filter: {createdAfter: $since, types: ["session.created"]}) { edges { cursor } }
  }`,

  `query Status {
    viewer { tenantId actor }
    runtime { version backlog { ready running scheduled } nodes { name isThis capacity } }
    intentTypes { name handlers { handlerName description parametersSchema } }
    one: intentType(name: "echo") { name }
    other: intentType(name: "ingest_file") { name }
  }`,

  `query Meta($deprecated: Boolean = false) {
    __typename
    __schema { queryType { name } directives { name args { name } } }
    __type(name: "Execution") { kind fields(includeDeprecated: $deprecated) { name type { kind ofType { name } } } }
  }`,

  `query Events($id: ID!, $after: String) {
    execution(id: $id) {
      events(first: 20, after: $after) {
        nodes { ...Event ... on ExecutionCompleted { result } ... on ExecutionFailed { error { code } } }
        pageInfo { hasNextPage }
      }
    }
  }
  fragment Event on ExecutionEvent { __typename id sequence type occurredAt ... on DomainEvent { name payload } }`,

  `mutation Submit($input: SubmitIntentInput!, $key: String, $priority: Int) {
    submitIntent(input: $input) { execution { id status } replayed errors { ...Problem } }
    again: submitIntent(input: {intentType: "echo", sessionId: "ses_a", idempotencyKey: $key, priority: $priority}) {
      errors { ...Problem ... on IdempotencyKeyConflict { execution { id } } }
    }
  }
  fragment Problem on UserError { code message path }`,

  `mutation State($session: ID!, $state: JSON!, $version: BigInt, $mode: StateWriteMode! = MERGE) {
    setSessionState(input: {sessionId: $session, state: $state, ifVersion: $version, mode: $mode}) {
      session { state stateVersion }
      errors { code ... on StaleVersion { currentVersion } }
    }
    createSession(input: {userId: "ann", metadata: {tags: ["a", 1, null]}, ttlSeconds: 60}) { session { id } }
  }`,

  `mutation Many($intents: [SubmitIntentInput!]!) {
    submitIntents(input: {intents: $intents}) { results { execution { id } replayed } errors { message } }
    cancelExecution(input: {executionId: "exe_a", reason: "why"}) { execution { status } }
    transitionArtifact(input: {artifactId: "art_a", to: ARCHIVED}) { artifact { lifecycleState } }
    createUpload(input: {filename: "a.csv", sizeBytes: "12"}) { url upload { id } }
  }`,

  `subscription Watch($id: ID!, $after: String) {
    executionEvents(executionId: $id, after: $after) {
      cursor
      hasMorePastEvents
      events { id sequence type ... on ProgressReported { fraction message } ... on ChildSubmitted { child { id } } }
    }
  }`,

  `subscription Tenant($filter: EventFilter) {
    ...Root
  }
  fragment Root on Subscription { tenantEvents(filter: $filter) { cursor events { __typename ...Named } } }
  fragment Named on StepCompleted { name attempt }`,

  `query First($id: ID!) { session(id: $id) { ...Mine } }
  query Second($id: ID!, $last: Int!) { session(id: $id) { ...Mine executions(last: $last) { nodes { id } } } }
  fragment Mine on Session { id status metadata isAnonymous }`,

  `{ artifacts(first: 2, filter: {lifecycleState: [READY, ARCHIVED], nameContains: "a"}) { nodes { id displayName } } }`,
];
