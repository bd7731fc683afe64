//! What the check finds, and what it does not.

use super::loose;

fn found(text: &str) -> Vec<String> {
    loose(text).into_iter().collect()
}

#[test]
fn what_names_its_tenant_is_bound() {
    for text in [
        "SELECT id FROM upload WHERE id = $1 AND tenant_id = $2",
        "SELECT id FROM execution WHERE id = $1 AND tenant_id || '' = $2",
        "SELECT id FROM session WHERE '' || tenant_id = $1 AND (created_at, id) < ($2, $3)",
        "WITH x(id, tenant_id) AS (VALUES ($1::uuid, $2::text)) SELECT e.id, r.queue FROM x \
         JOIN execution e ON e.id = x.id AND e.tenant_id = x.tenant_id LEFT JOIN ready r ON r.execution_id = e.id",
        "WITH x(id, tenant_id) AS (SELECT * FROM (VALUES (?,?)) WHERE column1 IS NOT NULL) SELECT s.id FROM x \
         CROSS JOIN session s ON s.id = x.id AND s.tenant_id = x.tenant_id",
        "SELECT 1 FROM artifact_edge e JOIN artifact r ON r.key = e.parent \
         WHERE e.child = (SELECT key FROM artifact WHERE id = $1 AND tenant_id = $2) AND r.tenant_id = $3",
        "DELETE FROM idempotency WHERE (tenant_id, scope, key) IN (SELECT tenant_id, scope, key FROM x)",
        "SELECT id FROM execution WHERE (session_id, tenant_id, id) > ($1, $2, $3) \
         AND (session_id, tenant_id, id) < ($4, $5, $6)",
        "SELECT e.id FROM execution e WHERE e.tenant_id = $1 AND EXISTS (SELECT 1 FROM step s WHERE s.execution_id = e.id)",
        "INSERT INTO ready (execution_id, tenant_id) SELECT execution_id, tenant_id FROM x",
    ] {
        let text = if text.contains(" FROM x") && !text.contains("WITH x") {
            format!(
                "WITH x(tenant_id, scope, key, execution_id) AS (VALUES ($1::text, $2::bigint, $3::text, $4::uuid)) {text}"
            )
        } else {
            text.to_owned()
        };
        assert_eq!(found(&text), [""; 0], "{text}");
    }
}

#[test]
fn what_does_not_is_found() {
    let values = "WITH x(id, tenant_id) AS (VALUES ($1::uuid, $2::text))";
    for (text, finding) in [
        ("SELECT id FROM upload WHERE id = $1".to_owned(), "read upload by id"),
        ("SELECT id FROM upload WHERE id = $1 OR tenant_id = $2".to_owned(), "read upload by nothing"),
        ("SELECT id FROM upload WHERE tenant_id > $1".to_owned(), "read upload by nothing"),
        ("SELECT id FROM session WHERE (created_at, tenant_id) < ($1, $2)".to_owned(), "read session by nothing"),
        (format!("{values} SELECT e.id FROM x JOIN execution e ON e.id = x.id"), "read execution by id"),
        (format!("{values} SELECT e.id FROM x JOIN execution e ON e.id = x.id FOR UPDATE OF e"), "lock execution by id"),
        (format!("{values} DELETE FROM lease WHERE execution_id IN (SELECT id FROM x)"), "delete lease by execution_id"),
        (format!("{values} UPDATE upload SET digest = x.tenant_id FROM x WHERE upload.id = x.id"), "update upload by id"),
        // The id of a session is no key.
        (
            "SELECT s.id FROM execution e JOIN session s ON s.id = e.session_id WHERE e.tenant_id = $1".to_owned(),
            "read session by id",
        ),
        (
            "SELECT id FROM session WHERE id IN (SELECT session_id FROM execution WHERE tenant_id = $1)".to_owned(),
            "read session by id",
        ),
        // A condition of what may be absent chooses no rows of the others.
        (
            "SELECT e.id FROM execution e LEFT JOIN node n ON n.id = e.id AND e.tenant_id = $1".to_owned(),
            "read execution by nothing",
        ),
        // One branch of two.
        (
            "SELECT id FROM upload WHERE tenant_id = $1 UNION ALL SELECT id FROM upload WHERE id = $2".to_owned(),
            "read upload by id",
        ),
        // Within a condition.
        (
            "SELECT id FROM execution WHERE tenant_id = $1 AND id IN (SELECT execution_id FROM step WHERE name = $2)"
                .to_owned(),
            "read step by name",
        ),
        ("INSERT INTO upload (id) VALUES ($1)".to_owned(), "insert upload"),
    ] {
        assert_eq!(found(&text), [finding], "{text}");
    }
}
