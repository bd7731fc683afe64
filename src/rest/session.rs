//! Sessions.

#![expect(unused_qualifications, reason = "the macro for parameters writes them")]

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{
    Served,
    answers::{ToAny, ToBody, ToId, ToSession, ToTenant},
    body::{Body, Caller, Id, Parameters, Visitor, id},
    check_tenant,
    error::{ErrorBody, RequestFailure},
    shown,
};
use crate::{
    api::ApiError,
    model::{RawJson, Refusal, Session, SessionId, SessionStatus, StateWriteMode},
    services::{AnonymousSession, ShownSecret},
    state_surface::{NewSession, Upgrade},
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"user_id": "ann"}))]
pub(super) struct CreateSession {
    /// The caller's own tenant, if it is named at all.
    tenant_id: Option<String>,
    /// The user; none for an anonymous session.
    #[schema(min_length = 1, max_length = 255)]
    user_id: Option<String>,
    /// The session's id, if the client has one already; no session of the tenant has it yet.
    #[schema(pattern = "^ses_[0-9a-z]{26}$")]
    session_id: Option<String>,
    /// The solution of its intents.
    #[schema(min_length = 1, max_length = 100)]
    solution_id: Option<String>,
    /// Notes, an object.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedSession {
    session_id: String,
    tenant_id: String,
    user_id: Option<String>,
    created_at: String,
}

/// Creates a session.
#[utoipa::path(post, path = "/api/session/create", tag = "session", request_body = CreateSession, responses(
    (status = 200, description = "The session", body = CreatedSession),
    ToBody, ToTenant, ToAny,
))]
pub(super) async fn create(
    State(served): State<Served>,
    Caller(principal): Caller,
    Body(input): Body<CreateSession>,
) -> Result<Json<CreatedSession>, RequestFailure> {
    check_tenant(&principal, input.tenant_id.as_deref(), || {
        Refusal::not_found("tenant", "tenantId").into()
    })?;
    let new = NewSession {
        session_id: input.session_id.as_deref().map(id).transpose()?,
        user_id: input.user_id,
        solution_id: input.solution_id,
        metadata: input
            .metadata
            .as_ref()
            .map_or_else(RawJson::empty_object, RawJson::from),
        ..NewSession::anonymous()
    };
    let session = served
        .services
        .state
        .create_session(&principal, new)
        .await?;
    Ok(Json(CreatedSession {
        session_id: session.id.to_string(),
        tenant_id: session.tenant_id.to_string(),
        user_id: session.user_id,
        created_at: shown(session.created_at),
    }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"metadata": {"page": "cart"}}))]
pub(super) struct CreateAnonymousSession {
    /// The solution of its intents.
    #[schema(min_length = 1, max_length = 100)]
    solution_id: Option<String>,
    /// Notes, an object.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    /// Its first state.
    #[schema(value_type = Option<Value>)]
    state: Option<Value>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedAnonymousSession {
    session_id: String,
    /// The bearer token by which the session alone is used; shown here once, and kept nowhere.
    secret: String,
    tenant_id: String,
    created_at: String,
    expires_at: String,
}

/// Begins an anonymous session, without a proof, where `auth.anonymous` is set.
#[utoipa::path(post, path = "/api/session/anonymous", tag = "session", request_body = CreateAnonymousSession,
    responses(
    (status = 200, description = "The session and its secret", body = CreatedAnonymousSession),
    (status = 429, description = "The address began too many; `Retry-After` says when to come back", body = ErrorBody),
    ToBody, ToAny,
))]
pub(super) async fn create_anonymous(
    State(served): State<Served>,
    Visitor(visitor): Visitor,
    Body(input): Body<CreateAnonymousSession>,
) -> Result<Json<CreatedAnonymousSession>, RequestFailure> {
    let json = |value: Option<&Value>| value.map_or_else(RawJson::empty_object, RawJson::from);
    let new = NewSession {
        solution_id: input.solution_id,
        metadata: json(input.metadata.as_ref()),
        state: json(input.state.as_ref()),
        ..NewSession::anonymous()
    };
    let made = served.services.create_anonymous_session(&visitor, new);
    let AnonymousSession { session, secret } = made.await?;
    Ok(Json(CreatedAnonymousSession {
        session_id: session.id.to_string(),
        secret: secret.expose().to_owned(),
        tenant_id: session.tenant_id.to_string(),
        created_at: shown(session.created_at),
        expires_at: shown(session.expires_at),
    }))
}

/// A session with its state.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionBody {
    session_id: String,
    tenant_id: String,
    user_id: Option<String>,
    solution_id: Option<String>,
    is_anonymous: bool,
    /// `active`, `upgraded`, `closed` or `expired`.
    status: String,
    #[schema(value_type = Value)]
    state: RawJson,
    state_version: i64,
    #[schema(value_type = Object)]
    metadata: RawJson,
    created_at: String,
    updated_at: String,
    expires_at: String,
}

fn status_name(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Active => "active",
        SessionStatus::Upgraded => "upgraded",
        SessionStatus::Closed => "closed",
        SessionStatus::Expired => "expired",
    }
}

impl From<Session> for SessionBody {
    fn from(session: Session) -> Self {
        Self {
            session_id: session.id.to_string(),
            tenant_id: session.tenant_id.to_string(),
            user_id: session.user_id,
            solution_id: session.solution_id,
            is_anonymous: session.is_anonymous,
            status: status_name(session.status).to_owned(),
            state: session.state,
            state_version: session.state_version,
            metadata: session.metadata,
            created_at: shown(session.created_at),
            updated_at: shown(session.updated_at),
            expires_at: shown(session.expires_at),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct OfTenant {
    /// The caller's own tenant, if it is named at all.
    tenant_id: Option<String>,
}

/// A session with its state.
#[utoipa::path(get, path = "/api/session/{session_id}", tag = "session",
    params(("session_id" = String, Path, description = "The session", pattern = "^ses_[0-9a-z]{26}$"), OfTenant), responses(
    (status = 200, description = "The session", body = SessionBody),
    ToId, ToTenant, ToSession, ToAny,
))]
pub(super) async fn read(
    State(served): State<Served>,
    Caller(principal): Caller,
    Id(id): Id<SessionId>,
    Parameters(of): Parameters<OfTenant>,
) -> Result<Json<SessionBody>, RequestFailure> {
    let absent = || RequestFailure::not_found("session");
    check_tenant(&principal, of.tenant_id.as_deref(), absent)?;
    let found = served
        .services
        .state
        .get_session(&principal.scope(), id)
        .await?;
    Ok(Json(found.ok_or_else(absent)?.into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"user_id": "ann"}))]
pub(super) struct UpgradeSession {
    /// The user that the session belongs to from now on; whoever asks when left out, as a person may.
    #[schema(min_length = 1, max_length = 255)]
    user_id: Option<String>,
    /// The secret of the session, which then comes into the caller's tenant.
    #[schema(min_length = 1)]
    secret: Option<String>,
    /// True to leave its executions in the tenant where they ran, if that is another one.
    #[serde(default)]
    leave_executions: bool,
    /// The caller's own tenant, if it is named at all.
    tenant_id: Option<String>,
    /// Notes, an object, that take the place of the earlier ones.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
}

/// Gives an anonymous session its user.
#[utoipa::path(patch, path = "/api/session/{session_id}/upgrade", tag = "session",
    params(("session_id" = String, Path, description = "The session", pattern = "^ses_[0-9a-z]{26}$")),
    request_body = UpgradeSession, responses(
    (status = 200, description = "The session", body = SessionBody),
    (status = 409, description = "It has a user, or has ended", body = ErrorBody),
    ToBody, ToTenant, ToSession, ToAny,
))]
pub(super) async fn upgrade(
    State(served): State<Served>,
    Caller(principal): Caller,
    Id(id): Id<SessionId>,
    Body(input): Body<UpgradeSession>,
) -> Result<Json<SessionBody>, RequestFailure> {
    check_tenant(&principal, input.tenant_id.as_deref(), || {
        Refusal::not_found("session", "sessionId").into()
    })?;
    let upgrade = Upgrade {
        id,
        user_id: input.user_id,
        metadata: input.metadata.as_ref().map(RawJson::from),
    };
    let secret = input.secret.map(|text| ShownSecret {
        text,
        leaves_executions: input.leave_executions,
    });
    let upgraded = served.services.upgrade_session(&principal, upgrade, secret);
    let session = upgraded.await?;
    Ok(Json(session.into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"state": {"step": 2}, "mode": "merge", "if_version": 1}))]
pub(super) struct WriteState {
    /// The new state, or the patch.
    #[schema(value_type = Value)]
    state: Value,
    /// `replace`, which it is when left out, or `merge`: JSON Merge Patch, RFC 7396.
    #[schema(pattern = "^(replace|merge)$")]
    mode: Option<String>,
    /// Write only when the state has this version.
    if_version: Option<i64>,
}

/// Writes a session's state, as a whole or as a merge patch.
#[utoipa::path(put, path = "/api/session/{session_id}/state", tag = "session",
    params(("session_id" = String, Path, description = "The session", pattern = "^ses_[0-9a-z]{26}$")),
    request_body = WriteState, responses(
    (status = 200, description = "The session", body = SessionBody),
    (status = 409, description = "The state has another version, or the session has ended", body = ErrorBody),
    ToBody, ToSession, ToAny,
))]
pub(super) async fn write_state(
    State(served): State<Served>,
    Caller(principal): Caller,
    Id(id): Id<SessionId>,
    Body(input): Body<WriteState>,
) -> Result<Json<SessionBody>, RequestFailure> {
    let mode = match input.mode.as_deref() {
        None | Some("replace") => StateWriteMode::Replace,
        Some("merge") => StateWriteMode::Merge,
        Some(_) => return Err(ApiError::bad_input("mode is replace or merge").into()),
    };
    let (surface, state) = (&served.services.state, RawJson::from(&input.state));
    let session = surface
        .set_session_state(&principal, id, state, mode, input.if_version)
        .await?;
    Ok(Json(session.into()))
}
