//! The routes of the server, each with requests that try what can be named in it.

/// A request to a route.
#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) route: &'static str,
    /// The parameters and members of the body that are tried.
    pub(super) covers: &'static [&'static str],
    pub(super) path: &'static str,
    pub(super) headers: &'static [(&'static str, &'static str)],
    pub(super) body: &'static str,
    /// False where the owner gets nothing either.
    pub(super) finds: bool,
    /// True if an execution starts, whose statements come beside those of the request.
    pub(super) starts: bool,
}

const fn request(
    route: &'static str,
    covers: &'static [&'static str],
    path: &'static str,
    body: &'static str,
) -> Request {
    Request {
        route,
        covers,
        path,
        headers: &[],
        body,
        finds: true,
        starts: false,
    }
}

const fn blind(request: Request) -> Request {
    Request {
        finds: false,
        ..request
    }
}

const fn starts(request: Request) -> Request {
    Request {
        starts: true,
        ..blind(request)
    }
}

/// Those that change what they name come last.
pub(super) const REQUESTS: &[Request] = &[
    request(
        "GET /api/artifact/{artifact_id}/download",
        &["artifact_id"],
        "/api/artifact/<artifact>/download",
        "",
    ),
    request(
        "GET /api/artifact/{artifact_id}/lineage",
        &["artifact_id"],
        "/api/artifact/<artifact>/lineage",
        "",
    ),
    request(
        "GET /api/execution/{execution_id}/payload",
        &["execution_id"],
        "/api/execution/<execution>/payload?of=parameters",
        "",
    ),
    request(
        "GET /api/execution/{execution_id}/status",
        &["execution_id"],
        "/api/execution/<execution>/status?include_artifacts=true&include_events=true",
        "",
    ),
    request(
        "GET /api/execution/{execution_id}/stream",
        &["execution_id"],
        "/api/execution/<execution>/stream",
        "",
    ),
    request(
        "GET /api/execution/{execution_id}/timeline",
        &["execution_id"],
        "/api/execution/<execution>/timeline",
        "",
    ),
    Request {
        headers: &[("last-event-id", "<cursor>")],
        ..request(
            "GET /api/execution/{execution_id}/stream",
            &["execution_id", "Last-Event-ID"],
            "/api/execution/<execution>/stream",
            "",
        )
    },
    blind(Request {
        headers: &[("last-event-id", "<cursor>")],
        ..request(
            "GET /api/execution/{execution_id}/stream",
            &["Last-Event-ID"],
            "/api/execution/<own execution>/stream",
            "",
        )
    }),
    request(
        "GET /api/session/{session_id}",
        &["session_id"],
        "/api/session/<session>",
        "",
    ),
    request(
        "GET /api/session/{session_id}",
        &["session_id", "tenant_id"],
        "/api/session/<session>?tenant_id=<tenant>",
        "",
    ),
    request(
        "POST /api/artifact/resolve",
        &["artifact_id", "artifact_type"],
        "/api/artifact/resolve",
        r#"{"artifact_id": "<artifact>", "artifact_type": "file"}"#,
    ),
    request(
        "POST /api/artifact/resolve",
        &["artifact_id", "artifact_type", "tenant_id"],
        "/api/artifact/resolve",
        r#"{"artifact_id": "<artifact>", "artifact_type": "file", "tenant_id": "<tenant>"}"#,
    ),
    request(
        "GET /api/execution/export",
        &["session_id"],
        "/api/execution/export?session_id=<session>",
        "",
    ),
    blind(request(
        "GET /api/execution/export",
        &["after"],
        "/api/execution/export?after=<execution>",
        "",
    )),
    request(
        "GET /api/execution/export",
        &["idempotency_key"],
        "/api/execution/export?idempotency_key=<idempotency>",
        "",
    ),
    blind(request(
        "GET /api/execution/export",
        &["rerun_of"],
        "/api/execution/export?rerun_of=<execution>",
        "",
    )),
    request(
        "GET /api/execution/export",
        &["metadata"],
        "/api/execution/export?metadata=%7B%22user%22:%22<user>%22%7D",
        "",
    ),
    request(
        "POST /api/execution/list",
        &["session_id"],
        "/api/execution/list",
        r#"{"session_id": "<session>"}"#,
    ),
    blind(request(
        "POST /api/execution/list",
        &["after"],
        "/api/execution/list",
        r#"{"after": "<execution>"}"#,
    )),
    request(
        "POST /api/execution/list",
        &["idempotency_key"],
        "/api/execution/list",
        r#"{"idempotency_key": "<idempotency>"}"#,
    ),
    blind(request(
        "POST /api/execution/list",
        &["rerun_of"],
        "/api/execution/list",
        r#"{"rerun_of": "<execution>"}"#,
    )),
    request(
        "POST /api/execution/list",
        &["metadata"],
        "/api/execution/list",
        r#"{"metadata": {"user": "<user>"}}"#,
    ),
    blind(request(
        "POST /api/intent/submit",
        &["execution_id"],
        "/api/intent/submit",
        r#"{"intent_type": "echo", "session_id": "<own session>", "execution_id": "<execution>", "parameters": {"message": "hello"}}"#,
    )),
    request(
        "POST /api/intent/submit",
        &["session_id"],
        "/api/intent/submit",
        r#"{"intent_type": "echo", "session_id": "<session>", "parameters": {"message": "hello"}}"#,
    ),
    starts(request(
        "POST /api/intent/submit",
        &["parameters"],
        "/api/intent/submit",
        r#"{"intent_type": "parse_content", "session_id": "<own session>", "parameters": {"artifact_id": "<artifact>"}}"#,
    )),
    starts(request(
        "POST /api/intent/submit",
        &["parameters"],
        "/api/intent/submit",
        r#"{"intent_type": "ingest_file", "session_id": "<own session>", "parameters": {"filename": "a.csv", "upload_id": "<arrived>"}}"#,
    )),
    blind(request(
        "POST /api/intent/submit",
        &["session_id", "tenant_id"],
        "/api/intent/submit",
        r#"{"intent_type": "echo", "session_id": "<session>", "tenant_id": "<tenant>", "parameters": {"message": "hello"}}"#,
    )),
    Request {
        headers: &[("idempotency-key", "<idempotency>")],
        ..request(
            "POST /api/intent/submit",
            &["Idempotency-Key"],
            "/api/intent/submit",
            r#"{"intent_type": "gated", "session_id": "<own session>", "metadata": {"user": "<own user>"}}"#,
        )
    },
    request(
        "POST /api/execution/{execution_id}/cancel",
        &["execution_id"],
        "/api/execution/<execution>/cancel",
        "{}",
    ),
    request(
        "POST /api/execution/{execution_id}/rerun",
        &["execution_id"],
        "/api/execution/<ingest>/rerun",
        "{}",
    ),
    Request {
        headers: &[("idempotency-key", "<idempotency>")],
        ..request(
            "POST /api/execution/{execution_id}/rerun",
            &["execution_id", "Idempotency-Key"],
            "/api/execution/<ingest>/rerun",
            "{}",
        )
    },
    request(
        "PUT /api/session/{session_id}/state",
        &["session_id"],
        "/api/session/<session>/state",
        r#"{"state": {"a": 1}}"#,
    ),
    blind(request(
        "POST /api/session/create",
        &["session_id"],
        "/api/session/create",
        r#"{"session_id": "<chosen>"}"#,
    )),
    blind(request(
        "POST /api/session/create",
        &["tenant_id"],
        "/api/session/create",
        r#"{"tenant_id": "<tenant>"}"#,
    )),
    request(
        "PATCH /api/session/{session_id}/upgrade",
        &["session_id"],
        "/api/session/<anonymous>/upgrade",
        r#"{"user_id": "eve"}"#,
    ),
    blind(request(
        "PATCH /api/session/{session_id}/upgrade",
        &["session_id", "tenant_id"],
        "/api/session/<anonymous>/upgrade",
        r#"{"user_id": "eve", "tenant_id": "<tenant>"}"#,
    )),
];

/// Parameters and members that name nothing of a tenant's.
pub(super) const NAMES_OF_NOTHING: &[&str] = &[
    "GET /api/artifact/{artifact_id}/download format",
    "GET /api/artifact/{artifact_id}/lineage direction",
    "GET /api/artifact/{artifact_id}/lineage max_depth",
    "GET /api/artifact/{artifact_id}/lineage max_nodes",
    "GET /api/execution/export created_after",
    "GET /api/execution/export created_before",
    "GET /api/execution/export error_code",
    "GET /api/execution/export finished_after",
    "GET /api/execution/export finished_before",
    "GET /api/execution/export format",
    "GET /api/execution/export handler_name",
    "GET /api/execution/export intent_type",
    "GET /api/execution/export limit",
    "GET /api/execution/export order",
    "GET /api/execution/export status",
    "GET /api/execution/export waiting_for",
    "GET /api/execution/{execution_id}/payload of",
    "GET /api/execution/{execution_id}/payload step",
    "POST /api/artifact/list artifact_type",
    "POST /api/artifact/list eligible_for",
    "POST /api/artifact/list lifecycle_state",
    "POST /api/execution/list error_code",
    "POST /api/execution/list finished_after",
    "POST /api/execution/list finished_before",
    "POST /api/execution/list handler_name",
    "POST /api/execution/list intent_type",
    "POST /api/execution/list order",
    "POST /api/execution/list status",
    "POST /api/execution/list waiting_for",
    "POST /api/execution/{execution_id}/cancel reason",
    "POST /api/intent/submit intent_type",
    "POST /api/intent/submit metadata",
    "POST /api/intent/submit solution_id",
    "POST /api/session/anonymous metadata",
    "POST /api/session/anonymous solution_id",
    "POST /api/session/anonymous state",
    "POST /api/session/create metadata",
    "POST /api/session/create solution_id",
    "POST /api/session/create user_id",
    "POST /api/upload/create filename",
    "POST /api/upload/create mime_type",
    "PUT /api/session/{session_id}/state mode",
    "PUT /api/session/{session_id}/state state",
    "PATCH /api/session/{session_id}/upgrade metadata",
    "PATCH /api/session/{session_id}/upgrade secret",
    "PATCH /api/session/{session_id}/upgrade user_id",
];

/// Paths of the router that are not in the OpenAPI document, with the reason for which they give away nothing.
pub(super) const OTHER_PATHS: &[(&str, &str)] = &[
    ("/", "leads to the console"),
    ("/api/docs", "a page about the API"),
    ("/api/openapi.json", "a document about the API"),
    ("/api/session/anonymous", "names nothing"),
    ("/console", "a page"),
    ("/console/", "a page"),
    ("/console/assets/{name}", "parts of the page"),
    ("/console/login", "names nothing"),
    ("/console/login/{place}", "names nothing of a tenant's"),
    ("/console/session", "names nothing"),
    ("/console/{*path}", "a page, the same for all paths"),
    ("/content/{tenant}/{digest}", "tried by itself"),
    ("/graphiql", "a page"),
    ("/graphiql/assets/{name}", "parts of the page"),
    ("/graphql", "each argument is tried"),
    ("/graphql/stream", "each argument is tried"),
    ("/graphql/ws", "each argument is tried"),
    ("/health", "names nothing"),
    ("/metrics", "names nothing"),
    ("/ready", "names nothing"),
    ("/uploads/{id}", "tried by itself"),
];
