//! Roles as they are configured: names of sets of scopes.

use std::collections::BTreeMap;

use super::setting::{Setting, listed};

/// Names of roles with their scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles(BTreeMap<String, String>);

const DEFAULT: [(&str, &str); 4] = [
    ("viewer", "executions:read sessions:read artifacts:read"),
    (
        "operator",
        "executions:read executions:control sessions:read artifacts:read log:read",
    ),
    (
        "developer",
        "intents:submit executions:read executions:control sessions:read sessions:write artifacts:read \
         artifacts:write log:read",
    ),
    (
        "admin",
        "intents:submit executions:read executions:control sessions:read sessions:write artifacts:read \
         artifacts:write log:read keys:manage runtime:operate",
    ),
];

impl Default for Roles {
    fn default() -> Self {
        let pairs = DEFAULT.into_iter();
        Self(
            pairs
                .map(|(role, scopes)| (role.to_owned(), scopes.to_owned()))
                .collect(),
        )
    }
}

impl Roles {
    /// Each name with its scopes, with spaces between them.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter();
        pairs.map(|(role, scopes)| (role.as_str(), scopes.as_str()))
    }
}

impl Setting for Roles {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> Result<Self, String> {
        let mut roles = BTreeMap::new();
        for pair in listed(text) {
            let (role, scopes) = role(pair)?;
            if roles.insert(role.clone(), scopes).is_some() {
                return Err(format!("the role {role} is there twice"));
            }
        }
        Ok(Self(roles))
    }

    fn text(&self) -> Option<String> {
        let pairs: Vec<String> = self
            .all()
            .map(|(role, scopes)| format!("{role} = {scopes}"))
            .collect();
        Some(pairs.join(", ")).filter(|text| !text.is_empty())
    }
}

fn role(text: &str) -> Result<(String, String), String> {
    let is_name = |name: &str| {
        let is_of_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        (1..=64).contains(&name.len()) && name.bytes().all(is_of_name)
    };
    let pair = text.split_once('=');
    let pair = pair.map(|(role, scopes)| (role.trim().to_owned(), scopes.trim().to_owned()));
    pair.filter(|(role, scopes)| is_name(role) && !scopes.is_empty())
        .ok_or_else(|| {
            format!(
                "expected roles with their scopes such as viewer = executions:read, found `{text}`"
            )
        })
}
