//! What is left of records where whoever asks reaches a part of the tenant's data alone.

use std::collections::{HashMap, HashSet};

use super::{
    super::{Error, Storage, sql},
    page::ids_of_tenant,
};
use crate::model::{
    Artifact, ArtifactId, Execution, ExecutionId, Reach, Session, SessionId, TenantScope,
};
use sql::get;

/// The users of sessions; none for anonymous ones.
type Users = HashMap<SessionId, Option<String>>;

/// A record that belongs to the user of its session.
trait OfSession {
    fn session(&self) -> SessionId;

    /// The user whom the session had when the record was made.
    fn user(&self) -> Option<&str>;
}

impl OfSession for Execution {
    fn session(&self) -> SessionId {
        self.intent.session_id
    }

    fn user(&self) -> Option<&str> {
        self.user_id.as_deref()
    }
}

impl OfSession for Artifact {
    fn session(&self) -> SessionId {
        self.session_id
    }

    fn user(&self) -> Option<&str> {
        self.user_id.as_deref()
    }
}

fn is_among(execution: &Execution, ids: &[ExecutionId]) -> bool {
    let above = [execution.parent_id, execution.root_id];
    ids.contains(&execution.id) || above.into_iter().flatten().any(|id| ids.contains(&id))
}

impl Storage {
    /// Those of the tenant's executions that are within reach.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reached_executions(
        &self,
        scope: &TenantScope,
        reach: &Reach,
        mut found: Vec<Execution>,
    ) -> Result<Vec<Execution>, Error> {
        match reach {
            Reach::Tenant => {}
            Reach::User(user) => self.retain_of_user(scope, user, &mut found).await?,
            Reach::Session(id) => found.retain(|it| it.intent.session_id == *id),
            Reach::Executions(ids) => found.retain(|it| is_among(it, ids)),
        }
        Ok(found)
    }

    /// Those of the ids that are executions of the tenant within reach; all of them where that is the whole tenant.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reached_execution_ids(
        &self,
        scope: &TenantScope,
        reach: &Reach,
        ids: &[ExecutionId],
    ) -> Result<Vec<ExecutionId>, Error> {
        if reach.is_whole() {
            return Ok(ids.to_vec());
        }
        let found = self.find_executions(scope, ids).await?;
        let reached = self.reached_executions(scope, reach, found).await?;
        Ok(reached.into_iter().map(|it| it.id).collect())
    }

    /// Returns whether there is such an execution of the tenant within reach; true without looking where that is the
    /// whole tenant.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reaches_execution(
        &self,
        scope: &TenantScope,
        reach: &Reach,
        id: ExecutionId,
    ) -> Result<bool, Error> {
        let reached = self.reached_execution_ids(scope, reach, &[id]).await?;
        Ok(!reached.is_empty())
    }

    /// Those of the tenant's artifacts that are within reach.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reached_artifacts(
        &self,
        scope: &TenantScope,
        reach: &Reach,
        mut found: Vec<Artifact>,
    ) -> Result<Vec<Artifact>, Error> {
        match reach {
            Reach::Tenant => {}
            Reach::User(user) => self.retain_of_user(scope, user, &mut found).await?,
            Reach::Session(id) => found.retain(|it| it.session_id == *id),
            Reach::Executions(_) => {
                let makers: HashSet<_> = found.iter().map(|it| it.execution_id).collect();
                let makers: Vec<_> = makers.into_iter().collect();
                let reached = self.reached_execution_ids(scope, reach, &makers).await?;
                found.retain(|it| reached.contains(&it.execution_id));
            }
        }
        Ok(found)
    }

    /// Those of the ids that are artifacts of the tenant within reach; all of them where that is the whole tenant.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reached_artifact_ids(
        &self,
        scope: &TenantScope,
        reach: &Reach,
        ids: &[ArtifactId],
    ) -> Result<Vec<ArtifactId>, Error> {
        if reach.is_whole() {
            return Ok(ids.to_vec());
        }
        let found = self.find_artifacts(scope, ids).await?;
        let reached = self.reached_artifacts(scope, reach, found).await?;
        Ok(reached.into_iter().map(|it| it.id).collect())
    }

    /// Returns whether there is such an artifact of the tenant within reach; true without looking where that is the
    /// whole tenant.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reaches_artifact(
        &self,
        scope: &TenantScope,
        reach: &Reach,
        id: ArtifactId,
    ) -> Result<bool, Error> {
        let reached = self.reached_artifact_ids(scope, reach, &[id]).await?;
        Ok(!reached.is_empty())
    }

    /// Those of the tenant's sessions that are within reach.
    pub fn reached_sessions(&self, reach: &Reach, mut found: Vec<Session>) -> Vec<Session> {
        found.retain(|it| is_session_reached(reach, it.id, it.user_id.as_deref()));
        found
    }

    /// Returns whether there is such a session of the tenant within reach; true without looking where that is the
    /// whole tenant.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reaches_session(
        &self,
        scope: &TenantScope,
        reach: &Reach,
        id: SessionId,
    ) -> Result<bool, Error> {
        match reach {
            Reach::Tenant => Ok(true),
            Reach::Session(own) => Ok(*own == id),
            Reach::Executions(_) => Ok(false),
            Reach::User(_) => {
                let users = self.users_of_sessions(scope, [id]).await?;
                let user = users.get(&id).map(Option::as_deref);
                Ok(user.is_some_and(|user| is_session_reached(reach, id, user)))
            }
        }
    }

    /// What was done before the session had its user is the user's as well.
    async fn retain_of_user<T: OfSession>(
        &self,
        scope: &TenantScope,
        user: &str,
        found: &mut Vec<T>,
    ) -> Result<(), Error> {
        let anonymous = found.iter().filter(|it| it.user().is_none());
        let sessions: HashSet<SessionId> = anonymous.map(OfSession::session).collect();
        let users = self.users_of_sessions(scope, sessions).await?;
        found.retain(|it| {
            let of_session = || users.get(&it.session()).and_then(Option::as_deref);
            it.user().or_else(of_session) == Some(user)
        });
        Ok(())
    }

    async fn users_of_sessions(
        &self,
        scope: &TenantScope,
        ids: impl IntoIterator<Item = SessionId>,
    ) -> Result<Users, Error> {
        let rows = ids_of_tenant(scope, ids.into_iter().map(|id| id.0));
        let tail = format!(
            "SELECT s.id, s.user_id FROM x {} session s ON s.id = x.id AND s.tenant_id = x.tenant_id",
            sql::join(&self.db.reader)
        );
        let found = rows.query(&self.db.reader.of(scope), &tail).await?;
        let users = found
            .iter()
            .map(|row| Ok((SessionId(get(row, "id")?), get(row, "user_id")?)));
        users.collect()
    }
}

pub(super) fn is_session_reached(reach: &Reach, id: SessionId, user: Option<&str>) -> bool {
    match reach {
        Reach::Tenant => true,
        Reach::User(own) => user == Some(&**own),
        Reach::Session(own) => *own == id,
        Reach::Executions(_) => false,
    }
}
