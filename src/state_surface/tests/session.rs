//! Clients' calls on sessions.

use super::*;
use crate::{
    model::{Refusal, Session, SessionStatus, StateWriteMode},
    state_surface::{Error, NewSession},
};
use StateWriteMode::{Merge, Replace};

fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> Refusal {
    match result {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("expected a refusal: {other:?}"),
    }
}

fn paths(refusal: Refusal) -> Vec<String> {
    match refusal {
        Refusal::InvalidInput(faults) => faults.into_iter().map(|it| it.path.join(".")).collect(),
        other => panic!("expected faulty input: {other:?}"),
    }
}

async fn created(surface: &StateSurface, state: &str) -> Session {
    let new = NewSession {
        state: json(state),
        ..NewSession::anonymous()
    };
    surface.create_session(&anyone(), new).await.unwrap()
}

#[tokio::test]
async fn a_session_is_read_back_as_it_was_made() {
    let world = World::new().await;
    let surface = world.plain();
    let new = NewSession {
        session_id: Some(IdSource::system().session()),
        user_id: Some("ada".to_owned()),
        solution_id: Some("content".to_owned()),
        metadata: json(r#"{"b": 1.10, "a": [1]}"#),
        state: json(r#"{"n": 12345678901234567890123}"#),
        ttl_seconds: Some(90),
    };
    let made = surface
        .create_session(&anyone(), new.clone())
        .await
        .unwrap();
    assert_eq!(Some(made.id), new.session_id);
    assert_eq!(made.expires_at - made.created_at, 90_000_000);
    assert!(!made.is_anonymous);
    let read = surface.get_session(&anyone().scope(), made.id).await;
    assert_eq!(read.unwrap().as_ref(), Some(&made));
    assert_eq!(made.state, new.state);
    let again = surface.create_session(&anyone(), new).await;
    assert_eq!(paths(refusal(again)), ["sessionId"]);
}

#[tokio::test]
async fn every_fault_of_a_new_session_is_named() {
    let world = World::new().await;
    let surface = world.plain();
    let faulty = NewSession {
        user_id: Some(String::new()),
        solution_id: Some("a\0b".to_owned()),
        ttl_seconds: Some(0),
        ..NewSession::anonymous()
    };
    let refused = surface.create_session(&anyone(), faulty).await;
    assert_eq!(
        paths(refusal(refused)),
        ["userId", "solutionId", "ttlSeconds"]
    );
    for (ttl_seconds, user_id) in [(Some(601), None), (Some(1), Some("x".repeat(256)))] {
        let faulty = NewSession {
            user_id,
            ttl_seconds,
            ..NewSession::anonymous()
        };
        let refused = surface.create_session(&anyone(), faulty).await;
        assert_eq!(paths(refusal(refused)).len(), 1);
    }
    for metadata in ["[]", "1", "null", r#""{}""#] {
        let faulty = NewSession {
            metadata: json(metadata),
            ..NewSession::anonymous()
        };
        let refused = surface.create_session(&anyone(), faulty).await;
        assert_eq!(paths(refusal(refused)), ["metadata"], "{metadata}");
    }
}

#[tokio::test]
async fn a_state_is_any_json_and_at_most_as_large_as_published() {
    let world = World::new().await;
    let surface = world.plain();
    let session = created(&surface, "{}").await;
    let largest = format!("\"{}\"", "x".repeat(19_998));
    for state in ["null", "[1]", "true", &largest] {
        let written = surface
            .set_session_state(&anyone(), session.id, json(state), Replace, None)
            .await;
        assert_eq!(written.unwrap().state.as_str(), state);
    }
    let larger = json(&format!("\"{}\"", "x".repeat(19_999)));
    let refused = surface
        .set_session_state(&anyone(), session.id, larger, Replace, None)
        .await;
    let expected = Refusal::TooLarge {
        what: "state",
        actual_bytes: 20_001,
        limit_bytes: 20_000,
    };
    assert_eq!(refusal(refused), expected);
    let read = surface.get_session(&anyone().scope(), session.id).await;
    assert_eq!(read.unwrap().unwrap().state.as_str(), largest);
}

#[tokio::test]
async fn merges_together_do_not_outgrow_the_limit() {
    let world = World::new().await;
    let surface = world.plain();
    let session = created(&surface, "{}").await;
    let half = |name: &str| json(&format!(r#"{{"{name}":"{}"}}"#, "x".repeat(12_000)));
    let merge = async |value| {
        let surface = surface.clone();
        surface
            .set_session_state(&anyone(), session.id, value, Merge, None)
            .await
    };
    assert_eq!(merge(half("a")).await.unwrap().state_version, 2);
    assert!(matches!(
        refusal(merge(half("b")).await),
        Refusal::TooLarge { .. }
    ));
    let merged = merge(json(r#"{"a":null,"c":1}"#)).await.unwrap();
    assert_eq!(
        (merged.state.as_str(), merged.state_version),
        (r#"{"c":1}"#, 3)
    );
}

#[tokio::test]
async fn what_a_merge_could_not_read_again_is_refused_when_it_comes_in() {
    let world = World::new().await;
    let surface = world.plain();
    let session = created(&surface, r#"{"kept":1}"#).await;
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for unreadable in [deep.as_str(), r#"{"a":1e999}"#, r#"{"a":"\ud800"}"#] {
        for mode in [Replace, Merge] {
            let refused = surface
                .set_session_state(&anyone(), session.id, json(unreadable), mode, None)
                .await;
            assert_eq!(paths(refusal(refused)), ["state"], "{unreadable}");
        }
    }
    let merged = surface
        .set_session_state(&anyone(), session.id, json(r#"{"b":2}"#), Merge, None)
        .await;
    assert_eq!(
        merged.unwrap().state.to_value(),
        serde_json::json!({"kept":1,"b":2})
    );
}

#[tokio::test]
async fn of_concurrent_writers_at_one_version_one_wins() {
    let world = World::new().await;
    let surface = world.plain();
    let session = created(&surface, "{}").await;
    let writes = (0..20).map(|n| {
        let (surface, who) = (surface.clone(), anyone());
        async move {
            let state = json(&n.to_string());
            surface
                .set_session_state(&who, session.id, state, Replace, Some(1))
                .await
        }
    });
    let results = futures::future::join_all(writes).await;
    let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    for result in lost {
        assert_eq!(
            refusal(result),
            Refusal::StaleVersion { current_version: 2 }
        );
    }
    let read = surface.get_session(&anyone().scope(), session.id).await;
    assert_eq!(read.unwrap().as_ref(), won[0].as_ref().ok());
}

#[tokio::test]
async fn a_session_is_upgraded_once_and_keeps_its_state() {
    let world = World::new().await;
    let surface = world.plain();
    let session = created(&surface, r#"{"cart":[1]}"#).await;
    let metadata = Some(json(r#"{"plan":"pro"}"#));
    let upgraded = surface
        .upgrade_session(&anyone(), upgrade(&session, "ada", metadata))
        .await
        .unwrap();
    assert_eq!(upgraded.status, SessionStatus::Upgraded);
    let read = surface.get_session(&anyone().scope(), session.id).await;
    let read = read.unwrap().unwrap();
    assert_eq!(read, upgraded);
    assert_eq!(
        (read.user_id.as_deref(), read.is_anonymous),
        (Some("ada"), false)
    );
    assert_eq!(read.state, session.state);
    let again = surface
        .upgrade_session(&anyone(), upgrade(&session, "eve", None))
        .await;
    assert!(matches!(refusal(again), Refusal::SessionTransition { .. }));
    let nobody = surface
        .upgrade_session(&anyone(), upgrade(&session, "a\u{1}", None))
        .await;
    assert_eq!(paths(refusal(nobody)), ["userId"]);
}

#[tokio::test]
async fn a_closed_session_is_read_and_not_written() {
    let world = World::new().await;
    let surface = world.plain();
    let session = created(&surface, r#"{"a":1}"#).await;
    let unwritable = Some("a\0".to_owned());
    let refused = surface
        .close_session(&anyone(), session.id, unwritable)
        .await;
    assert_eq!(paths(refusal(refused)), ["reason"]);
    let why = Some("done\nfor today".to_owned());
    let closed = surface
        .close_session(&anyone(), session.id, why)
        .await
        .unwrap();
    let read = surface.get_session(&anyone().scope(), session.id).await;
    assert_eq!(read.unwrap(), Some(closed));
    let refused = surface
        .set_session_state(&anyone(), session.id, json("1"), Replace, None)
        .await;
    let status = SessionStatus::Closed;
    assert_eq!(refusal(refused), Refusal::SessionNotActive { status });
}

#[tokio::test]
async fn an_overdue_session_reads_as_expired_with_its_last_state() {
    let world = World::new().await;
    let surface = world.plain();
    let new = NewSession {
        ttl_seconds: Some(1),
        ..NewSession::anonymous()
    };
    let session = surface.create_session(&anyone(), new).await.unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    let read = loop {
        let read = surface.get_session(&anyone().scope(), session.id).await;
        let read = read.unwrap().unwrap();
        if read.status == SessionStatus::Expired || std::time::Instant::now() > deadline {
            break read;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let status = SessionStatus::Expired;
    assert_eq!(read, Session { status, ..session });
}

#[tokio::test]
async fn another_tenant_finds_nothing() {
    let world = World::new().await;
    let surface = world.plain();
    let session = created(&surface, r#"{"secret":1}"#).await;
    let other = somebody_else();
    let read = surface.get_session(&other.scope(), session.id).await;
    assert_eq!(read.unwrap(), None);
    let written = surface
        .set_session_state(&other, session.id, json("1"), Replace, None)
        .await;
    assert!(matches!(refusal(written), Refusal::NotFound { .. }));
    let upgraded = surface
        .upgrade_session(&other, upgrade(&session, "eve", None))
        .await;
    assert!(matches!(refusal(upgraded), Refusal::NotFound { .. }));
    let closed = surface.close_session(&other, session.id, None).await;
    assert!(matches!(refusal(closed), Refusal::NotFound { .. }));
}
