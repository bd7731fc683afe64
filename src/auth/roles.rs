//! Roles: names of sets of scopes, as the configuration gives them.

use std::{collections::BTreeMap, sync::Arc};

use crate::model::{Grants, GrantsError, GrantsTextError, KeyRights};

/// Roles by their names. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Roles(Arc<BTreeMap<String, Grants>>);

/// A role cannot be what the configuration says.
#[derive(Debug, thiserror::Error)]
#[error("the role {role} cannot have the scopes {scopes:?}")]
pub struct RolesError {
    role: String,
    scopes: String,
    #[source]
    source: GrantsTextError,
}

impl Roles {
    /// Roles from pairs of a name and its scopes with spaces between them.
    ///
    /// # Errors
    /// When a scope is unknown.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, RolesError> {
        let grants = |(role, scopes): (&str, &str)| {
            let grants = scopes.parse().map_err(|source| RolesError {
                role: role.to_owned(),
                scopes: scopes.to_owned(),
                source,
            });
            Ok((role.to_owned(), grants?))
        };
        let all = pairs.into_iter().map(grants).collect::<Result<_, _>>()?;
        Ok(Self(Arc::new(all)))
    }

    /// Returns whether there is a role of this name.
    #[must_use]
    pub fn has(&self, role: &str) -> bool {
        self.0.contains_key(role)
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The grants of a key with these rights. A role that is gone from the configuration means nothing any more.
    ///
    /// # Errors
    /// When all of it together names too many intent types.
    pub fn grants(&self, rights: &KeyRights) -> Result<Grants, GrantsError> {
        let of_roles = rights.roles.iter().filter_map(|role| self.0.get(role));
        let all = of_roles.chain([&rights.scopes]);
        Grants::of(all.flat_map(Grants::scopes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Action;

    #[test]
    fn a_key_may_do_what_its_roles_and_its_scopes_say() {
        let roles = Roles::of([
            ("reader", "executions:read log:read"),
            ("writer", "intents:submit"),
        ])
        .unwrap();
        let rights = |roles: &[&str], scopes: &str| KeyRights {
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
            scopes: scopes.parse().unwrap(),
        };
        let grants = roles.grants(&rights(&["reader"], "sessions:read")).unwrap();
        assert_eq!(grants.to_string(), "executions:read sessions:read log:read");
        let grants = roles.grants(&rights(&["gone"], "")).unwrap();
        assert_eq!(grants, Grants::none());
        let both = roles.grants(&rights(&["reader", "writer"], "")).unwrap();
        assert!(both.permits(Action::SubmitIntents) && both.permits(Action::ReadLog));
    }

    #[test]
    fn a_role_with_an_unknown_scope_is_refused_by_its_name() {
        let error = Roles::of([("reader", "executions:all")]).unwrap_err();
        assert!(error.to_string().contains("reader"), "{error}");
    }
}
