//! Routes, with what each needs.

/// Routes with the scope that each needs.
pub(super) const ROUTES: &[(&str, &str)] = &[
    ("GET /api/artifact/{artifact_id}/download", "artifacts:read"),
    ("GET /api/artifact/{artifact_id}/lineage", "artifacts:read"),
    ("GET /api/execution/export", "executions:read"),
    (
        "GET /api/execution/{execution_id}/payload",
        "executions:read",
    ),
    (
        "GET /api/execution/{execution_id}/status",
        "executions:read",
    ),
    (
        "GET /api/execution/{execution_id}/stream",
        "executions:read",
    ),
    (
        "GET /api/execution/{execution_id}/timeline",
        "executions:read",
    ),
    ("GET /api/intents", ""),
    ("GET /api/session/{session_id}", "sessions:read"),
    ("PATCH /api/session/{session_id}/upgrade", "sessions:write"),
    ("POST /api/artifact/list", "artifacts:read"),
    ("POST /api/artifact/resolve", "artifacts:read"),
    ("POST /api/execution/list", "executions:read"),
    (
        "POST /api/execution/{execution_id}/cancel",
        "executions:control",
    ),
    (
        "POST /api/execution/{execution_id}/rerun",
        "executions:control",
    ),
    ("POST /api/intent/submit", "intents:submit:echo"),
    ("POST /api/session/anonymous", ""),
    ("POST /api/session/create", "sessions:write"),
    ("POST /api/upload/create", "artifacts:write"),
    ("PUT /api/session/{session_id}/state", "sessions:write"),
];

/// Routes besides those of REST, each with what they need where a proof is required.
pub(super) const OTHERS: &[(&str, Needs)] = &[
    ("/", Needs::PortForOperations),
    ("/api/docs", Needs::PortForOperations),
    ("/api/openapi.json", Needs::Operator),
    ("/console", Needs::PortForOperations),
    ("/console/", Needs::PortForOperations),
    ("/console/assets/{name}", Needs::PortForOperations),
    ("/console/login", Needs::PortForOperations),
    ("/console/login/{place}", Needs::PortForOperations),
    ("/console/session", Needs::PortForOperations),
    ("/console/{*path}", Needs::PortForOperations),
    ("/content/{tenant}/{digest}", Needs::SignedLink),
    ("/graphiql", Needs::PortForOperations),
    ("/graphiql/assets/{name}", Needs::PortForOperations),
    // By the fields that are asked for; `Query.__schema` and `Query.__type` are for operators.
    ("/graphql", Needs::Proof),
    ("/graphql/stream", Needs::Proof),
    // Or with the first message.
    ("/graphql/ws", Needs::ProofLater),
    ("/health", Needs::Nothing),
    ("/metrics", Needs::Operator),
    ("/ready", Needs::Nothing),
    ("/uploads/{id}", Needs::SignedLink),
];

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    Proof,
    ProofLater,
    /// The scope `runtime:operate`, or the port for operations.
    Operator,
    PortForOperations,
    SignedLink,
}
