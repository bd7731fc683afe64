//! The services that the API layers call, and the plain types that several of them share. No API layer
//! calls the storage itself.

use std::{collections::HashMap, sync::Arc};

use uuid::Uuid;

use crate::{
    api::{ApiError, RequestThreads},
    artifact_registry::ArtifactRegistry,
    auth::{Authenticator, KeyText, Keys, Unproven},
    events::Events,
    executions::Executions,
    model::{
        Action, ArtifactId, Budget, ExecutionId, Principal, Refusal, Session, SessionId,
        TenantScope,
    },
    quotas::Quotas,
    runtime::Runtime,
    state_surface::{self, NewSession, SecretUpgrade, StateSurface, Upgrade},
    storage::Storage,
    uploads::Uploads,
};

pub use crate::{
    runtime::Error,
    storage::{Count, Members, MetadataMember, NodeInfo, NodeState, Page, PageRequest},
};

/// Among so many relatives of an artifact those are counted that whoever asks may read.
const MOST_OWN_RELATIVES: u32 = 1000;

/// Everything that an API needs. Clones share it.
#[derive(Clone)]
pub struct Services {
    /// Accepts, runs, cancels.
    pub runtime: Runtime,
    /// Executions as they stand.
    pub executions: Executions,
    /// Sessions and state.
    pub state: StateSurface,
    /// Artifacts and lineage.
    pub artifacts: ArtifactRegistry,
    /// The tail of the log.
    pub events: Events,
    /// Large content in and out.
    pub uploads: Uploads,
    /// The budget of the tenants on this node.
    pub budget: Arc<Budget>,
    /// What tenants and callers may ask for.
    pub quotas: Quotas,
    /// Knows who calls.
    pub authenticator: Authenticator,
    /// Keys of the API.
    pub keys: Arc<Keys>,
    /// The threads on which requests are answered.
    pub threads: RequestThreads,
    /// The database itself, for what looks after the node: probes, tools, tests.
    pub storage: Storage,
}

impl Services {
    /// Returns the number of members that each of several executions, sessions or artifacts has.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_members(
        &self,
        scope: &TenantScope,
        members: Members,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Count>, Error> {
        let reach = scope.check(match members {
            Members::ExecutionsOfExecution | Members::ExecutionsOfSession => Action::ReadExecutions,
            Members::ArtifactsOfExecution | Members::RelativesOfArtifact(_) => {
                Action::ReadArtifacts
            }
        })?;
        if reach.is_whole() {
            return Ok(self.storage.count_members(scope, members, ids).await?);
        }
        let storage = &self.storage;
        let ids = match members {
            Members::ExecutionsOfSession => {
                let wanted: Vec<_> = ids.iter().copied().map(SessionId).collect();
                let found = storage.find_sessions(scope, &wanted).await?;
                let reached = storage.reached_sessions(&reach, found).into_iter();
                reached.map(|it| it.id.0).collect()
            }
            Members::ExecutionsOfExecution | Members::ArtifactsOfExecution => {
                let wanted: Vec<_> = ids.iter().copied().map(ExecutionId).collect();
                let reached = storage.reached_execution_ids(scope, &reach, &wanted);
                reached
                    .await?
                    .into_iter()
                    .map(|id| id.0)
                    .collect::<Vec<_>>()
            }
            Members::RelativesOfArtifact(relation) => {
                let wanted: Vec<_> = ids.iter().copied().map(ArtifactId).collect();
                let relatives = self.artifacts.list_first_relatives(
                    scope,
                    &wanted,
                    relation,
                    MOST_OWN_RELATIVES + 1,
                );
                let counted = relatives.await?.into_iter().map(|(id, relatives)| {
                    let total = i64::try_from(relatives.len()).unwrap_or(i64::MAX);
                    let is_whole = total <= i64::from(MOST_OWN_RELATIVES);
                    (
                        id.0,
                        Count::of(total.min(i64::from(MOST_OWN_RELATIVES)), is_whole),
                    )
                });
                return Ok(counted.collect());
            }
        };
        Ok(storage.count_members(scope, members, &ids).await?)
    }
}

/// An anonymous session that was made.
#[derive(Debug, Clone)]
pub struct AnonymousSession {
    /// The session.
    pub session: Session,
    /// The secret by which it is used, which is not kept.
    pub secret: KeyText,
}

/// The secret by which a session is upgraded.
#[derive(Debug, Clone)]
pub struct ShownSecret {
    /// Its text.
    pub text: String,
    /// True to leave the executions of the session in the tenant where they ran, if that is another one.
    pub leaves_executions: bool,
}

impl Services {
    /// Makes an anonymous session for a visitor whose address was allowed to begin one.
    ///
    /// # Errors
    /// [`Refusal::InvalidInput`] for a faulty input, and for a caller who has a proof.
    pub async fn create_anonymous_session(
        &self,
        visitor: &Principal,
        new: NewSession,
    ) -> Result<AnonymousSession, Error> {
        let id = self.state.new_id();
        let secret = self.authenticator.new_secret(id);
        let Some(secret) = secret.filter(|_| visitor.is_visitor()) else {
            let message = "anonymous sessions are for callers without a proof, where auth.anonymous is set and a \
                           proof is required: createSession makes one of the caller's";
            return Err(Refusal::invalid([], message).into());
        };
        let new = NewSession {
            session_id: None,
            user_id: None,
            ttl_seconds: Some(secret.ttl_seconds),
            ..new
        };
        let (state, maker) = (&self.state, &secret.maker);
        let session = state.create_anonymous_session(maker, new, id, secret.digest);
        Ok(AnonymousSession {
            session: session.await?,
            secret: secret.text,
        })
    }

    /// Gives an anonymous session its user, once: one of the caller's tenant, or that of a secret.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for a session that is absent, and whatever is wrong with a secret; else as
    /// [`StateSurface::upgrade_session`] and [`StateSurface::upgrade_by_secret`].
    pub async fn upgrade_session(
        &self,
        principal: &Principal,
        upgrade: Upgrade,
        secret: Option<ShownSecret>,
    ) -> Result<Session, Error> {
        let id = upgrade.id;
        let upgraded = match secret {
            None => self.state.upgrade_session(principal, upgrade).await?,
            Some(shown) => {
                self.state.check_upgrade(principal, &upgrade)?;
                let holder = self.authenticator.holder_of_session(id, &shown.text).await;
                let holder = holder.map_err(|unproven| match unproven {
                    Unproven::Unavailable(error) => Error::from(error),
                    _ => Refusal::not_found("session", "sessionId").into(),
                })?;
                let secret = SecretUpgrade {
                    digest: self.authenticator.digest_of_secret(&shown.text),
                    leaves_executions: shown.leaves_executions,
                };
                let (state, holder) = (&self.state, holder.principal());
                let upgraded = state.upgrade_by_secret(principal, holder, upgrade, secret);
                upgraded.await?
            }
        };
        self.authenticator.forget_session(id);
        Ok(upgraded)
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refusal.into(),
            Error::Storage(error) => error.into(),
            Error::Content(error) => error.into(),
            Error::Fingerprint { is_outage, .. } if is_outage => Self::unavailable(&error),
            Error::Fingerprint { .. } => Self::internal(&error),
            Error::Vault(error) => Self::internal(&error),
            Error::ShuttingDown => Self::shutting_down(),
        }
    }
}

impl From<state_surface::Error> for ApiError {
    fn from(error: state_surface::Error) -> Self {
        Error::from(error).into()
    }
}
