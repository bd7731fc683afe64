//! Sessions whose time has passed.

use super::{on_each_database, rows::session_id, scope, scope_of};
use crate::{
    model::SessionStatus::{self, Active, Closed, Expired, Upgraded},
    storage::{PageRequest, SessionFilter},
};

#[tokio::test]
async fn an_overdue_session_is_expired_wherever_it_is_read() {
    on_each_database(async |world| {
        let (storage, now) = (&world.storage, world.now().await);
        let hour = 3_600_000_000;
        for (number, status, expires_at) in [
            (1, Active, now + hour),
            (2, Active, now - 1),
            (3, Upgraded, now - hour),
            (4, Closed, now - hour),
        ] {
            world.put_session(number, status, expires_at).await;
        }
        let ids: Vec<_> = (1..=5).map(session_id).collect();
        let mut found = storage.find_sessions(&scope(), &ids).await.unwrap();
        found.sort_by_key(|session| session.id);
        let statuses: Vec<_> = found.iter().map(|session| session.status).collect();
        assert_eq!(statuses, [Active, Expired, Expired, Closed]);

        let listed = async |statuses: &[SessionStatus]| -> Vec<_> {
            let filter = SessionFilter {
                statuses: statuses.to_vec(),
                user_id: Some("ann".into()),
                ..SessionFilter::default()
            };
            let page = PageRequest::first(9);
            let page = storage.list_sessions(&scope(), &filter, &page).await;
            page.unwrap().items.into_iter().map(|(id, _)| id).collect()
        };
        assert_eq!(listed(&[Expired]).await, [session_id(3), session_id(2)]);
        assert_eq!(listed(&[Active, Upgraded]).await, [session_id(1)]);
        assert_eq!(listed(&[]).await.len(), 4);

        let theirs = storage.find_sessions(&scope_of("theirs"), &ids).await;
        assert_eq!(theirs.unwrap(), []);
    })
    .await;
}
