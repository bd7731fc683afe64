//! Who is calling, where a proof is required.

mod access_tokens;
mod anonymous;
mod browsers;
mod commands;
mod guesses;
mod issuer;
mod keys;
mod logins;
mod operations;
pub(crate) mod own;
mod proofs;
mod scopes;
mod sockets;
mod tokens;
mod visitors;

use serde_json::{Value, json};
use takeoff::{
    auth::{CreatedKey, NewKey},
    model::ApiKey,
};

use crate::support::{Backend, TestApp};

/// A server that serves nobody without a proof, and is not tired of bad ones soon.
async fn guarded(backend: &Backend) -> TestApp {
    let settings = ["auth.mode=required", "auth.failed_proofs_burst=100000"];
    TestApp::start_with(backend, &settings).await
}

fn names(of: &[&str]) -> Vec<String> {
    of.iter().map(|&name| name.to_owned()).collect()
}

/// A key of a tenant with this role.
async fn key_of(app: &TestApp, tenant: &str, role: &str) -> CreatedKey {
    let new = NewKey {
        roles: names(&[role]),
        ..NewKey::default()
    };
    let principal = app.principal_of(tenant);
    let created = app.services().keys.create(&principal, new).await;
    created.unwrap()
}

/// The text of a key of the tenant `default`.
async fn token(app: &TestApp, role: &str) -> String {
    key_of(app, "default", role).await.text.expose().to_owned()
}

async fn revoke(app: &TestApp, key: &ApiKey) {
    let principal = app.principal_of(key.tenant_id.as_str());
    let revoked = app.services().keys.revoke(&principal, key.id, None).await;
    assert!(revoked.unwrap().revoked_at.is_some());
}

/// The answer to a GraphQL request with these headers: its status and body.
async fn ask(
    app: &TestApp,
    headers: &[(&str, &str)],
    query: &str,
    variables: &Value,
) -> (u16, Value) {
    let body = json!({"query": query, "variables": variables});
    let mut request = app.http.post(app.url("/graphql")).json(&body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap())
}

/// The same by the holder of a token, who is known.
async fn by(app: &TestApp, token: &str, query: &str, variables: Value) -> Value {
    let bearer = format!("Bearer {token}");
    let (status, body) = ask(app, &[("authorization", &bearer)], query, &variables).await;
    assert_eq!(status, 200, "{body}");
    body
}

const VIEWER: &str = "{ viewer { tenantId actor scopes } }";
