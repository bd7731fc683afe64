//! Two tenants with the same content, and the names of what is theirs.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use takeoff::{
    auth::NewKey,
    executions::ExecutionFilter,
    model::{
        ArtifactId, ArtifactState, EventFilter, ExecutionStatus, OperationKind, Overlap, Principal,
        RawJson, ScheduleTimes, SessionId, TransitionRequest,
    },
    runtime::{Begun, NewOperation, NewSchedule, NewWebhook, SubmitIntent, Wanted},
    state_surface::NewSession,
};

use crate::support::{Backend, Statements, TestApp};

/// Texts by which things are named in requests, by what they name.
pub(super) type Names = BTreeMap<&'static str, String>;

/// A tenant, its administrator's key, and the names of what it has.
pub(super) struct Tenant {
    pub(super) token: String,
    pub(super) names: Names,
}

pub(super) struct World {
    pub(super) app: TestApp,
    pub(super) statements: Statements,
    pub(super) acme: Tenant,
    pub(super) globex: Tenant,
    /// Names like those of acme, of nothing at all.
    pub(super) absent: Names,
}

/// Nothing else looks at the database meanwhile, but for the keys that may be revoked.
const QUIET: &[&str] = &[
    "auth.mode=required",
    "runtime.poll_ms=60000",
    "runtime.lease_seconds=3600",
    "runtime.heartbeat_seconds=3000",
];

impl World {
    pub(super) async fn of(backend: &Backend) -> Self {
        let statements = Statements::record();
        let app = TestApp::start_with(backend, QUIET).await;
        let acme = Tenant::made(&app, "acme").await;
        let globex = Tenant::made(&app, "globex").await;
        let absent = acme
            .names
            .iter()
            .map(|(kind, name)| (*kind, another(kind, name)));
        Self {
            absent: absent.collect(),
            app,
            statements,
            acme,
            globex,
        }
    }
}

impl Tenant {
    async fn made(app: &TestApp, tenant: &str) -> Self {
        let principal = app.principal_of(tenant);
        let services = app.services();
        let new = NewKey {
            roles: vec!["admin".to_owned()],
            ..NewKey::default()
        };
        let token = services.keys.create(&principal, new.clone()).await.unwrap();
        let spare = services.keys.create(&principal, new).await.unwrap();
        let user = format!("{tenant}-user");
        let chosen = uuid::Uuid::from_u128(tenant.len() as u128);
        let session = session(app, &principal, Some(&user), None).await;
        let parsed = run(
            app,
            &principal,
            session,
            "compose_journey",
            parameters(tenant),
        )
        .await;
        let live = SubmitIntent {
            idempotency_key: Some(format!("{tenant}-key")),
            metadata: RawJson::from(&json!({"user": user})),
            ..SubmitIntent::new("gated", session, RawJson::from(&json!({})))
        };
        let live = services.runtime.submit(&principal, live).await.unwrap();
        let this = Self {
            token: token.text.expose().to_owned(),
            names: Names::new(),
        };
        let announced = this.announced(app).await;
        let arrived = this.announced(app).await;
        let put = app.http.put(app.url(arrived["url"].as_str().unwrap()));
        assert_eq!(put.body("a,b\n1,2\n").send().await.unwrap().status(), 201);
        let mut names: Names = [
            ("tenant", tenant.to_owned()),
            ("user", user.clone()),
            ("file", format!("{tenant}.csv")),
            ("idempotency", format!("{tenant}-key")),
            ("session", session.to_string()),
            (
                "anonymous",
                self::session(app, &principal, None, None).await.to_string(),
            ),
            (
                "chosen",
                self::session(app, &principal, None, Some(chosen))
                    .await
                    .to_string(),
            ),
            ("live", live.execution.id.to_string()),
            ("schedule", schedule(app, &principal, session, &user).await),
            ("operation", operation(app, &principal, &user).await),
            ("webhook", webhook(app, &principal, &user).await),
            ("key", spare.key.id.to_string()),
            (
                "upload",
                announced["upload_id"].as_str().unwrap().to_owned(),
            ),
            ("upload link", announced["url"].as_str().unwrap().to_owned()),
            ("arrived", arrived["upload_id"].as_str().unwrap().to_owned()),
        ]
        .into();
        names.extend(this.of_execution(app, &parsed).await);
        let ready = TransitionRequest {
            artifact_id: names["artifact"].parse::<ArtifactId>().unwrap(),
            to: ArtifactState::Ready,
            actor: "ann".into(),
            reason: None,
        };
        // It may be so already.
        let _ = services.artifacts.transition(&principal, ready).await;
        Self { names, ..this }
    }

    async fn announced(&self, app: &TestApp) -> Value {
        let request = app.http.post(app.url("/api/upload/create"));
        let body = json!({"filename": "a.csv", "size_bytes": 8});
        let answer = request.bearer_auth(&self.token).json(&body).send().await;
        answer.unwrap().json().await.unwrap()
    }

    /// The names of what a journey has made.
    async fn of_execution(&self, app: &TestApp, execution: &str) -> Names {
        let query = format!(
            "{{ execution(id: \"{execution}\") {{ intent {{ id }} events {{ edges {{ cursor }} nodes {{ id }} }}
               children {{ nodes {{ id artifacts {{ edges {{ cursor }} nodes {{ id materializations {{ id digest }} }} }} }} }} }} }}"
        );
        let request = app.http.post(app.url("/graphql")).bearer_auth(&self.token);
        let answer = request.json(&json!({"query": query})).send().await;
        let answer: Value = answer.unwrap().json().await.unwrap();
        let found = &answer["data"]["execution"];
        let children = found["children"]["nodes"].as_array().unwrap();
        let makers: Vec<&Value> = children
            .iter()
            .filter(|child| child["artifacts"]["nodes"][0].is_object())
            .collect();
        let (ingest, parse) = (makers[0], makers[1]);
        let first = &ingest["artifacts"]["nodes"][0];
        let text = |value: &Value| {
            value
                .as_str()
                .unwrap_or_else(|| panic!("{answer}"))
                .to_owned()
        };
        [
            ("execution", execution.to_owned()),
            ("intent", text(&found["intent"]["id"])),
            ("event", text(&found["events"]["nodes"][1]["id"])),
            ("cursor", text(&found["events"]["edges"][1]["cursor"])),
            ("ingest", text(&ingest["id"])),
            ("artifact", text(&first["id"])),
            ("place", text(&ingest["artifacts"]["edges"][0]["cursor"])),
            ("materialization", text(&first["materializations"][0]["id"])),
            ("digest", text(&first["materializations"][0]["digest"])),
            ("parsed", text(&parse["artifacts"]["nodes"][0]["id"])),
        ]
        .into()
    }
}

/// The content of every tenant's file.
pub(super) const CONTENT: &str = "city,year\nMalmö,1353\n";

fn parameters(tenant: &str) -> Value {
    json!({"journey_id": "content_pipeline", "filename": format!("{tenant}.csv"), "content": CONTENT})
}

async fn session(
    app: &TestApp,
    principal: &Principal,
    user: Option<&str>,
    chosen: Option<uuid::Uuid>,
) -> SessionId {
    let new = NewSession {
        session_id: chosen.map(SessionId),
        user_id: user.map(str::to_owned),
        metadata: RawJson::from(&json!({"user": user})),
        ..NewSession::anonymous()
    };
    let state = &app.services().state;
    state.create_session(principal, new).await.unwrap().id
}

async fn schedule(
    app: &TestApp,
    principal: &Principal,
    session_id: SessionId,
    name: &str,
) -> String {
    let new = NewSchedule {
        name: Some(name.to_owned()),
        session_id,
        intent_type: "echo".to_owned(),
        handler_name: None,
        solution_id: None,
        parameters: RawJson::from(&json!({"message": name})),
        metadata: RawJson::empty_object(),
        priority: None,
        times: ScheduleTimes::Cron {
            cron: "@yearly".to_owned(),
            zone: "UTC".to_owned(),
        },
        overlap: Overlap::Allow,
        catch_up_seconds: None,
        jitter_seconds: None,
    };
    let runtime = &app.services().runtime;
    let made = runtime.create_schedule(principal, new).await.unwrap();
    made.id.to_string()
}

/// A webhook that is paused, so that it does nothing by itself.
async fn webhook(app: &TestApp, principal: &Principal, name: &str) -> String {
    let runtime = &app.services().runtime;
    let new = NewWebhook {
        name: Some(name.to_owned()),
        url: "https://hooks.example.com/".to_owned(),
        filter: EventFilter {
            types: vec!["nothing".to_owned()],
            ..EventFilter::default()
        },
    };
    let made = runtime.create_webhook(principal, new).await.unwrap();
    let id = made.webhook.id;
    runtime.pause_webhook(principal, id, None).await.unwrap();
    id.to_string()
}

/// An operation that finds nothing to change.
async fn operation(app: &TestApp, principal: &Principal, reason: &str) -> String {
    let filter = ExecutionFilter {
        intent_types: vec!["nothing".to_owned()],
        ..ExecutionFilter::default()
    };
    let new = NewOperation {
        kind: OperationKind::CancelExecutions,
        wanted: Wanted::Executions(filter),
        is_everything: false,
        reason: Some(reason.to_owned()),
        dry_run: false,
    };
    let runtime = &app.services().runtime;
    let Begun::Operation(begun) = runtime.begin_operation(principal, new).await.unwrap() else {
        panic!("it is no dry run");
    };
    let scope = principal.scope();
    app.until(|| async {
        let found = runtime.find_operation(&scope, begun.id).await.unwrap();
        found.unwrap().finished_at.map(|_| ())
    })
    .await;
    begun.id.to_string()
}

async fn run(
    app: &TestApp,
    principal: &Principal,
    session: SessionId,
    intent_type: &str,
    parameters: Value,
) -> String {
    let intent = SubmitIntent::new(intent_type, session, RawJson::from(&parameters));
    let services = app.services();
    let id = services
        .runtime
        .submit(principal, intent)
        .await
        .unwrap()
        .execution
        .id;
    let scope = principal.scope();
    let ended = services
        .events
        .wait_until_terminal(&scope, id)
        .await
        .unwrap();
    assert_eq!(
        ended.status,
        ExecutionStatus::Completed,
        "{:?}",
        ended.error
    );
    id.to_string()
}

/// A name that is like `name`, as long, and names nothing.
fn another(kind: &str, name: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let decoded = || String::from_utf8(URL_SAFE_NO_PAD.decode(name).unwrap()).unwrap();
    match kind {
        // The place before that of the first artifact.
        "place" => {
            let key: i64 = decoded()[1..].parse().unwrap();
            URL_SAFE_NO_PAD.encode(format!("k{}", key - 1))
        }
        "cursor" => {
            let text = decoded();
            let mut parts: Vec<&str> = text.split('.').collect();
            let ord = (parts[2].parse::<i64>().unwrap() + 7).to_string();
            parts[2] = &ord;
            URL_SAFE_NO_PAD.encode(parts.join("."))
        }
        // Of the same time, and before it.
        _ => {
            let (begin, end) = name.split_at(name.len() - 4);
            let before = |one: char| match one {
                'a' => '9',
                // The alphabet of ids has no i, l, o, u.
                'j' | 'm' | 'p' | 'v' if name.len() == 30 => char::from(one as u8 - 2),
                '1'..='9' | 'b'..='z' => char::from(one as u8 - 1),
                one => one,
            };
            format!("{begin}{}", end.chars().map(before).collect::<String>())
        }
    }
}
