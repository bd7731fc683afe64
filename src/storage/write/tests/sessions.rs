//! Sessions of several tenants under one id, in one transaction and in several at once.

use futures::future::join_all;

use super::{ACTOR, Answer, Batch, Scene, alone};
use crate::{
    model::{Cursor, Payload, RawJson, Refusal, Session, SessionId, SessionStatus, StateWriteMode},
    storage::{
        Error, StreamName, WalFilter,
        read_tests::{World, on_each_database, scope_of},
        write::{
            CloseSession, CreateSession, ExpireSessions, StateTarget, Submission, Submit,
            UpgradeSession, WriteState,
        },
    },
};

const TENANTS: [&str; 3] = ["first", "second", "third"];

fn create(scene: &Scene, tenant: &str, id: SessionId) -> CreateSession {
    let state = RawJson::empty_object();
    CreateSession {
        scope: scope_of(tenant),
        actor: ACTOR.into(),
        id,
        stream_id: Some(scene.ids.session().0),
        user_id: None,
        solution_id: None,
        metadata: RawJson::empty_object(),
        logged: Payload::inline(&state),
        state,
        ttl_micros: 3_600_000_000,
        secret_digest: None,
    }
}

fn write(tenant: &str, id: SessionId, if_version: i64) -> WriteState {
    let value = RawJson::from(&serde_json::json!({"of": tenant}));
    WriteState {
        scope: scope_of(tenant),
        actor: ACTOR.into(),
        target: StateTarget::Session(id),
        fence: None,
        mode: StateWriteMode::Replace,
        if_version: Some(if_version),
        logged: Payload::inline(&value),
        value,
        limit_bytes: 1024,
    }
}

fn submit(scene: &Scene, tenant: &str, id: SessionId) -> Submit {
    let mut submit = scene.submit();
    submit.scope = scope_of(tenant);
    submit.execution.session_id = id;
    submit
}

async fn session(world: &World, tenant: &str, id: SessionId) -> Session {
    let found = world.storage.find_sessions(&scope_of(tenant), &[id]).await;
    let mut found = found.unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// The types of the session's entries in the log, when they are dense.
async fn told(world: &World, tenant: &str, id: SessionId) -> Vec<String> {
    let filter = WalFilter {
        stream: Some(StreamName::Session(id)),
        ..WalFilter::default()
    };
    let scope = scope_of(tenant);
    let entries = world
        .storage
        .wal_after(&scope, &filter, Cursor::default(), 100);
    let entries = entries.await.unwrap();
    for (place, entry) in (1..).zip(&entries) {
        assert_eq!((entry.cursor.seq, entry.session_id), (place, id));
        assert_eq!(entry.tenant_id, *scope.tenant());
    }
    let types = entries.iter().map(|entry| entry.body.type_name());
    types.collect()
}

#[tokio::test]
async fn one_transaction_makes_changes_and_ends_sessions_of_several_tenants_under_one_id() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 60).await;
        let id = scene.ids.session();
        let mut batch = Batch::default();
        let made = TENANTS.map(|tenant| {
            let create = create(&scene, tenant, id);
            (batch.add(create.clone()), batch.add(create))
        });
        batch.run(world).await;
        for (made, again) in made {
            assert_eq!(made.get().unwrap().id, id);
            let exists = Refusal::invalid(["sessionId"], "a session with this id exists");
            assert!(matches!(again.get(), Err(Error::Refused(refusal)) if refusal == exists));
        }

        let mut batch = Batch::default();
        let accepted: Vec<Answer<Submission>> = TENANTS
            .iter()
            .map(|tenant| batch.add(submit(&scene, tenant, id)))
            .collect();
        let nobodys = batch.add(submit(&scene, "fourth", id));
        let written = batch.add(write("first", id, 1));
        let stale = batch.add(write("second", id, 2));
        let closed = batch.add(CloseSession {
            scope: scope_of("second"),
            actor: ACTOR.into(),
            id,
            reason: None,
        });
        let upgraded = batch.add(UpgradeSession {
            scope: scope_of("third"),
            actor: ACTOR.into(),
            id,
            user_id: "ann".into(),
            metadata: None,
            by_secret: None,
        });
        let late = TENANTS.map(|tenant| batch.add(submit(&scene, tenant, id)));
        batch.run(world).await;
        for (accepted, tenant) in accepted.into_iter().zip(TENANTS) {
            let execution = accepted.get().unwrap().execution;
            assert_eq!(execution.intent.tenant_id.as_str(), tenant);
        }
        let refused = nobodys.get();
        assert!(matches!(refused, Err(Error::Refused(it)) if it == Refusal::not_found("session", "sessionId")));
        assert_eq!(written.get().unwrap().version, 2);
        let refused = stale.get();
        assert!(matches!(refused, Err(Error::Refused(Refusal::StaleVersion { current_version: 1 }))));
        assert_eq!(closed.get().unwrap().status, SessionStatus::Closed);
        assert_eq!(upgraded.get().unwrap().user_id.as_deref(), Some("ann"));
        assert_eq!(late.map(|late| late.get().is_ok()), [true, false, true]);

        let stored = [
            session(world, "first", id).await,
            session(world, "second", id).await,
            session(world, "third", id).await,
        ];
        let statuses = stored.each_ref().map(|it| (it.status, it.state_version));
        let expected = [
            (SessionStatus::Active, 2),
            (SessionStatus::Closed, 1),
            (SessionStatus::Upgraded, 1),
        ];
        assert_eq!(statuses, expected);
        assert_eq!(stored[0].state.as_str(), r#"{"of":"first"}"#);
        for (tenant, second) in TENANTS.iter().zip(["state_changed", "closed", "upgraded"]) {
            let expected = ["session.created".to_owned(), format!("session.{second}")];
            assert_eq!(told(world, tenant, id).await, expected, "{tenant}");
        }
        assert_eq!(world.storage.verify().await.unwrap().differences, []);
    })
    .await;
}

#[tokio::test]
async fn writers_that_make_and_change_sessions_under_one_id_do_not_meet() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 61).await;
        for _ in 0..5 {
            let id = scene.ids.session();
            let all = TENANTS.map(|tenant| alone(world, create(&scene, tenant, id)));
            for made in join_all(all).await {
                made.unwrap();
            }
            for version in 1..4 {
                let all = TENANTS.map(|tenant| alone(world, write(tenant, id, version)));
                for written in join_all(all).await {
                    assert_eq!(written.unwrap().version, version + 1);
                }
            }
            for tenant in TENANTS {
                assert_eq!(told(world, tenant, id).await.len(), 4);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_session_that_runs_out_of_time_leaves_those_of_other_tenants() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 62).await;
        let id = scene.ids.session();
        let mut batch = Batch::default();
        for (tenant, ttl_micros) in TENANTS.iter().zip([0, 3_600_000_000, 0]) {
            let mut create = create(&scene, tenant, id);
            create.ttl_micros = ttl_micros;
            let _ = batch.add(create);
        }
        batch.run(world).await;
        // One look at a time, and a change of the one that lives beside it.
        for version in [1, 2] {
            let mut batch = Batch::default();
            let expired = batch.add(ExpireSessions { limit: 1 });
            let written = batch.add(write("second", id, version));
            batch.run(world).await;
            assert_eq!(expired.get().unwrap(), 1);
            assert_eq!(written.get().unwrap().version, version + 1);
        }
        assert_eq!(alone(world, ExpireSessions { limit: 9 }).await.unwrap(), 0);
        for (tenant, status) in TENANTS.iter().zip([
            SessionStatus::Expired,
            SessionStatus::Active,
            SessionStatus::Expired,
        ]) {
            assert_eq!(session(world, tenant, id).await.status, status);
        }
    })
    .await;
}
