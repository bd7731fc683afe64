//! Expires sessions whose time has passed.

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{EventBody, SessionStatus};

/// Marks up to `limit` sessions as expired whose time has passed.
#[derive(Debug, Clone, Copy)]
pub(in crate::storage) struct ExpireSessions {
    pub(in crate::storage) limit: usize,
}

impl Operation for ExpireSessions {
    /// The number of expired sessions.
    type Output = usize;

    fn needs(&self, needs: &mut Needs) {
        needs.overdue_sessions = Some(self.limit);
    }

    fn decide(&self, working: &mut Working) -> Result<usize, Error> {
        let overdue = std::mem::take(&mut working.overdue_sessions);
        for key in &overdue {
            let now = working.now;
            let Some(session) = working.sessions.see(key).map(|row| &row.session) else {
                continue;
            };
            let status = session.status.when(session.expires_at <= now);
            if status == session.status {
                continue;
            }
            if let Some(row) = working.sessions.change(key) {
                row.session.status = status;
                row.session.updated_at = now;
            }
            let body = EventBody::SessionClosed {
                status: SessionStatus::Expired,
                reason: None,
            };
            working.append_to_session(key, None, body, None);
        }
        Ok(overdue.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        read_tests::{on_each_database, scope_of},
        write::tests::{Scene, TENANT, alone, force},
    };

    #[tokio::test]
    async fn a_session_ends_when_its_time_has_passed_and_is_not_ended_again() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            assert_eq!(alone(world, ExpireSessions { limit: 9 }).await.unwrap(), 0);
            force(world, "UPDATE session SET expires_at = 1").await;
            for expected in [1, 0] {
                let expired = alone(world, ExpireSessions { limit: 9 }).await;
                assert_eq!(expired.unwrap(), expected);
            }
            let scope = scope_of(TENANT);
            let found = world.storage.find_sessions(&scope, &[scene.session]).await;
            assert_eq!(found.unwrap()[0].status, SessionStatus::Expired);
        })
        .await;
    }
}
