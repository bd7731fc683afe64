//! Settings of an issuer, checked before anything is asked of it.

use std::{collections::BTreeMap, path::PathBuf};

use jsonwebtoken::Algorithm;
use url::{Host, Url};

use super::super::Roles;
use crate::model::TenantId;

/// Most seconds that an issuer's clock may be off.
const MAX_LEEWAY_SECONDS: u32 = 300;

/// Where the tenant of a token is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantSource {
    /// All tokens are of one tenant.
    Fixed(TenantId),
    /// A claim names it; one of these, or any if there are none.
    Claim(String, Vec<TenantId>),
}

/// Settings of an issuer: who it is, and which of its tokens are trusted for what.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    /// Its identifier, as `iss` has it.
    pub url: String,
    /// The audiences of which a token must name one.
    pub audience: Vec<String>,
    /// A file with its keys; else they are asked for.
    pub jwks_file: Option<PathBuf>,
    /// Names of the signature algorithms that are allowed.
    pub algorithms: Vec<String>,
    /// Where the tenant is from.
    pub tenant: TenantSource,
    /// The claim that names the actor.
    pub actor_claim: String,
    /// The claim that names roles.
    pub roles_claim: Option<String>,
    /// The role that each value of the claim means; each means itself if this is empty.
    pub roles: BTreeMap<String, String>,
    /// Roles of every token.
    pub default_roles: Vec<String>,
    /// The most seconds that its clock may be off.
    pub leeway_seconds: u32,
    /// How people log in there on the console, if they do.
    pub login: Option<LoginSettings>,
}

/// The client that the console is to an issuer.
#[derive(Clone)]
pub struct LoginSettings {
    /// What people know the issuer by.
    pub name: String,
    /// The id by which the issuer knows the client.
    pub client_id: String,
    /// Its secret, if it has one.
    pub client_secret: Option<String>,
    /// The scopes that it asks for, with spaces between.
    pub scope: String,
    /// The service that the token is for, where the issuer wants to know.
    pub audience: Option<String>,
    /// True if the ID token is the proof, and not the access token.
    pub is_by_id_token: bool,
}

impl std::fmt::Debug for LoginSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LoginSettings({}, {})", self.name, self.client_id)
    }
}

/// Settings that were checked.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) url: String,
    pub(super) audience: Vec<String>,
    pub(super) jwks_file: Option<PathBuf>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) tenant: TenantSource,
    pub(super) actor_claim: String,
    pub(super) roles_claim: Option<String>,
    roles: BTreeMap<String, String>,
    pub(super) default_roles: Vec<String>,
    pub(super) leeway_micros: i64,
    pub(super) login: Option<LoginSettings>,
}

impl Checked {
    /// The role that a value of the claim means.
    pub(super) fn role<'a>(&'a self, value: &'a str) -> Option<&'a str> {
        if self.roles.is_empty() {
            return Some(value);
        }
        self.roles.get(value).map(String::as_str)
    }
}

impl IssuerSettings {
    pub(super) fn check(self, known: &Roles) -> Result<Checked, String> {
        if self.jwks_file.is_none() {
            check_url(&self.url)?;
        }
        if self.audience.is_empty() || self.audience.iter().any(String::is_empty) {
            return Err("set audience to what its tokens for this server have as aud".to_owned());
        }
        if self.leeway_seconds > MAX_LEEWAY_SECONDS {
            return Err(format!(
                "leeway_seconds is {}; at most {MAX_LEEWAY_SECONDS} are allowed",
                self.leeway_seconds
            ));
        }
        let unknown = self.roles.values().chain(&self.default_roles);
        if let Some(role) = unknown.into_iter().find(|role| !known.has(role)) {
            let roles: Vec<&str> = known.names().collect();
            return Err(format!(
                "there is no role {role}; auth.roles has {}",
                roles.join(", ")
            ));
        }
        if let Some(login) = &self.login {
            check_url(&self.url)?;
            if login.client_id.is_empty() {
                let message = "set client_id of console to the id by which the issuer knows it";
                return Err(message.to_owned());
            }
            if login.client_secret.as_ref().is_some_and(String::is_empty) {
                let message = "client_secret of console is empty: leave it out for a public client";
                return Err(message.to_owned());
            }
            if login.is_by_id_token && !self.audience.contains(&login.client_id) {
                let message = "with token = \"id\" set audience to the client_id of console, too";
                return Err(message.to_owned());
            }
        }
        let algorithms = self.algorithms.iter().map(|name| algorithm(name));
        let algorithms: Vec<Algorithm> = algorithms.collect::<Result<_, _>>()?;
        if algorithms.is_empty() {
            return Err("set algorithms to those by which it signs".to_owned());
        }
        Ok(Checked {
            url: self.url,
            audience: self.audience,
            jwks_file: self.jwks_file,
            algorithms,
            tenant: self.tenant,
            actor_claim: self.actor_claim,
            roles_claim: self.roles_claim,
            roles: self.roles,
            default_roles: self.default_roles,
            leeway_micros: i64::from(self.leeway_seconds) * 1_000_000,
            login: self.login,
        })
    }
}

/// Whatever comes by plain HTTP may be anybody's, but for what comes from this machine.
pub(crate) fn check_url(url: &str) -> Result<Url, String> {
    let parsed = Url::parse(url).map_err(|fault| format!("url is no URL: {fault}"))?;
    let is_local = match parsed.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match parsed.scheme() {
        "https" => Ok(parsed),
        "http" if is_local => Ok(parsed),
        _ => Err(format!("{url} must begin with https://")),
    }
}

/// Only algorithms with a public key: a shared secret would let whoever checks tokens make them.
fn algorithm(name: &str) -> Result<Algorithm, String> {
    match name {
        "RS256" => Ok(Algorithm::RS256),
        "ES256" => Ok(Algorithm::ES256),
        "EdDSA" => Ok(Algorithm::EdDSA),
        _ => Err(format!(
            "the algorithm {name} is not one of RS256, ES256, EdDSA"
        )),
    }
}
