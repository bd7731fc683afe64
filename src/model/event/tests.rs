//! Bodies of entries as the log keeps them, of this version and of earlier ones.

use super::*;

#[test]
fn a_body_is_read_back_from_its_columns() {
    let bodies = [
        EventBody::ExecutionCompleted {},
        EventBody::Domain {
            name: "order.paid".into(),
        },
        EventBody::ProgressReported {
            fraction: 0.25,
            message: Some("a quarter".into()),
        },
        EventBody::CancelRequested {
            reason: None,
            actor: "ann".into(),
        },
    ];
    for body in bodies {
        let (event_type, data) = body.encode().unwrap();
        assert_eq!(EventBody::decode(&event_type, &data).unwrap(), body);
    }
    assert_eq!(
        EventBody::Domain { name: "a".into() }.type_name(),
        "domain.a"
    );
    assert!(EventBody::decode("execution.exploded", "{}").is_err());
}

/// An entry of each type as an earlier version wrote it. A field that is added later is optional.
const FORMER: [(&str, &str); 37] = [
    (
        "execution.created",
        r#"{"intent_id":"int_01m8j2gztx80s9dsh9amr3byj4","intent_type":"echo","session_id":"ses_01m8j2gzpxfmv9xyk8ycfmwv9e","solution_id":"default","metadata":{"from":"a page"},"idempotency_key":"once","intent_created_at":1795902963621000,"handler_name":"content","priority":5,"run_at":null,"deadline_at":null,"parent_id":null,"child_key":null,"rerun_of":null}"#,
    ),
    (
        "execution.started",
        r#"{"attempt":1,"epoch":1,"node_id":"nod_01m8j2gzf1fqg4ay7bmfaxmbpa"}"#,
    ),
    (
        "execution.retrying",
        r#"{"attempt":1,"error":{"code":"ATTEMPT_LOST","message":"gone","retryable":true,"attempt":1,"earlier":[]},"next_attempt_at":1795902963621000,"lost":true}"#,
    ),
    (
        "execution.cancel_requested",
        r#"{"reason":"enough","actor":"development"}"#,
    ),
    ("execution.completed", "{}"),
    (
        "execution.failed",
        r#"{"error":{"code":"NOT_FOUND","message":"no such file","retryable":false,"attempt":1,"earlier":[]}}"#,
    ),
    ("execution.cancelled", r#"{"reason":null}"#),
    (
        "step.started",
        r#"{"name":"a","attempt":1,"ran_micros":1000000}"#,
    ),
    (
        "step.completed",
        r#"{"name":"a","attempt":1,"started_at":1795902963621000}"#,
    ),
    ("progress.reported", r#"{"fraction":0.5,"message":"half"}"#),
    (
        "artifact.registered",
        r#"{"artifact":{"id":"art_4tfb4aj44gge8t827006p2wwk9","artifact_type":"file","tenant_id":"default","session_id":"ses_01m8j2gzpxfmv9xyk8ycfmwv9e","execution_id":"exe_01m8j2gztx80s9dsh9amr3byj4","intent_id":"int_01m8j2gztx80s9dsh9amr3byj4","intent_type":"ingest_file","state":"PENDING","semantic_descriptor":{"ui_name":"people.csv"},"display_name":"people.csv","owner":null,"purpose":null,"generation":0,"roots":["art_4tfb4aj44gge8t827006p2wwk9"],"content_hash":"c6","version":1,"next_seq":1,"created_at":1795902963621000,"updated_at":1795902963621000},"parents":[],"materializations":[],"actor":"runtime"}"#,
    ),
    (
        "artifact.transitioned",
        r#"{"artifact_id":"art_4tfb4aj44gge8t827006p2wwk9","from":"PENDING","to":"READY","version":2,"actor":"runtime","reason":null}"#,
    ),
    (
        "child.submitted",
        r#"{"child_id":"exe_01m8j2gztx80s9dsh9amr3byj4","child_key":"a","intent_type":"echo"}"#,
    ),
    ("domain.order.paid", r#"{"name":"order.paid"}"#),
    (
        "session.created",
        r#"{"user_id":"ann","solution_id":null,"metadata":{},"expires_at":1795902963621000}"#,
    ),
    ("session.upgraded", r#"{"user_id":"bob","metadata":{}}"#),
    ("session.closed", r#"{"status":"CLOSED","reason":"over"}"#),
    ("session.closed", r#"{"status":"EXPIRED","reason":null}"#),
    ("session.state_changed", r#"{"mode":"MERGE","version":2}"#),
    (
        "execution.state_changed",
        r#"{"mode":"REPLACE","version":1}"#,
    ),
    (
        "policy.denied",
        r#"{"action":"submit","resource":"IntentType::\"echo\"","policies":["no-echo"],"errors":[],"execution_id":null}"#,
    ),
    (
        "policy.allowed",
        r#"{"action":"submit","resource":"IntentType::\"echo\"","policies":["scopes"],"execution_id":"exe_01m8j2gztx80s9dsh9amr3byj4"}"#,
    ),
    (
        "key.created",
        r#"{"key_id":"key_01m8j2gztx80s9dsh9amr3byj4","prefix":"4tfb4aj44gge","rights":{"roles":["viewer"],"scopes":"log:read"},"label":"reports","expires_at":null}"#,
    ),
    (
        "key.revoked",
        r#"{"key_id":"key_01m8j2gztx80s9dsh9amr3byj4","reason":null}"#,
    ),
    (
        "schedule.created",
        r#"{"name":"nightly","intent_type":"echo","handler_name":null,"session_id":"ses_01m8j2gzpxfmv9xyk8ycfmwv9e","solution_id":null,"metadata":{},"priority":null,"times":{"cron":{"cron":"30 2 * * *","zone":"Europe/Berlin"}},"overlap":"QUEUE_ONE","catch_up_micros":3600000000,"jitter_micros":0,"grants":"intents:submit:echo"}"#,
    ),
    ("schedule.paused", r#"{"reason":"holidays"}"#),
    ("schedule.resumed", "{}"),
    (
        "schedule.triggered",
        r#"{"execution_id":"exe_01m8j2gztx80s9dsh9amr3byj4"}"#,
    ),
    (
        "schedule.backfilled",
        r#"{"from":1795902963621000,"until":1795989363621000,"times":24}"#,
    ),
    ("schedule.deleted", r#"{"reason":null}"#),
    (
        "operation.started",
        r#"{"kind":"RERUN_EXECUTIONS","reason":null,"grants":"executions:control"}"#,
    ),
    (
        "operation.progressed",
        r#"{"counts":{"matched":100,"done":98,"skipped":1,"refused":1}}"#,
    ),
    (
        "operation.ended",
        r#"{"status":"COMPLETED","counts":{"matched":100,"done":98,"skipped":1,"refused":1},"reason":null}"#,
    ),
    (
        "webhook.created",
        r#"{"name":"orders","url":"https://hooks.example.com/a","filter":{"types":["execution.completed"],"intent_types":[],"session_id":null},"grants":"executions:control executions:read"}"#,
    ),
    (
        "webhook.changed",
        r#"{"change":"PAUSED","name":null,"url":"https://hooks.example.com/a","filter":{"types":[],"intent_types":[],"session_id":null},"reason":"for a while"}"#,
    ),
    (
        "webhook.disabled",
        r#"{"reason":"FAILING","failure":"503"}"#,
    ),
    ("webhook.deleted", r#"{"reason":null}"#),
];

#[test]
fn entries_of_an_earlier_version_are_read() {
    let mut kinds = std::collections::HashSet::new();
    for (event_type, data) in FORMER {
        let body = EventBody::decode(event_type, data).unwrap_or_else(|e| panic!("{e:?}"));
        kinds.insert(body.event_type());
    }
    assert_eq!(kinds.len(), EventType::ALL.len(), "one of each type");
}
