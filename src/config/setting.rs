//! The types of values: how each is read, written and redacted.

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf};

pub use super::{networks::Networks, quotas::TenantQuotas, roles::Roles};
use crate::model::{KeyRing, KeyRingError};

/// A type that a key can have.
pub(super) trait Setting: Sized {
    /// The TOML type a file must use.
    const TYPE: &'static str;

    /// Reads the text of an environment variable, a flag, or a TOML value of the right type.
    /// The error says what was expected, and what was found unless that may be secret.
    fn parse(text: &str) -> Result<Self, String>;

    /// As text that [`Self::parse`] reads; none if it is not set.
    fn text(&self) -> Option<String>;

    /// As text that may be shown.
    fn redacted(&self) -> Option<String> {
        self.text()
    }
}

/// A value that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn of(text: String) -> Self {
        Self(text)
    }

    /// What is shown instead of one.
    pub(super) fn hidden() -> Self {
        Self(REDACTED.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// The URL of a service; a password in it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceUrl(String);

impl ServiceUrl {
    /// The URL with its password.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The part before the first colon.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }

    pub(super) fn unset() -> Self {
        Self(String::new())
    }
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact_url(&self.0))
    }
}

impl fmt::Debug for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Web origins, such as `https://app.example.com`; written with commas between them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Each of them.
    #[must_use]
    pub fn list(&self) -> &[String] {
        &self.0
    }
}

/// Names of hosts, such as `takeoff.internal` or `[fd00::7]`; written with commas between them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Each of them, in lower case.
    #[must_use]
    pub fn list(&self) -> &[String] {
        &self.0
    }
}

/// The slots that tenants get for each one of another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Weights(BTreeMap<String, u32>);

impl Weights {
    /// Those that are not 1.
    #[must_use]
    pub fn all(&self) -> &BTreeMap<String, u32> {
        &self.0
    }
}

/// The shape of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// Whoever reaches the server.
    Development,
    /// Whoever has a valid token.
    Required,
}

const REDACTED: &str = "***";

/// Leaves out whatever may be a password: all between the first colon after the scheme and the last
/// `@`, also where a password holds characters that ought to have been encoded; a login without a
/// colon, which names a user only for PostgreSQL; and parameters that are named like secrets, however
/// the name is encoded, or that hold such a URL themselves.
fn redact_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once(':') else {
        return url.to_owned();
    };
    let (slashes, rest) = match rest.strip_prefix("//") {
        Some(rest) => ("//", rest),
        None => ("", rest),
    };
    let rest = match rest.rsplit_once('@') {
        Some((login, place)) if login.contains(':') => {
            let user = login.split(':').next().unwrap_or_default();
            format!("{user}:{REDACTED}@{place}")
        }
        Some((login, place)) if !scheme.starts_with("postgres") && !login.contains(IN_A_PATH) => {
            format!("{REDACTED}@{place}")
        }
        _ => rest.to_owned(),
    };
    let parts: Vec<_> = rest.split_inclusive(SEPARATORS).collect();
    let (place, pairs) = parts.split_first().unwrap_or((&"", &[]));
    let pairs: String = pairs.iter().map(|part| redact_part(part)).collect();
    format!("{scheme}:{slashes}{place}{pairs}")
}

const IN_A_PATH: [char; 3] = ['/', '?', '#'];
/// The characters between parameters, and before the first of them.
const SEPARATORS: [char; 4] = ['?', '#', '&', ';'];

/// A parameter with the separator behind it.
fn redact_part(part: &str) -> String {
    let pair = part.trim_end_matches(SEPARATORS);
    format!("{}{}", redact_pair(pair), &part[pair.len()..])
}

fn redact_pair(pair: &str) -> String {
    const SECRET: [&str; 6] = ["pass", "secret", "token", "key", "credential", "sig"];
    let Some((name, value)) = url::form_urlencoded::parse(pair.as_bytes()).next() else {
        return pair.to_owned();
    };
    // The value of `options` is a list of such pairs itself.
    let (inner, _) = value.rsplit_once('=').unwrap_or_default();
    let names = format!("{name} {inner}").to_lowercase();
    let is_secret = SECRET.iter().any(|word| names.contains(word));
    if is_secret || redact_url(&value) != value {
        let shown = pair.split('=').next().unwrap_or_default();
        return format!("{shown}={REDACTED}");
    }
    pair.to_owned()
}

macro_rules! numbers {
    ($($number:ty),+) => {$(
        impl Setting for $number {
            const TYPE: &'static str = "integer";

            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| {
                    let most = <$number>::MAX;
                    format!("expected a whole number from 0 to {most}, found `{text}`")
                })
            }

            fn text(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )+};
}
numbers!(u32, u64, usize);

impl Setting for bool {
    const TYPE: &'static str = "boolean";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("expected true or false, found `{text}`"))
    }

    fn text(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for String {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> Result<Self, String> {
        not_empty(text)
    }

    fn text(&self) -> Option<String> {
        Some(self.clone())
    }
}

impl Setting for PathBuf {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> Result<Self, String> {
        not_empty(text).map(Self::from)
    }

    fn text(&self) -> Option<String> {
        Some(self.display().to_string())
    }
}

impl Setting for SocketAddr {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| {
            format!("expected an IP address and a port such as 127.0.0.1:8080, found `{text}`")
        })
    }

    fn text(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for LogFormat {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("expected auto, text or json, found `{text}`")),
        }
    }

    fn text(&self) -> Option<String> {
        Some(format!("{self:?}").to_lowercase())
    }
}

impl Setting for AuthMode {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "development" => Ok(Self::Development),
            "required" => Ok(Self::Required),
            _ => Err(format!("expected development or required, found `{text}`")),
        }
    }

    fn text(&self) -> Option<String> {
        Some(format!("{self:?}").to_lowercase())
    }
}

impl Setting for Origins {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> Result<Self, String> {
        listed(text).map(origin).collect::<Result<_, _>>().map(Self)
    }

    fn text(&self) -> Option<String> {
        Some(self.0.join(", ")).filter(|text| !text.is_empty())
    }
}

impl Setting for Hosts {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> Result<Self, String> {
        listed(text).map(host).collect::<Result<_, _>>().map(Self)
    }

    fn text(&self) -> Option<String> {
        Some(self.0.join(", ")).filter(|text| !text.is_empty())
    }
}

/// Returns the items of a list with commas.
pub(super) fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|one| !one.is_empty())
}

/// A name without a port; an address of IPv6 stands in brackets.
fn host(text: &str) -> Result<String, String> {
    let of_ipv6 = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let is_name = |name: &str| {
        name.chars()
            .all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
    };
    let is_host = of_ipv6.map_or_else(
        || is_name(text),
        |address| address.parse::<std::net::Ipv6Addr>().is_ok(),
    );
    if is_host {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!(
        "expected names of hosts without ports such as takeoff.internal, found `{text}`"
    ))
}

impl Setting for Weights {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> Result<Self, String> {
        listed(text).map(weight).collect::<Result<_, _>>().map(Self)
    }

    fn text(&self) -> Option<String> {
        let pairs = self.0.iter();
        let pairs: Vec<String> = pairs
            .map(|(tenant, weight)| format!("{tenant}={weight}"))
            .collect();
        Some(pairs.join(", ")).filter(|text| !text.is_empty())
    }
}

fn weight(text: &str) -> Result<(String, u32), String> {
    let parsed = text.split_once('=').and_then(|(tenant, weight)| {
        let weight = weight.trim().parse().ok()?;
        Some((tenant.trim().to_owned(), weight)).filter(|_| (1..=1_000).contains(&weight))
    });
    parsed.ok_or_else(|| {
        format!("expected tenants with weights from 1 to 1000 such as acme=4, found `{text}`")
    })
}

/// An origin as browsers send it.
fn origin(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    let place = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    if place.is_some_and(|place| !place.is_empty() && place.chars().all(allowed)) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!(
        "expected origins such as https://app.example.com, found `{text}`"
    ))
}

impl Setting for Secret {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> Result<Self, String> {
        not_empty(text).map(Self)
    }

    fn text(&self) -> Option<String> {
        Some(self.0.clone())
    }

    fn redacted(&self) -> Option<String> {
        Some(REDACTED.to_owned())
    }
}

impl Setting for KeyRing {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|error: KeyRingError| error.to_string())
    }

    fn text(&self) -> Option<String> {
        Some(self.expose())
    }

    fn redacted(&self) -> Option<String> {
        let keys = self.iter().map(|key| format!("{}:{REDACTED}", key.id()));
        Some(keys.collect::<Vec<_>>().join(", "))
    }
}

impl Setting for ServiceUrl {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> Result<Self, String> {
        not_empty(text).map(Self)
    }

    fn text(&self) -> Option<String> {
        Some(self.0.clone())
    }

    fn redacted(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// Empty means not set, so that a later layer can take away what an earlier one gave.
impl<T: Setting> Setting for Option<T> {
    const TYPE: &'static str = T::TYPE;

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(None);
        }
        T::parse(text).map(Some)
    }

    fn text(&self) -> Option<String> {
        self.as_ref().and_then(T::text)
    }

    fn redacted(&self) -> Option<String> {
        self.as_ref().and_then(T::redacted)
    }
}

fn not_empty(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    Ok(text.to_owned())
}
