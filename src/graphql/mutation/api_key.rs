//! Making and revoking keys of the API.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::result::{MutationResult, parts, payload};
use crate::{
    api::ApiError,
    auth::{CreatedKey, NewKey},
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
}
