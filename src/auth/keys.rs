//! Keys of a tenant, for whoever looks after them.

use super::{AccessToken, AccessTokens, Authenticator, KeyText, NewAccessToken, Roles};
use crate::{
    ids::IdSource,
    model::{
        Action, ApiKey, Fault, Grants, KeyId, KeyRights, Micros, Principal, Refusal, Scope,
        check_reason, is_name,
    },
    storage::{Count, CreateKey, Error, Page, PageRequest, RevokeKey, Storage},
};

/// Longest label.
const MAX_LABEL_CHARS: usize = 200;

/// Most roles, and most scopes, of one key.
const MAX_RIGHTS: usize = 100;

/// A key to be made.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// Names of roles.
    pub roles: Vec<String>,
    /// Scopes besides.
    pub scopes: Vec<String>,
    /// A note of its purpose.
    pub label: Option<String>,
    /// When it ends by itself.
    pub expires_at: Option<Micros>,
}

/// A key that was made.
#[derive(Debug, Clone)]
pub struct CreatedKey {
    /// Its record.
    pub key: ApiKey,
    /// Its text, which is not kept.
    pub text: KeyText,
}

/// Makes, lists and revokes keys. Clones do the same.
#[derive(Debug, Clone)]
pub struct Keys {
    storage: Storage,
    ids: IdSource,
    roles: Roles,
    /// None for a program that serves nobody.
    serving: Option<(Authenticator, AccessTokens)>,
}

impl Keys {
    /// Keys in `storage`.
    #[must_use]
    pub fn new(storage: Storage, ids: IdSource, roles: Roles) -> Self {
        Self {
            storage,
            ids,
            roles,
            serving: None,
        }
    }

    /// The same; what a revoked key has proved ends on this node at once, and keys hand out tokens.
    #[must_use]
    pub fn serving(self, authenticator: Authenticator, tokens: AccessTokens) -> Self {
        Self {
            serving: Some((authenticator, tokens)),
            ..self
        }
    }

    /// Makes a key of the caller's tenant.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] when the caller may not, or lacks what the key would have;
    /// [`Refusal::InvalidInput`] for a faulty input.
    pub async fn create(&self, principal: &Principal, new: NewKey) -> Result<CreatedKey, Error> {
        principal.check_all(Action::ManageKeys)?;
        let rights = self.rights(&new)?;
        self.check_covered(principal.grants(), &rights)?;
        let text = KeyText::random();
        let key = self.storage.create_key(CreateKey {
            scope: principal.scope(),
            actor: principal.actor().clone(),
            id: self.ids.key(),
            prefix: text.prefix().to_owned(),
            digest: text.digest(),
            rights,
            label: new.label,
            expires_at: new.expires_at,
        });
        let key = key.await?;
        Ok(CreatedKey { key, text })
    }

    /// Revokes a key of the caller's tenant for ever.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] when the caller may not; [`Refusal::NotFound`] when there is none.
    pub async fn revoke(
        &self,
        principal: &Principal,
        id: KeyId,
        reason: Option<String>,
    ) -> Result<ApiKey, Error> {
        principal.check_all(Action::ManageKeys)?;
        check_reason(reason.as_deref())?;
        let revoked = self.storage.revoke_key(RevokeKey {
            scope: principal.scope(),
            actor: principal.actor().clone(),
            id,
            reason,
        });
        let revoked = revoked.await?;
        if let Some((authenticator, _)) = &self.serving {
            authenticator.forget(id);
        }
        Ok(revoked)
    }

    /// Makes a token of minutes for one session or some executions, which counts as long as the caller's key does.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] when the caller lacks what the token would permit; [`Refusal::InvalidInput`] for a
    /// faulty input, or a caller without a key; [`Refusal::NotFound`] for a session or an execution that is absent.
    pub async fn create_access_token(
        &self,
        principal: &Principal,
        new: NewAccessToken,
    ) -> Result<AccessToken, Error> {
        let Some((_, tokens)) = &self.serving else {
            return Err(Refusal::invalid([], "this program serves nobody").into());
        };
        tokens.create(&self.storage, principal, new).await
    }

    /// A page of the keys of the caller's tenant, newest first.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] when the caller may not.
    pub async fn list(
        &self,
        principal: &Principal,
        page: &PageRequest<KeyId>,
    ) -> Result<Page<KeyId, ApiKey>, Error> {
        principal.check_all(Action::ManageKeys)?;
        self.storage.list_keys(&principal.scope(), page).await
    }

    /// The number of keys of the caller's tenant, those that were revoked included.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] when the caller may not.
    pub async fn count(&self, principal: &Principal) -> Result<Count, Error> {
        principal.check_all(Action::ManageKeys)?;
        self.storage.count_keys(&principal.scope()).await
    }

    /// The rights that the input names.
    fn rights(&self, new: &NewKey) -> Result<KeyRights, Refusal> {
        let mut faults = Vec::new();
        for (at, role) in new.roles.iter().enumerate() {
            if !self.roles.has(role) {
                let known: Vec<&str> = self.roles.names().collect();
                let message = format!("there is no such role; there are {}", known.join(", "));
                faults.push(Fault::at(["roles", &at.to_string()], message));
            }
        }
        let mut scopes = Vec::new();
        for (at, scope) in new.scopes.iter().enumerate() {
            match scope.parse::<Scope>() {
                Ok(scope) => scopes.push(scope),
                Err(fault) => {
                    let path = ["scopes", &at.to_string()];
                    faults.push(Fault::at(path, fault.to_string()));
                }
            }
        }
        if new.roles.is_empty() && new.scopes.is_empty() {
            faults.push(Fault::at(["roles"], "name a role or a scope"));
        }
        if new.roles.len() > MAX_RIGHTS || new.scopes.len() > MAX_RIGHTS {
            let message = format!("at most {MAX_RIGHTS} roles and scopes can be named");
            faults = vec![Fault::at([], message)];
        }
        let label = new.label.as_deref();
        if label.is_some_and(|label| !is_name(label, MAX_LABEL_CHARS)) {
            let message = "a label has 1 to 200 characters, none of them a control character";
            faults.push(Fault::at(["label"], message));
        }
        let scopes = Grants::of(scopes);
        match scopes {
            Ok(scopes) if faults.is_empty() => Ok(KeyRights {
                roles: new.roles.clone(),
                scopes,
            }),
            Ok(_) => Err(Refusal::InvalidInput(faults)),
            Err(fault) => Err(Refusal::invalid(["scopes"], fault.to_string())),
        }
    }

    /// Nobody hands on what they lack.
    fn check_covered(&self, own: &Grants, rights: &KeyRights) -> Result<(), Refusal> {
        let grants = self.roles.grants(rights);
        let grants = grants.map_err(|fault| Refusal::invalid(["roles"], fault.to_string()))?;
        let lacking = grants.scopes().find(|scope| !own.contains(scope));
        match lacking {
            Some(scope) => Err(Refusal::Forbidden { scope }),
            None => Ok(()),
        }
    }
}
