//! Issuers of tokens as they are configured: a list of tables in the file, JSON in a variable or a flag.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::setting::{Secret, Setting};

/// Issuers of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Issuers(Vec<IssuerConfig>);

/// One issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// The issuer's identifier, as `iss` has it. Its keys are found by OpenID Connect discovery below it.
    pub url: String,
    /// The audiences of which a token must name one.
    pub audience: Vec<String>,
    /// A file with the issuer's keys, a JWK set. Nothing is asked of the issuer then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_file: Option<PathBuf>,
    /// The signature algorithms that are allowed.
    #[serde(default = "algorithms")]
    pub algorithms: Vec<String>,
    /// The tenant of all tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The claim that names the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_claim: Option<String>,
    /// The tenants that the claim may name; any if it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<String>,
    /// The claim that names the actor.
    #[serde(default = "subject")]
    pub actor_claim: String,
    /// The claim that names roles, in a list or with spaces between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles_claim: Option<String>,
    /// The role of `auth.roles` that each value of the claim means; without it a value is a role's name.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub roles: std::collections::BTreeMap<String, String>,
    /// Roles of every token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default_roles: Vec<String>,
    /// The most seconds that the issuer's clock may be off.
    #[serde(default = "leeway")]
    pub leeway_seconds: u32,
    /// How the page `/graphiql` logs people in there; without it, it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graphiql: Option<GraphiqlClient>,
    /// How the console logs people in there; without it, it takes keys and tokens alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console: Option<ConsoleClient>,
}

/// The client that the page `/graphiql` is to an issuer: a public one, without a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphiqlClient {
    /// The id by which the issuer knows it.
    pub client_id: String,
    /// The scopes that it asks for, with spaces between.
    #[serde(default = "openid")]
    pub scope: String,
    /// The service that the token is for, where the issuer wants to know; sent as audience and as resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
}

/// The client that the console is to an issuer. It is the server that asks, so it may have a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleClient {
    /// The id by which the issuer knows it.
    pub client_id: String,
    /// Its secret; without one it is a public client.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "of_secret")]
    pub client_secret: Option<Secret>,
    /// The scopes that it asks for, with spaces between.
    #[serde(default = "openid")]
    pub scope: String,
    /// The service that the token is for, where the issuer wants to know; sent as audience and as resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Which of the issuer's tokens proves who it is to this server.
    #[serde(default)]
    pub token: LoginToken,
    /// What people know the issuer by; the name of its host if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// One of the tokens that an issuer gives at a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginToken {
    /// The access token.
    #[default]
    Access,
    /// The ID token, whose audience is the client.
    Id,
}

/// A secret among other values. It is written as it is: what is shown goes through `redacted` first.
mod of_secret {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Secret;

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(
        secret: &Option<Secret>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Secret::expose).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Secret>, D::Error> {
        /// What is no text is not shown.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Given {
            Text(String),
            Other(serde::de::IgnoredAny),
        }
        match Option::deserialize(from)? {
            None => Ok(None),
            Some(Given::Text(text)) => Ok(Some(Secret::of(text))),
            Some(Given::Other(_)) => Err(serde::de::Error::custom("client_secret is no text")),
        }
    }
}

fn algorithms() -> Vec<String> {
    ["RS256", "ES256", "EdDSA"].map(str::to_owned).to_vec()
}

fn subject() -> String {
    "sub".to_owned()
}

fn leeway() -> u32 {
    30
}

fn openid() -> String {
    "openid".to_owned()
}

impl Issuers {
    /// Each of them.
    #[must_use]
    pub fn list(&self) -> &[IssuerConfig] {
        &self.0
    }
}

impl Setting for Issuers {
    const TYPE: &'static str = "array";

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let issuers = serde_json::from_str(text);
        issuers.map(Self).map_err(|fault| fault.to_string())
    }

    fn text(&self) -> Option<String> {
        serde_json::to_string(&self.0)
            .ok()
            .filter(|_| !self.0.is_empty())
    }

    /// As TOML.
    fn redacted(&self) -> Option<String> {
        let mut all = self.0.clone();
        let clients = all.iter_mut().filter_map(|it| it.console.as_mut());
        for secret in clients.filter_map(|it| it.client_secret.as_mut()) {
            *secret = Secret::hidden();
        }
        let list = toml::Value::try_from(&all).ok()?;
        Some(list.to_string()).filter(|_| !self.0.is_empty())
    }
}
