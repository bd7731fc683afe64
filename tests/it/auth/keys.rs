//! Keys: made, listed, revoked, told in the log.

use serde_json::{Value, json};

use super::{VIEWER, ask, by, guarded, key_of, token};
use crate::support::backends;

const CREATE: &str = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) {
    token apiKey { id prefix label roles scopes createdBy expiresAt lastUsedAt revokedAt }
    errors { code message path } } }";
const REVOKE: &str = "mutation($input: RevokeApiKeyInput!) { revokeApiKey(input: $input) {
    apiKey { id revokedAt } errors { code message path } } }";
const LIST: &str = "query($first: Int, $after: String) { apiKeys(first: $first, after: $after) {
    nodes { id prefix label revokedAt lastUsedAt } pageInfo { hasNextPage endCursor } totalCount { count exact } } }";

fn code(answer: &Value) -> &Value {
    &answer["errors"][0]["extensions"]["code"]
}

backends! {
    async fn a_key_is_made_used_listed_and_revoked_for_ever(backend: Backend) {
        let app = guarded(&backend).await;
        let admin = token(&app, "admin").await;
        let input = json!({"input": {"roles": ["viewer"], "scopes": ["log:read"], "label": "reports"}});
        let made = by(&app, &admin, CREATE, input).await;
        let made = &made["data"]["createApiKey"];
        assert_eq!(made["errors"], json!([]));
        let (key, text) = (&made["apiKey"], made["token"].as_str().unwrap());
        assert_eq!((&key["label"], &key["roles"], &key["scopes"]), (&json!("reports"), &json!(["viewer"]), &json!(["log:read"])));
        assert!(text.starts_with(&format!("tk_{}_", key["prefix"].as_str().unwrap())));
        assert_eq!(by(&app, text, VIEWER, json!({})).await["data"]["viewer"]["actor"], key["id"]);

        let listed = by(&app, &admin, LIST, json!({"first": 1})).await;
        let listed = &listed["data"]["apiKeys"];
        assert_eq!((&listed["nodes"][0]["id"], &listed["totalCount"]["count"]), (&key["id"], &json!(2)));
        assert!(!listed.to_string().contains(text), "the secret is shown again");
        let after = json!({"after": listed["pageInfo"]["endCursor"]});
        let rest = by(&app, &admin, LIST, after).await;
        assert_eq!(rest["data"]["apiKeys"]["nodes"].as_array().unwrap().len(), 1);

        let revoke = json!({"input": {"id": key["id"], "reason": "lost"}});
        let revoked = by(&app, &admin, REVOKE, revoke.clone()).await;
        let at = revoked["data"]["revokeApiKey"]["apiKey"]["revokedAt"].clone();
        assert!(at.is_string(), "{revoked}");
        let bearer = format!("Bearer {text}");
        let (status, _) = ask(&app, &[("authorization", &bearer)], VIEWER, &json!({})).await;
        assert_eq!(status, 401);
        let again = by(&app, &admin, REVOKE, revoke).await;
        assert_eq!(again["data"]["revokeApiKey"]["apiKey"]["revokedAt"], at, "it stays as it is");
        app.assert_verified().await;
    }

    async fn every_change_of_keys_is_in_the_log_with_who_made_it(backend: Backend) {
        let app = guarded(&backend).await;
        let admin = key_of(&app, "default", "admin").await;
        let text = admin.text.expose();
        let made = by(&app, text, CREATE, json!({"input": {"roles": ["viewer"]}})).await;
        let id = made["data"]["createApiKey"]["apiKey"]["id"].clone();
        by(&app, text, REVOKE, json!({"input": {"id": id, "reason": "lost"}})).await;
        let log = "{ walEntries { nodes { type streamKind streamId sequence actor data } } }";
        let log = by(&app, text, log, json!({})).await;
        let entries = log["data"]["walEntries"]["nodes"].as_array().unwrap().clone();
        let of_key: Vec<&Value> = entries.iter().filter(|it| it["streamId"] == id).collect();
        let [created, revoked] = of_key[..] else { panic!("{entries:?}") };
        assert_eq!((&created["type"], &created["sequence"]), (&json!("key.created"), &json!("1")));
        assert_eq!((&revoked["type"], &revoked["sequence"]), (&json!("key.revoked"), &json!("2")));
        for entry in [created, revoked] {
            assert_eq!(entry["actor"], admin.key.id.to_string());
            assert_eq!(entry["streamKind"], "KEY");
        }
        assert_eq!(revoked["data"]["reason"], "lost");
        assert!(!log.to_string().contains(&text[20..]), "a secret is in the log");
        app.assert_verified().await;
    }

    async fn a_key_may_not_grant_what_its_maker_lacks(backend: Backend) {
        let app = guarded(&backend).await;
        let admin = token(&app, "admin").await;
        let input = json!({"input": {"scopes": ["keys:manage", "executions:read", "intents:submit:echo"]}});
        let made = by(&app, &admin, CREATE, input).await;
        let manager = made["data"]["createApiKey"]["token"].as_str().unwrap().to_owned();
        for (input, lacking) in [
            (json!({"scopes": ["log:read"]}), "log:read"),
            (json!({"scopes": ["intents:submit"]}), "intents:submit"),
            (json!({"scopes": ["intents:submit:add"]}), "intents:submit:add"),
            (json!({"roles": ["admin"]}), "intents:submit"),
            (json!({"roles": ["viewer"]}), "sessions:read"),
        ] {
            let refused = by(&app, &manager, CREATE, json!({"input": input})).await;
            assert_eq!(code(&refused), "FORBIDDEN", "{refused}");
            let message = refused["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains(lacking), "{message}");
        }
        let within = json!({"input": {"scopes": ["executions:read", "intents:submit:echo"]}});
        let made = by(&app, &manager, CREATE, within).await;
        assert_eq!(made["data"]["createApiKey"]["errors"], json!([]), "{made}");
    }

    async fn without_the_scope_keys_are_neither_made_nor_listed_nor_revoked(backend: Backend) {
        let app = guarded(&backend).await;
        let developer = key_of(&app, "default", "developer").await;
        let id = developer.key.id.to_string();
        for (query, variables) in [
            (CREATE, json!({"input": {"roles": ["viewer"]}})),
            (LIST, json!({})),
            (REVOKE, json!({"input": {"id": id}})),
        ] {
            let refused = by(&app, developer.text.expose(), query, variables).await;
            assert_eq!(code(&refused), "FORBIDDEN", "{refused}");
            assert!(refused["errors"][0]["message"].as_str().unwrap().contains("keys:manage"));
        }
    }

    async fn another_tenants_key_is_not_there(backend: Backend) {
        let app = guarded(&backend).await;
        let (admin, other) = (token(&app, "admin").await, key_of(&app, "other", "viewer").await);
        let nobody = takeoff::ids::IdSource::seeded(1).key().to_string();
        let foreign = by(&app, &admin, REVOKE, json!({"input": {"id": other.key.id.to_string()}})).await;
        let absent = by(&app, &admin, REVOKE, json!({"input": {"id": nobody}})).await;
        assert_eq!(foreign, absent);
        assert_eq!(foreign["data"]["revokeApiKey"]["errors"][0]["code"], "NOT_FOUND");
        let listed = by(&app, &admin, LIST, json!({})).await;
        assert!(!listed.to_string().contains(&other.key.prefix), "{listed}");
        by(&app, other.text.expose(), VIEWER, json!({})).await;
    }

    async fn a_faulty_key_is_refused_with_each_fault_and_nothing_is_stored(backend: Backend) {
        let app = guarded(&backend).await;
        let admin = token(&app, "admin").await;
        let input = json!({"roles": ["viewer", "king"], "scopes": ["fly"], "label": "\u{7}"});
        let refused = by(&app, &admin, CREATE, json!({"input": input})).await;
        let errors = refused["data"]["createApiKey"]["errors"].as_array().unwrap().clone();
        let paths: Vec<&Value> = errors.iter().map(|it| &it["path"]).collect();
        assert_eq!(paths, [&json!(["input", "roles", "1"]), &json!(["input", "scopes", "0"]), &json!(["input", "label"])]);
        for input in [json!({}), json!({"roles": ["viewer"], "expiresAt": "2020-01-01T00:00:00Z"})] {
            let refused = by(&app, &admin, CREATE, json!({"input": input})).await;
            assert_eq!(refused["data"]["createApiKey"]["errors"][0]["code"], "INVALID_INPUT", "{refused}");
            assert_eq!(refused["data"]["createApiKey"]["token"], Value::Null);
        }
        let listed = by(&app, &admin, LIST, json!({})).await;
        assert_eq!(listed["data"]["apiKeys"]["totalCount"]["count"], 1);
    }

    async fn a_key_tells_when_it_was_last_used(backend: Backend) {
        let app = guarded(&backend).await;
        let admin = token(&app, "admin").await;
        let used = async || {
            let listed = by(&app, &admin, LIST, json!({})).await;
            let used = listed["data"]["apiKeys"]["nodes"][0]["lastUsedAt"].clone();
            used.is_string().then_some(used)
        };
        let first = app.until(used).await;
        // Uses within a minute are not written again.
        for _ in 0..20 {
            assert_eq!(used().await, Some(first.clone()));
        }
    }
}
