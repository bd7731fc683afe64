//! Each route with its scope.

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
