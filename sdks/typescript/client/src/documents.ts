// The documents of the client's own operations. Tests validate them against schema.graphql.

const ERROR = 'error { code message attempt retryable }';
const ERRORS = 'errors { '
  + 'code message path '
  + '... on StaleVersion { currentVersion } '
  + '... on QuotaExceeded { retryAfterMs } '
  + '... on PolicyDenied { policyId } '
  + '... on IdempotencyKeyConflict { execution { id } } '
  + '}';
const SESSION = 'id status state stateVersion userId expiresAt updatedAt';
const EXECUTION = `id status attempt waitingFor createdAt startedAt finishedAt cancelRequestedAt ${ERROR} intent { id intentType }`;

export const EXECUTION_BY_ID = 'query Execution($id: ID!, $withResult: Boolean!) { '
  + `execution(id: $id) { ${EXECUTION} result @include(if: $withResult) } `
  + '}';

const EVENT = 'events { '
  + 'id type executionId sequence cursor occurredAt actor '
  + '... on ExecutionStarted { attempt } '
  + `... on ExecutionRetrying { attempt nextAttemptAt ${ERROR} } `
  + '... on ProgressReported { fraction message } '
  + '... on StepCompleted { name attempt } '
  + '... on ChildSubmitted { child { id intent { intentType } } } '
  + '... on ArtifactRegistered { artifact { id artifactType displayName } } '
  + '... on ArtifactTransitioned { artifact { id artifactType displayName } } '
  + '... on DomainEvent { name payload } '
  + '... on CancelRequested { reason } '
  + `... on ExecutionFailed { ${ERROR} } `
  + '... on ExecutionCancelled { reason } '
  + '}';
const OF_EXECUTION = '($id: ID!, $after: String) { batch: executionEvents(executionId: $id, after: $after) { cursor';
const OF_SESSION = '($id: ID!, $after: String) { batch: sessionEvents(sessionId: $id, after: $after) { cursor';

/** What tells how far an execution is, and nothing more. */
export const STATUS_EVENTS = `subscription Status${OF_EXECUTION} events { `
  + 'type sequence occurredAt '
  + '... on ExecutionStarted { attempt } '
  + '... on ProgressReported { fraction message } '
  + '} } }';

export const EVENTS = `subscription Events${OF_EXECUTION} ${EVENT} } }`;

export const SESSION_FEED = `subscription SessionFeed${OF_SESSION} ${EVENT} } }`;

/** That something happens in a session, not what. */
export const SESSION_ACTIVITY = `subscription SessionActivity${OF_SESSION} } }`;

export const FEED = 'subscription Feed($filter: EventFilter, $after: String) { '
  + `batch: tenantEvents(filter: $filter, after: $after) { cursor ${EVENT} } `
  + '}';

/** Where the feed of a session, or of the tenant, ends now. */
export const FEED_HEAD = 'query FeedHead($id: ID) { feedHead(sessionId: $id) }';

/** The mutation of this name, as its type of input begins. */
const mutation = (name: string, selection: string): string =>
  `mutation ${name}($input: ${name}Input!) { payload: ${name[0]?.toLowerCase()}${name.slice(1)}(input: $input) { ${selection} ${ERRORS} } }`;

export const SUBMIT = mutation('SubmitIntent', 'execution { id } replayed');
export const RERUN = mutation('RerunExecution', 'execution { id } replayed');
export const CANCEL = mutation('CancelExecution', `execution { ${EXECUTION} }`);
export const CREATE_SESSION = mutation('CreateSession', `session { ${SESSION} }`);
export const SET_STATE = mutation('SetSessionState', `session { ${SESSION} }`);
export const CREATE_UPLOAD = mutation('CreateUpload', 'upload { id } url');

export const WHO = `query Who { viewer { executionIdSuffix } }`;

export const SESSION_BY_ID = `query Session($id: ID!) { session(id: $id) { ${SESSION} } }`;

export const ARTIFACT_BY_ID = 'query Artifact($id: ID!) { '
  + 'artifact(id: $id) { '
  + 'id artifactType displayName lifecycleState generation semanticDescriptor createdAt '
  + 'producedBy { intentType execution { id } } '
  + 'materializations { id format sizeBytes digest downloadUrl } '
  + '} '
  + '}';

export const LINEAGE = 'query Lineage($roots: [ID!]!, $direction: LineageDirection! = UPSTREAM, $maxDepth: Int! = 10, $maxNodes: Int! = 500) { '
  + 'lineage(roots: $roots, direction: $direction, maxDepth: $maxDepth, maxNodes: $maxNodes) { '
  + 'nodes { depth isRoot artifact { id artifactType displayName lifecycleState generation } } '
  + 'edges { parentId childId intentType } '
  + 'truncated truncatedBecause '
  + '} '
  + '}';
