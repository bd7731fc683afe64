//! Everything by which a request can name what is a tenant's: arguments and inputs of the schema, and parameters
//! and bodies of routes, each with a request that tries it. `<name>` is tried with the name of another tenant's
//! thing and with that of nothing; `<own name>` is the caller's.

/// A document that tries some arguments.
pub(super) struct Tried {
    pub(super) covers: &'static [&'static str],
    pub(super) text: &'static str,
    /// False where the owner gets nothing either.
    pub(super) finds: bool,
}

const fn tried(covers: &'static [&'static str], text: &'static str) -> Tried {
    Tried {
        covers,
        text,
        finds: true,
    }
}

const fn blind(covers: &'static [&'static str], text: &'static str) -> Tried {
    Tried {
        covers,
        text,
        finds: false,
    }
}

/// Those that change what they name come last, with closing the session at the end.
pub(super) const OPERATIONS: &[Tried] = &[
    tried(
        &["Query.artifact.id"],
        r#"query { artifact(id: "<artifact>") { id artifactType displayName transitions { to } materializations { digest downloadUrl preview } lineage { nodes { depth } } } }"#,
    ),
    tried(
        &[
            "Query.artifact.id",
            "Artifact.children.after",
            "Artifact.parents.after",
        ],
        r#"query { artifact(id: "<artifact>") { children { nodes { id } totalCount { count } } parents { nodes { id } } producedBy { intentType execution { id } } } }"#,
    ),
    // Places in a list that the owner has; to others they are places in their own.
    blind(
        &[
            "Artifact.children.after",
            "Artifact.children.before",
            "Artifact.parents.after",
            "Artifact.parents.before",
        ],
        r#"query { artifact(id: "<own artifact>") { a: children(after: "<place>") { nodes { id } } b: children(before: "<place>") { nodes { id } } c: parents(after: "<place>") { nodes { id } } d: parents(before: "<place>") { nodes { id } } } }"#,
    ),
    blind(
        &["Query.artifacts.after", "Query.artifacts.before"],
        r#"query { a: artifacts(first: 3, after: "<place>", orderBy: OLDEST_FIRST) { nodes { id } pageInfo { hasNextPage hasPreviousPage } } b: artifacts(before: "<place>", orderBy: OLDEST_FIRST) { nodes { id } pageInfo { hasNextPage hasPreviousPage } totalCount { count } } }"#,
    ),
    tried(
        &["Query.artifacts.filter.executionId"],
        r#"query { artifacts(filter: {executionId: "<ingest>"}) { nodes { id } totalCount { count } } }"#,
    ),
    tried(
        &["Query.artifacts.filter.sessionId"],
        r#"query { artifacts(filter: {sessionId: "<session>"}) { nodes { id } totalCount { count } } }"#,
    ),
    tried(
        &["Query.artifacts.filter.nameContains"],
        r#"query { artifacts(filter: {nameContains: "<file>"}) { nodes { id } totalCount { count } } }"#,
    ),
    tried(
        &["Query.execution.id"],
        r#"query { execution(id: "<execution>") { id status result children { nodes { id } totalCount { count } } steps { name } events { nodes { id } } artifacts { nodes { id } } intent { id session { id } } } }"#,
    ),
    tried(
        &["Query.execution.id"],
        r#"query { execution(id: "<live>") { id status waitingFor } }"#,
    ),
    blind(
        &["Execution.children.after", "Execution.children.before"],
        r#"query { execution(id: "<own execution>") { a: children(after: "<ingest>") { nodes { id } } b: children(before: "<ingest>") { nodes { id } } } }"#,
    ),
    blind(
        &["Execution.artifacts.after", "Execution.artifacts.before"],
        r#"query { execution(id: "<own ingest>") { a: artifacts(after: "<place>") { nodes { id } } b: artifacts(before: "<place>") { nodes { id } } } }"#,
    ),
    blind(
        &["Execution.events.after", "Execution.events.before"],
        r#"query { execution(id: "<own execution>") { a: events(after: "<cursor>") { nodes { id } } b: events(last: 9, before: "<cursor>") { nodes { id } } } }"#,
    ),
    blind(
        &["Query.executions.filter.rerunOf"],
        r#"query { executions(filter: {rerunOf: "<execution>"}) { nodes { id } totalCount { count } } }"#,
    ),
    blind(
        &["Query.executions.after", "Query.executions.before"],
        r#"query { a: executions(after: "<execution>") { nodes { id } pageInfo { hasNextPage } } b: executions(before: "<execution>") { nodes { id } pageInfo { hasPreviousPage } } c: executions(after: "<execution>", orderBy: OLDEST_FIRST) { nodes { id } } }"#,
    ),
    tried(
        &["Query.executions.filter.idempotencyKey"],
        r#"query { executions(filter: {idempotencyKey: "<idempotency>"}) { nodes { id } totalCount { count } } }"#,
    ),
    tried(
        &["Query.executions.filter.sessionId"],
        r#"query { executions(filter: {sessionId: "<session>"}) { nodes { id } totalCount { count } } }"#,
    ),
    tried(
        &[
            "Query.executions.filter.metadata.key",
            "Query.executions.filter.metadata.value",
        ],
        r#"query { executions(filter: {metadata: [{key: "user", value: "<user>"}]}) { nodes { id } totalCount { count } } }"#,
    ),
    tried(
        &["Query.lineage.roots"],
        r#"query { lineage(roots: ["<artifact>"]) { nodes { depth } edges { parentId } mermaid } }"#,
    ),
    blind(
        &["Query.lineage.roots"],
        r#"query { lineage(roots: ["<own artifact>", "<artifact>"], direction: DOWNSTREAM) { nodes { depth } truncated } }"#,
    ),
    tried(
        &["Query.lineagePath.from", "Query.lineagePath.to"],
        r#"query { lineagePath(from: "<artifact>", to: "<parsed>") { id } }"#,
    ),
    blind(
        &["Query.lineagePath.from", "Query.lineagePath.to"],
        r#"query { a: lineagePath(from: "<own artifact>", to: "<parsed>") { id } b: lineagePath(from: "<artifact>", to: "<own parsed>") { id } }"#,
    ),
    tried(
        &["Query.node.id"],
        r#"query { a: node(id: "<execution>") { id } b: node(id: "<session>") { id } c: node(id: "<artifact>") { id } d: node(id: "<intent>") { id } }"#,
    ),
    blind(
        &["Query.node.id"],
        r#"query { a: node(id: "<event>") { id } b: node(id: "<materialization>") { id } c: node(id: "<upload>") { id } }"#,
    ),
    tried(
        &["Query.nodes.ids"],
        r#"query { nodes(ids: ["<own execution>", "<execution>", "<session>", "<artifact>", "<intent>", "<event>", "<upload>"]) { id } }"#,
    ),
    tried(
        &["Query.search.text"],
        r#"query { a: search(text: "<execution>") { id title } b: search(text: "<session>") { id } c: search(text: "<artifact>") { id } d: search(text: "<idempotency>") { id } e: search(text: "<file>") { id } f: search(text: "<schedule>") { id } }"#,
    ),
    tried(
        &["Query.session.id"],
        r#"query { session(id: "<session>") { id status state stateVersion executions { nodes { id } totalCount { count } } } }"#,
    ),
    blind(
        &["Session.executions.after", "Session.executions.before"],
        r#"query { session(id: "<own session>") { a: executions(after: "<execution>") { nodes { id } } b: executions(before: "<execution>") { nodes { id } } } }"#,
    ),
    blind(
        &["Query.sessions.after", "Query.sessions.before"],
        r#"query { a: sessions(after: "<session>") { nodes { id } } b: sessions(before: "<session>") { nodes { id } } }"#,
    ),
    tried(
        &["Query.sessions.filter.userId"],
        r#"query { sessions(filter: {userId: "<user>"}) { nodes { id } totalCount { count } } }"#,
    ),
    tried(
        &[
            "Query.sessions.filter.metadata.key",
            "Query.sessions.filter.metadata.value",
        ],
        r#"query { sessions(filter: {metadata: [{key: "user", value: "<user>"}]}) { nodes { id } totalCount { count } } }"#,
    ),
    blind(
        &["Query.apiKeys.after"],
        r#"query { apiKeys(after: "<key>") { nodes { id } totalCount { count } } }"#,
    ),
    blind(
        &["Query.walEntries.after"],
        r#"query { walEntries(first: 1, after: "<cursor>") { nodes { type } } }"#,
    ),
    tried(
        &["Query.walEntries.filter.sessionId"],
        r#"query { walEntries(first: 3, filter: {sessionId: "<session>"}) { nodes { type } } }"#,
    ),
    tried(
        &["Query.walEntries.filter.streamId"],
        r#"query { a: walEntries(filter: {streamId: "<execution>"}) { nodes { type } } b: walEntries(filter: {streamId: "<session>"}) { nodes { type } } c: walEntries(filter: {streamId: "<artifact>"}) { nodes { type } } }"#,
    ),
    tried(
        &["Query.feedHead.sessionId"],
        r#"query { feedHead(sessionId: "<session>") }"#,
    ),
    tried(
        &["Subscription.executionEvents.executionId"],
        r#"subscription { executionEvents(executionId: "<execution>") { events { type } } }"#,
    ),
    tried(
        &[
            "Subscription.executionEvents.executionId",
            "Subscription.executionEvents.after",
        ],
        r#"subscription { executionEvents(executionId: "<execution>", after: "<cursor>") { events { type } } }"#,
    ),
    blind(
        &["Subscription.executionEvents.after"],
        r#"subscription { executionEvents(executionId: "<own execution>", after: "<cursor>") { events { type } } }"#,
    ),
    // Of the owner's the feed does not end.
    blind(
        &["Subscription.sessionEvents.sessionId"],
        r#"subscription { sessionEvents(sessionId: "<session>") { events { type } } }"#,
    ),
    blind(
        &["Subscription.sessionEvents.after"],
        r#"subscription { sessionEvents(sessionId: "<own session>", after: "<cursor>") { events { type } } }"#,
    ),
    blind(
        &["Subscription.tenantEvents.after"],
        r#"subscription { tenantEvents(after: "<cursor>") { events { type } } }"#,
    ),
    blind(
        &["Subscription.executionChanges.after"],
        r#"subscription { executionChanges(after: "<cursor>") { executions { id } } }"#,
    ),
    tried(
        &["Mutation.submitIntent.input.sessionId"],
        r#"mutation { submitIntent(input: {intentType: "echo", sessionId: "<session>", parameters: {message: "hello"}}) { execution { status } errors { code message path } } }"#,
    ),
    blind(
        &["Mutation.submitIntent.input.executionId"],
        r#"mutation { submitIntent(input: {intentType: "echo", sessionId: "<own session>", executionId: "<execution>", parameters: {message: "hello"}}) { execution { id } errors { code message path } } }"#,
    ),
    blind(
        &["Mutation.submitIntents.input.intents.executionId"],
        r#"mutation { submitIntents(input: {intents: [{intentType: "echo", sessionId: "<own session>", executionId: "<execution>", parameters: {message: "hello"}}]}) { results { execution { id } errors { code message path } } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.submitIntent.input.idempotencyKey"],
        r#"mutation { submitIntent(input: {intentType: "gated", sessionId: "<own session>", idempotencyKey: "<idempotency>", metadata: {user: "<own user>"}}) { replayed errors { code message path } } }"#,
    ),
    blind(
        &["Mutation.submitIntent.input.parameters"],
        r#"mutation { a: submitIntent(input: {intentType: "parse_content", sessionId: "<own session>", parameters: {artifact_id: "<artifact>"}, runAt: "2100-01-01T00:00:00Z"}) { execution { id } errors { code message path } } b: submitIntent(input: {intentType: "ingest_file", sessionId: "<own session>", parameters: {filename: "a.csv", upload_id: "<arrived>"}, runAt: "2100-01-01T00:00:00Z"}) { execution { id } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.submitIntents.input.intents.sessionId"],
        r#"mutation { submitIntents(input: {intents: [{intentType: "echo", sessionId: "<session>", parameters: {message: "hello"}}]}) { results { replayed errors { code message path } } errors { code message path } } }"#,
    ),
    // Submitted before, as the only one.
    blind(
        &["Mutation.submitIntents.input.intents.idempotencyKey"],
        r#"mutation { submitIntents(input: {intents: [{intentType: "gated", sessionId: "<own session>", idempotencyKey: "<idempotency>", metadata: {user: "<own user>"}}]}) { results { replayed errors { code message path } } errors { code message path } } }"#,
    ),
    blind(
        &["Mutation.submitIntents.input.intents.parameters"],
        r#"mutation { submitIntents(input: {intents: [{intentType: "parse_content", sessionId: "<own session>", parameters: {artifact_id: "<artifact>"}, runAt: "2100-01-01T00:00:00Z"}]}) { results { execution { id } errors { code message path } } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.setSessionState.input.sessionId"],
        r#"mutation { setSessionState(input: {sessionId: "<session>", state: {}, ifVersion: "99"}) { session { id } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.rerunExecution.input.executionId"],
        r#"mutation { rerunExecution(input: {executionId: "<execution>"}) { execution { intent { id } } errors { code message path } } }"#,
    ),
    tried(
        &[
            "Mutation.rerunExecution.input.executionId",
            "Mutation.rerunExecution.input.idempotencyKey",
        ],
        r#"mutation { rerunExecution(input: {executionId: "<execution>", idempotencyKey: "<idempotency>"}) { replayed errors { code message path } } }"#,
    ),
    tried(
        &["Query.schedule.id"],
        r#"query { schedule(id: "<schedule>") { name parameters executions { nodes { id } totalCount { count } } } }"#,
    ),
    tried(
        &["Query.schedule.id", "Schedule.executions.after"],
        r#"query { schedule(id: "<schedule>") { executions(after: "<execution>") { nodes { id } } } }"#,
    ),
    blind(
        &["Query.schedules.after"],
        r#"query { schedules(after: "<schedule>") { totalCount { count } } }"#,
    ),
    tried(
        &["Query.schedules.filter.sessionId"],
        r#"query { schedules(filter: {sessionId: "<session>"}) { nodes { name } totalCount { count } } }"#,
    ),
    tried(
        &["Query.schedules.filter.name"],
        r#"query { schedules(filter: {name: "<user>"}) { nodes { name } totalCount { count } } }"#,
    ),
    tried(
        &["Query.operation.id"],
        r#"query { operation(id: "<operation>") { kind reason createdBy filter doneCount } }"#,
    ),
    blind(
        &["Query.operations.after"],
        r#"query { operations(after: "<operation>") { nodes { reason } totalCount { count } } }"#,
    ),
    tried(
        &["Mutation.cancelExecutions.input.filter.sessionId"],
        r#"mutation { cancelExecutions(input: {filter: {sessionId: "<session>"}, dryRun: true}) { preview { matched { count } executions { id } } errors { code message path } } }"#,
    ),
    blind(
        &["Mutation.cancelExecutions.input.filter.rerunOf"],
        r#"mutation { cancelExecutions(input: {filter: {rerunOf: "<execution>"}, dryRun: true}) { preview { matched { count } executions { id } } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.cancelExecutions.input.filter.idempotencyKey"],
        r#"mutation { cancelExecutions(input: {filter: {idempotencyKey: "<idempotency>"}, dryRun: true}) { preview { matched { count } executions { id } } errors { code message path } } }"#,
    ),
    tried(
        &[
            "Mutation.cancelExecutions.input.filter.metadata.key",
            "Mutation.cancelExecutions.input.filter.metadata.value",
        ],
        r#"mutation { cancelExecutions(input: {filter: {metadata: [{key: "user", value: "<user>"}]}, dryRun: true}) { preview { matched { count } executions { id } } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.rerunExecutions.input.filter.sessionId"],
        r#"mutation { rerunExecutions(input: {filter: {sessionId: "<session>", status: [COMPLETED]}, dryRun: true}) { preview { matched { count } executions { id } } errors { code message path } } }"#,
    ),
    blind(
        &["Mutation.rerunExecutions.input.filter.rerunOf"],
        r#"mutation { rerunExecutions(input: {filter: {rerunOf: "<execution>"}, dryRun: true}) { preview { matched { count } executions { id } } errors { code message path } } }"#,
    ),
    blind(
        &["Mutation.rerunExecutions.input.filter.idempotencyKey"],
        r#"mutation { rerunExecutions(input: {filter: {idempotencyKey: "<idempotency>"}, dryRun: true}) { preview { matched { count } executions { id } } errors { code message path } } }"#,
    ),
    blind(
        &[
            "Mutation.rerunExecutions.input.filter.metadata.key",
            "Mutation.rerunExecutions.input.filter.metadata.value",
        ],
        r#"mutation { rerunExecutions(input: {filter: {metadata: [{key: "user", value: "<user>"}]}, dryRun: true}) { preview { matched { count } executions { id } } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.archiveArtifacts.input.filter.sessionId"],
        r#"mutation { archiveArtifacts(input: {filter: {sessionId: "<session>"}, dryRun: true}) { preview { matched { count } artifacts { id } } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.archiveArtifacts.input.filter.executionId"],
        r#"mutation { archiveArtifacts(input: {filter: {executionId: "<ingest>"}, dryRun: true}) { preview { matched { count } artifacts { id } } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.archiveArtifacts.input.filter.nameContains"],
        r#"mutation { archiveArtifacts(input: {filter: {nameContains: "<file>"}, dryRun: true}) { preview { matched { count } artifacts { id } } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.cancelOperation.input.id"],
        r#"mutation { cancelOperation(input: {id: "<operation>"}) { operation { reason } errors { code message path } } }"#,
    ),
    tried(
        &["Query.webhook.id"],
        r#"query { webhook(id: "<webhook>") { name url createdBy cursor lastFailure } }"#,
    ),
    blind(
        &["Query.webhooks.after"],
        r#"query { webhooks(after: "<webhook>") { nodes { name } totalCount { count } } }"#,
    ),
    // Refused for its address, lest it is made.
    blind(
        &["Mutation.createWebhook.input.filter.sessionId"],
        r#"mutation { createWebhook(input: {url: "nowhere", filter: {sessionId: "<session>"}}) { webhook { name } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.updateWebhook.input.id"],
        r#"mutation { updateWebhook(input: {id: "<webhook>", name: "eve"}) { webhook { name } errors { code message path } } }"#,
    ),
    blind(
        &["Mutation.updateWebhook.input.filter.sessionId"],
        r#"mutation { updateWebhook(input: {id: "<own webhook>", filter: {types: ["nothing"], sessionId: "<session>"}}) { webhook { name } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.pauseWebhook.input.id"],
        r#"mutation { pauseWebhook(input: {id: "<webhook>"}) { webhook { name } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.rotateWebhookSecret.input.id"],
        r#"mutation { rotateWebhookSecret(input: {id: "<webhook>"}) { webhook { name } errors { code message path } } }"#,
    ),
    tried(
        &[
            "Mutation.redeliverWebhook.input.id",
            "Mutation.redeliverWebhook.input.after",
        ],
        r#"mutation { redeliverWebhook(input: {id: "<webhook>", after: "<own cursor>"}) { webhook { name } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.redeliverWebhook.input.after"],
        r#"mutation { redeliverWebhook(input: {id: "<own webhook>", after: "<cursor>"}) { webhook { name } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.resumeWebhook.input.id"],
        r#"mutation { resumeWebhook(input: {id: "<webhook>"}) { webhook { name } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.deleteWebhook.input.id"],
        r#"mutation { deleteWebhook(input: {id: "<webhook>"}) { webhook { name } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.createSchedule.input.sessionId"],
        r#"mutation { createSchedule(input: {sessionId: "<session>", intentType: "echo", parameters: {message: "a"}, cron: "@yearly"}) { schedule { status } errors { code message path } } }"#,
    ),
    tried(
        &[
            "Mutation.triggerSchedule.input.id",
            "Mutation.triggerSchedule.input.idempotencyKey",
        ],
        r#"mutation { triggerSchedule(input: {id: "<schedule>", idempotencyKey: "<idempotency>"}) { execution { id } replayed errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.backfillSchedule.input.id"],
        r#"mutation { backfillSchedule(input: {id: "<schedule>", from: "2020-01-01T00:00:00Z", until: "2021-01-01T00:00:00Z"}) { times errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.pauseSchedule.input.id"],
        r#"mutation { pauseSchedule(input: {id: "<schedule>"}) { schedule { name } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.resumeSchedule.input.id"],
        r#"mutation { resumeSchedule(input: {id: "<schedule>"}) { schedule { name } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.deleteSchedule.input.id"],
        r#"mutation { deleteSchedule(input: {id: "<schedule>"}) { schedule { name } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.cancelExecution.input.executionId"],
        r#"mutation { cancelExecution(input: {executionId: "<execution>"}) { execution { id } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.cancelExecution.input.executionId"],
        r#"mutation { cancelExecution(input: {executionId: "<live>"}) { execution { id } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.transitionArtifact.input.artifactId"],
        r#"mutation { transitionArtifact(input: {artifactId: "<artifact>", to: FAILED}) { artifact { id } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.deleteArtifact.input.artifactId"],
        r#"mutation { deleteArtifact(input: {artifactId: "<artifact>", dryRun: true, includeDescendants: true}) { artifact { id } descendants(first: 5) { id } descendantCount errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.deleteArtifact.input.artifactId"],
        r#"mutation { deleteArtifact(input: {artifactId: "<artifact>", includeDescendants: true}) { artifact { id } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.revokeApiKey.input.id"],
        r#"mutation { revokeApiKey(input: {id: "<key>"}) { apiKey { id } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.createAccessToken.input.sessionId"],
        r#"mutation { createAccessToken(input: {sessionId: "<session>", intentTypes: ["echo"]}) { scopes errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.createAccessToken.input.executionIds"],
        r#"mutation { createAccessToken(input: {executionIds: ["<execution>"]}) { scopes errors { code message path } } }"#,
    ),
    // An id that another tenant has is free; its owner is told that it is taken.
    blind(
        &["Mutation.createSession.input.sessionId"],
        r#"mutation { createSession(input: {sessionId: "<chosen>"}) { session { status } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.upgradeSession.input.sessionId"],
        r#"mutation { upgradeSession(input: {sessionId: "<anonymous>", userId: "eve"}) { session { id } errors { code message path } } }"#,
    ),
    tried(
        &["Mutation.closeSession.input.sessionId"],
        r#"mutation { closeSession(input: {sessionId: "<session>"}) { session { id } errors { code message path } } }"#,
    ),
];

/// Tried by themselves in the test of feeds that do not end.
pub(super) const ENDLESS: &[&str] = &[
    "Subscription.executionChanges.filter.idempotencyKey",
    "Subscription.executionChanges.filter.metadata.key",
    "Subscription.executionChanges.filter.metadata.value",
    "Subscription.executionChanges.filter.rerunOf",
    "Subscription.executionChanges.filter.sessionId",
    "Subscription.tenantEvents.filter.sessionId",
];
