//! Making and revoking keys of the API.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::result::{MutationFailure, MutationResult, parts, payload};
use crate::{
    api::ApiError,
    auth::{AccessToken, CreatedKey, NewAccessToken, NewKey},
    graphql::{
        loading::Caller,
        types::{api_key::ApiKey, ids, scalars::DateTime, user_error::UserError},
    },
    model,
};

/// A key to make. It has at least one role or scope, and none that its maker lacks.
#[derive(InputObject)]
struct CreateApiKeyInput {
    /// Roles of the server's configuration.
    roles: Option<Vec<String>>,
    /// Scopes besides, such as `executions:read` or `intents:submit:parse_content`.
    scopes: Option<Vec<String>>,
    /// Its purpose, 1 to 200 characters.
    label: Option<String>,
    /// When it ends by itself; it does not when left out.
    expires_at: Option<DateTime>,
}

/// A key to revoke.
#[derive(InputObject)]
struct RevokeApiKeyInput {
    /// The key.
    id: ID,
    /// Why; kept in the log.
    reason: Option<String>,
}

/// The result of `createApiKey`.
#[derive(SimpleObject)]
struct CreateApiKeyPayload {
    /// The key; null when there are errors.
    api_key: Option<ApiKey>,
    /// Its whole text, which is sent as `Authorization: Bearer …`. It is shown this once; null when there are
    /// errors.
    token: Option<String>,
    /// The caller's mistakes; empty when there are none.
    errors: Vec<UserError>,
}

impl From<MutationResult<CreatedKey>> for CreateApiKeyPayload {
    fn from(outcome: MutationResult<CreatedKey>) -> Self {
        let (created, errors) = parts(outcome);
        let (api_key, token) = created.map(|it| (it.key, it.text)).unzip();
        Self {
            api_key: api_key.map(|it| ApiKey(Arc::new(it))),
            token: token.map(|it| it.expose().to_owned()),
            errors,
        }
    }
}

/// The result of `revokeApiKey`.
#[derive(SimpleObject)]
struct RevokeApiKeyPayload {
    /// The key; null when there are errors.
    api_key: Option<ApiKey>,
    /// The caller's mistakes; empty when there are none.
    errors: Vec<UserError>,
}

impl From<MutationResult<model::ApiKey>> for RevokeApiKeyPayload {
    fn from(outcome: MutationResult<model::ApiKey>) -> Self {
        let (key, errors) = parts(outcome);
        Self {
            api_key: key.map(|it| ApiKey(Arc::new(it))),
            errors,
        }
    }
}

/// A token for a page: for one session, or for some executions.
#[derive(InputObject)]
struct CreateAccessTokenInput {
    /// The session whose state, executions and artifacts may be read, as far as the caller may read them.
    session_id: Option<ID>,
    /// The executions that may be read instead, with those below them and what they made; 1 to 100.
    execution_ids: Option<Vec<ID>>,
    /// Intent types that may be submitted in the session; none when left out.
    intent_types: Option<Vec<String>>,
    /// The name that histories record for what is done by it; the key's id when left out.
    actor: Option<String>,
    /// Its life in seconds, 60 to 3600; 300 when left out.
    ttl_seconds: Option<i32>,
}

impl CreateAccessTokenInput {
    fn read(self) -> Result<NewAccessToken, MutationFailure> {
        let session = self.session_id.as_ref();
        let session = session.map(|id| ids::input(id, &["input", "sessionId"]));
        let executions = self.execution_ids.unwrap_or_default();
        let executions = executions.iter().enumerate();
        let executions =
            executions.map(|(at, id)| ids::input(id, &["input", "executionIds", &at.to_string()]));
        Ok(NewAccessToken {
            session_id: session.transpose()?,
            execution_ids: executions.collect::<Result<_, _>>()?,
            intent_types: self.intent_types.unwrap_or_default(),
            actor: self.actor,
            ttl_seconds: self.ttl_seconds.map(Into::into),
        })
    }
}

/// The result of `createAccessToken`.
#[derive(SimpleObject)]
struct CreateAccessTokenPayload {
    /// The token, which is sent as `Authorization: Bearer …`; null when there are errors.
    token: Option<String>,
    /// When it ends.
    expires_at: Option<DateTime>,
    /// What it permits.
    scopes: Vec<String>,
    /// The caller's mistakes; empty when there are none.
    errors: Vec<UserError>,
}

impl From<MutationResult<AccessToken>> for CreateAccessTokenPayload {
    fn from(outcome: MutationResult<AccessToken>) -> Self {
        let (created, errors) = parts(outcome);
        let scopes = created.as_ref().map(|it| it.grants.scopes());
        Self {
            scopes: scopes
                .into_iter()
                .flatten()
                .map(|it| it.to_string())
                .collect(),
            expires_at: created.as_ref().map(|it| DateTime(it.expires_at)),
            token: created.map(|it| it.text.expose().to_owned()),
            errors,
        }
    }
}

#[derive(Default)]
pub(super) struct ApiKeyMutation;

#[Object]
impl ApiKeyMutation {
    /// Makes a key of the caller's tenant. Needs the scope `keys:manage`.
    async fn create_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key to make.")] input: CreateApiKeyInput,
    ) -> Result<CreateApiKeyPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let new = NewKey {
            roles: input.roles.unwrap_or_default(),
            scopes: input.scopes.unwrap_or_default(),
            label: input.label,
            expires_at: input.expires_at.map(|DateTime(at)| at),
        };
        let change = async { Ok(caller.services.keys.create(&caller.principal, new).await?) };
        payload(caller, change.await)
    }

    /// Revokes a key of the caller's tenant for ever, on all nodes within 5 s; connections that it opened are
    /// closed. One that is revoked already stays as it is. Needs the scope `keys:manage`.
    async fn revoke_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key to revoke.")] input: RevokeApiKeyInput,
    ) -> Result<RevokeApiKeyPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let id = ids::input(&input.id, &["input", "id"])?;
            let keys = &caller.services.keys;
            Ok(keys.revoke(&caller.principal, id, input.reason).await?)
        };
        payload(caller, change.await)
    }

    /// Hands out a token of minutes for a page: it reads one session, or some executions, and submits the intent
    /// types that are named. For the holder of a key, who has to have what the token permits; it ends with the key.
    async fn create_access_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token to make.")] input: CreateAccessTokenInput,
    ) -> Result<CreateAccessTokenPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let keys = &caller.services.keys;
            Ok(keys
                .create_access_token(&caller.principal, input.read()?)
                .await?)
        };
        payload(caller, change.await)
    }
}
