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
    state_surface::NewSession,
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

/// The user that an anonymous session belongs to from now on.
#[derive(InputObject)]
struct UpgradeSessionInput {
    /// The session.
    session_id: ID,
    /// The user.
    user_id: String,
    /// Notes to merge into the session's.
    metadata: Option<Json>,
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

    /// Gives an anonymous session its user, once, under the same id.
    async fn upgrade_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session and its user.")] input: UpgradeSessionInput,
    ) -> Result<UpgradeSessionPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let id = session_id(&input.session_id)?;
            let metadata = input.metadata.map(|Json(raw)| raw);
            let state = &caller.services.state;
            Ok(state
                .upgrade_session(&caller.principal, id, input.user_id, metadata)
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
