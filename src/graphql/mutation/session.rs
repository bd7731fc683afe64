//! Changes of sessions and of their state.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::result::{MutationFailure, MutationResult, parts, payload};
use crate::{
    api::ApiError,
    graphql::{
        loading::Caller,
        types::{
            ids,
            scalars::{BigInt, Json, json_or_empty},
            session::{Session, StateWriteMode},
            user_error::UserError,
        },
    },
    model::{self, SessionId},
    services::{AnonymousSession, ShownSecret},
    state_surface::{NewSession, Upgrade},
};

/// A session to begin.
#[derive(InputObject)]
struct CreateSessionInput {
    /// The id it shall have, which no session of the tenant has yet; made by the server when left out.
    session_id: Option<ID>,
    /// The user; an anonymous session when left out.
    user_id: Option<String>,
    /// The solution that its intents go to unless they say otherwise.
    solution_id: Option<String>,
    /// Notes of the client, an object.
    metadata: Option<Json>,
    /// The first state; `{}` when left out.
    state: Option<Json>,
    /// The time for which it accepts intents and state, in seconds.
    ttl_seconds: Option<i32>,
}

impl CreateSessionInput {
    fn read(self) -> Result<NewSession, MutationFailure> {
        Ok(NewSession {
            session_id: self.session_id.as_ref().map(session_id).transpose()?,
            user_id: self.user_id,
            solution_id: self.solution_id,
            metadata: json_or_empty(self.metadata),
            state: json_or_empty(self.state),
            ttl_seconds: self.ttl_seconds.map(Into::into),
        })
    }
}

/// An anonymous session to begin.
#[derive(InputObject)]
struct CreateAnonymousSessionInput {
    /// The solution that its intents go to unless they say otherwise.
    solution_id: Option<String>,
    /// Notes of the client, an object.
    metadata: Option<Json>,
    /// The first state; `{}` when left out.
    state: Option<Json>,
}

/// The user that an anonymous session belongs to from now on.
#[derive(InputObject)]
struct UpgradeSessionInput {
    /// The session.
    session_id: ID,
    /// The user; whoever asks when left out, as only a person may, or one who may write to nothing but what is theirs.
    user_id: Option<String>,
    /// Notes to merge into the session's.
    metadata: Option<Json>,
    /// The secret of the session, which then comes into the caller's tenant, from whatever tenant anonymous sessions
    /// live in. Without it the session is one of the caller's tenant.
    secret: Option<String>,
    /// True to leave the executions of the session, and their artifacts, in the tenant where they ran, if that is not
    /// the caller's. Else a session that has executions there is refused.
    #[graphql(default)]
    leave_executions: bool,
}

/// A session to close.
#[derive(InputObject)]
struct CloseSessionInput {
    /// The session.
    session_id: ID,
    /// Why.
    reason: Option<String>,
}

/// A state to write.
#[derive(InputObject)]
struct SetSessionStateInput {
    /// The session.
    session_id: ID,
    /// The new state, or the patch.
    state: Json,
    /// The way in which the state that is there is treated.
    #[graphql(default_with = "StateWriteMode::Replace")]
    mode: StateWriteMode,
    /// Write only when the state has this version.
    if_version: Option<BigInt>,
}

/// The result of `createAnonymousSession`.
#[derive(SimpleObject)]
struct CreateAnonymousSessionPayload {
    /// The session; null when there are errors.
    session: Option<Session>,
    /// The bearer token by which the session alone is used until it ends or is upgraded. It is shown here once and
    /// kept nowhere.
    secret: Option<String>,
    /// The caller's mistakes; empty when there are none.
    errors: Vec<UserError>,
}

impl From<MutationResult<AnonymousSession>> for CreateAnonymousSessionPayload {
    fn from(outcome: MutationResult<AnonymousSession>) -> Self {
        let (made, errors) = parts(outcome);
        let (session, secret) = made
            .map(|made| {
                let secret = made.secret.expose().to_owned();
                (Session(Arc::new(made.session)), secret)
            })
            .unzip();
        Self {
            session,
            secret,
            errors,
        }
    }
}

/// Payloads of mutations that answer with a session.
macro_rules! session_payloads {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(SimpleObject)]
        struct $name {
            /// The session; null when there are errors.
            session: Option<Session>,
            /// The caller's mistakes; empty when there are none.
            errors: Vec<UserError>,
        }

        impl From<MutationResult<model::Session>> for $name {
            fn from(outcome: MutationResult<model::Session>) -> Self {
                let (session, errors) = parts(outcome);
                Self { session: session.map(|it| Session(Arc::new(it))), errors }
            }
        }
    )*};
}

session_payloads! {
    /// The result of `createSession`.
    CreateSessionPayload;
    /// The result of `upgradeSession`.
    UpgradeSessionPayload;
    /// The result of `closeSession`.
    CloseSessionPayload;
    /// The result of `setSessionState`.
    SetSessionStatePayload;
}

#[derive(Default)]
pub(super) struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Begins a session.
    async fn create_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session to begin.")] input: CreateSessionInput,
    ) -> Result<CreateSessionPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let state = &caller.services.state;
            Ok(state
                .create_session(&caller.principal, input.read()?)
                .await?)
        };
        payload(caller, change.await)
    }

    /// Begins an anonymous session, without a proof: where `auth.anonymous` is set, and as the only field of a request
    /// that has no `Authorization`. The secret in the answer is the session's bearer token.
    async fn create_anonymous_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session to begin.")] input: CreateAnonymousSessionInput,
    ) -> Result<CreateAnonymousSessionPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let new = NewSession {
                solution_id: input.solution_id,
                metadata: json_or_empty(input.metadata),
                state: json_or_empty(input.state),
                ..NewSession::anonymous()
            };
            let services = &caller.services;
            Ok(services
                .create_anonymous_session(&caller.principal, new)
                .await?)
        };
        payload(caller, change.await)
    }

    /// Gives an anonymous session its user, once, under the same id: a session of the caller's tenant, or by its secret
    /// one that comes into the caller's tenant. Its secret is refused from then on, and sockets that it opened end.
    async fn upgrade_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session and its user.")] input: UpgradeSessionInput,
    ) -> Result<UpgradeSessionPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let upgrade = Upgrade {
                id: session_id(&input.session_id)?,
                user_id: input.user_id,
                metadata: input.metadata.map(|Json(raw)| raw),
            };
            let secret = input.secret.map(|text| ShownSecret {
                text,
                leaves_executions: input.leave_executions,
            });
            let services = &caller.services;
            Ok(services
                .upgrade_session(&caller.principal, upgrade, secret)
                .await?)
        };
        payload(caller, change.await)
    }

    /// Closes a session: it accepts no more intents and no more state.
    async fn close_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session to close.")] input: CloseSessionInput,
    ) -> Result<CloseSessionPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let id = session_id(&input.session_id)?;
            let state = &caller.services.state;
            Ok(state
                .close_session(&caller.principal, id, input.reason)
                .await?)
        };
        payload(caller, change.await)
    }

    /// Writes a session's state, as a whole or as a merge patch.
    async fn set_session_state(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session and what to write.")] input: SetSessionStateInput,
    ) -> Result<SetSessionStatePayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let id = session_id(&input.session_id)?;
            let version = input.if_version.map(|BigInt(version)| version);
            let (Json(state), mode) = (input.state, input.mode.into());
            let surface = &caller.services.state;
            Ok(surface
                .set_session_state(&caller.principal, id, state, mode, version)
                .await?)
        };
        payload(caller, change.await)
    }
}

fn session_id(id: &ID) -> Result<SessionId, MutationFailure> {
    Ok(ids::input(id, &["input", "sessionId"])?)
}
