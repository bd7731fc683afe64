//! Whatever happens to the copies, answers stay the same.

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};

use super::*;
use crate::{
    hot,
    model::{Session, SessionId, StateWriteMode::Replace},
    redis::{Redis, RedisCopies},
    state_surface::{
        NewSession,
        copies::{Copies, session_key},
    },
    storage::StateStamp,
};

const LONG: Duration = Duration::from_mins(1);

/// Copies that can be reached never.
#[derive(Debug)]
struct Gone;

impl HotCopies for Gone {
    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, hot::Error>> {
        ready(Err(hot::Error("gone".into()))).boxed()
    }
    fn put<'a>(
        &'a self,
        _: &'a str,
        _: Bytes,
        _: Duration,
    ) -> BoxFuture<'a, Result<(), hot::Error>> {
        ready(Err(hot::Error("gone".into()))).boxed()
    }
    fn remove<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), hot::Error>> {
        ready(Err(hot::Error("gone".into()))).boxed()
    }
}

/// The places for copies that there are here.
async fn places() -> Vec<Arc<dyn HotCopies>> {
    let mut places: Vec<Arc<dyn HotCopies>> = vec![Arc::new(InProcess::new())];
    if let Some(url) = crate::redis::tests::url() {
        let redis = Redis::connect(&url).await.unwrap();
        places.push(Arc::new(RedisCopies::new(&redis)));
    }
    places
}

async fn created(surface: &StateSurface, state: &str) -> Session {
    let new = NewSession {
        state: json(state),
        ..NewSession::anonymous()
    };
    surface.create_session(&anyone(), new).await.unwrap()
}

async fn read(surface: &StateSurface, id: SessionId) -> Session {
    let read = surface.get_session(&anyone().scope(), id).await;
    read.unwrap().unwrap()
}

fn key_of(session: &Session) -> String {
    session_key(&anyone().scope(), session.id)
}

fn stamp_of(session: &Session) -> StateStamp {
    StateStamp {
        version: session.state_version,
        updated_at: session.updated_at,
    }
}

#[tokio::test]
async fn the_copy_of_the_current_version_is_what_is_read() {
    let world = World::new().await;
    for hot in places().await {
        let surface = world.surface(Arc::clone(&hot));
        let session = created(&surface, r#"{"a":1}"#).await;
        // Only this cluster can make such a copy; that it is seen shows that copies are used.
        let seen = json(r#"{"from":"the copy"}"#);
        let copies = Copies::new(hot, &key());
        copies
            .keep(&key_of(&session), stamp_of(&session), &seen)
            .await;
        assert_eq!(read(&surface, session.id).await.state, seen);
    }
}

#[tokio::test]
async fn a_flushed_copy_is_made_again() {
    let world = World::new().await;
    for hot in places().await {
        let surface = world.surface(Arc::clone(&hot));
        let session = created(&surface, r#"{"a":1}"#).await;
        let key = key_of(&session);
        assert!(hot.get(&key).await.unwrap().is_some());
        hot.remove(&key).await.unwrap();
        assert_eq!(read(&surface, session.id).await, session);
        assert!(hot.get(&key).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_stale_copy_is_never_read() {
    let world = World::new().await;
    for hot in places().await {
        let surface = world.surface(Arc::clone(&hot));
        let session = created(&surface, r#"{"a":1}"#).await;
        let key = key_of(&session);
        let old = hot.get(&key).await.unwrap().unwrap();
        let next = json(r#"{"a":2}"#);
        let written = surface
            .set_session_state(&anyone(), session.id, next, Replace, None)
            .await
            .unwrap();
        hot.put(&key, old, LONG).await.unwrap();
        assert_eq!(read(&surface, session.id).await, written);
    }
}

#[tokio::test]
async fn a_write_by_another_node_is_seen_at_once() {
    let world = World::new().await;
    // Two nodes that share no copies at all.
    let (a, b) = (world.plain(), world.plain());
    let session = created(&a, "0").await;
    for n in 1..=10 {
        assert_eq!(read(&b, session.id).await.state_version, n);
        let state = json(&n.to_string());
        let written = a
            .set_session_state(&anyone(), session.id, state, Replace, Some(n))
            .await
            .unwrap();
        assert_eq!(read(&b, session.id).await, written);
    }
}

#[tokio::test]
async fn a_forged_copy_is_never_read() {
    let world = World::new().await;
    for hot in places().await {
        let surface = world.surface(Arc::clone(&hot));
        let session = created(&surface, r#"{"a":1}"#).await;
        let other = created(&surface, r#"{"b":1}"#).await;
        let (key, stamp) = (key_of(&session), stamp_of(&session));
        let good = hot.get(&key).await.unwrap().unwrap();

        let mut forgeries: Vec<Bytes> = vec![
            Bytes::new(),
            Bytes::from_static(b"garbage"),
            Bytes::from(vec![0; 48]),
            Bytes::from(vec![0xff; 4096]),
            good.slice(..good.len() - 1),
            hot.get(&key_of(&other)).await.unwrap().unwrap(),
        ];
        for position in [0, 31, 32, 40, 48, good.len() - 1] {
            let mut changed = good.to_vec();
            changed[position] ^= 1;
            forgeries.push(changed.into());
        }
        let strangers = Copies::new(Arc::clone(&hot), &CopyKey::derived(b"another secret"));
        strangers.keep(&key, stamp, &json(r#"{"a":9}"#)).await;
        forgeries.push(hot.get(&key).await.unwrap().unwrap());
        let ours = Copies::new(Arc::clone(&hot), &super::key());
        ours.keep(&key_of(&other), stamp, &json(r#"{"a":9}"#)).await;
        forgeries.push(hot.get(&key_of(&other)).await.unwrap().unwrap());

        for forgery in forgeries {
            hot.put(&key, forgery.clone(), LONG).await.unwrap();
            assert_eq!(read(&surface, session.id).await, session, "{forgery:?}");
        }
    }
}

#[tokio::test]
async fn without_any_copies_everything_works() {
    let world = World::new().await;
    let surface = world.surface(Arc::new(Gone));
    let session = created(&surface, r#"{"a":1}"#).await;
    assert_eq!(read(&surface, session.id).await, session);
    let next = json(r#"{"a":2}"#);
    let written = surface
        .set_session_state(&anyone(), session.id, next, Replace, Some(1))
        .await
        .unwrap();
    assert_eq!(read(&surface, session.id).await, written);
    let upgraded = surface
        .upgrade_session(&anyone(), upgrade(&session, "ada", None))
        .await
        .unwrap();
    assert_eq!(read(&surface, session.id).await, upgraded);
    let closed = surface
        .close_session(&anyone(), session.id, None)
        .await
        .unwrap();
    assert_eq!(read(&surface, session.id).await, closed);
}

#[tokio::test]
async fn after_an_upgrade_no_anonymous_copy_can_be_read() {
    let world = World::new().await;
    for hot in places().await {
        let surface = world.surface(Arc::clone(&hot));
        let session = created(&surface, r#"{"cart":[1]}"#).await;
        let anonymous = hot.get(&key_of(&session)).await.unwrap().unwrap();
        let upgraded = surface
            .upgrade_session(&anyone(), upgrade(&session, "ada", None))
            .await
            .unwrap();
        let now = hot.get(&key_of(&session)).await.unwrap().unwrap();
        assert_ne!(now, anonymous, "the copy was replaced");
        // Even one that comes back does not make the session anonymous again.
        hot.put(&key_of(&session), anonymous, LONG).await.unwrap();
        assert_eq!(read(&surface, session.id).await, upgraded);
    }
}
