//! `takeoff keys`: the keys of the API, in the database itself. Whoever has the database needs no key to make the
//! first one.

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Configured,
    output::{self, Line, Tone},
    server::{block_on, configured},
};
use crate::{
    app,
    auth::{self, NewKey},
    clock::Clock,
    config::Overrides,
    model::{ApiKey, KeyId, Principal, TenantId, time_of},
    storage::PageRequest,
};

/// The arguments of `keys`.
#[derive(Debug, Clone, Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    action: Action,
    /// The tenant.
    #[arg(long, global = true, default_value = "default")]
    tenant: String,
    /// Print JSON, errors included.
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    pub(super) configured: Configured,
}

#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// Make a key and print it. It is shown this once.
    Create(Create),
    /// List keys, newest first.
    List,
    /// Revoke a key for ever.
    Revoke(Revoke),
}

#[derive(Debug, Clone, Args)]
struct Create {
    /// The same as --role admin.
    #[arg(long)]
    admin: bool,
    /// A role of auth.roles; may be repeated.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A scope besides, such as executions:read; may be repeated.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Its purpose.
    #[arg(long)]
    label: Option<String>,
    /// The time for which it is valid, such as 30d, 12h, 15m or 90s; for ever if not given.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    expires: Option<Duration>,
}

#[derive(Debug, Clone, Args)]
struct Revoke {
    /// The key's id, which begins with key_.
    id: String,
    /// The reason.
    #[arg(long)]
    reason: Option<String>,
}

impl Keys {
    pub(super) fn run(self, overrides: &Overrides) -> anyhow::Result<ExitCode> {
        let config = configured(overrides)?;
        app::keep_private(&config);
        let tenant: TenantId = self.tenant.parse().context("--tenant is refused")?;
        block_on(async {
            let (keys, principal) = app::keys(&config, tenant).await?;
            match self.action {
                Action::Create(create) => create.run(&keys, &principal, self.json).await?,
                Action::List => list(&keys, &principal, self.json).await?,
                Action::Revoke(revoke) => revoke.run(&keys, &principal, self.json).await?,
            }
            Ok(ExitCode::SUCCESS)
        })
    }
}

impl Create {
    async fn run(
        mut self,
        keys: &auth::Keys,
        principal: &Principal,
        is_json: bool,
    ) -> anyhow::Result<()> {
        if self.admin {
            self.roles.push("admin".to_owned());
        }
        let now = Clock::System.now();
        let lasts = self
            .expires
            .map(|time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
        let new = NewKey {
            roles: self.roles,
            scopes: self.scopes,
            label: self.label,
            expires_at: lasts.map(|lasts| now.saturating_add(lasts)),
        };
        let created = keys.create(principal, new).await?;
        if is_json {
            let mut shown = shown(&created.key);
            shown["token"] = json!(created.text.expose());
            output::say_json(&shown, true);
            return Ok(());
        }
        // The key alone, so that a script can keep it.
        output::say_text(created.text.expose());
        output::complain(&format!(
            "made {} for tenant {}; it is not shown again",
            created.key.id,
            principal.tenant()
        ));
        Ok(())
    }
}

impl Revoke {
    async fn run(
        self,
        keys: &auth::Keys,
        principal: &Principal,
        is_json: bool,
    ) -> anyhow::Result<()> {
        let id: KeyId = self.id.parse().context("the key's id is refused")?;
        let key = keys.revoke(principal, id, self.reason).await?;
        if is_json {
            output::say_json(&shown(&key), true);
        } else {
            output::say(&Line::of(&key.id.to_string()).toned(Tone::Faint, " REVOKED"));
        }
        Ok(())
    }
}

async fn list(keys: &auth::Keys, principal: &Principal, is_json: bool) -> anyhow::Result<()> {
    const AT_ONCE: u32 = 200;
    let (mut after, mut all) = (None, Vec::new());
    loop {
        let request = PageRequest {
            after,
            ..PageRequest::first(AT_ONCE)
        };
        let page = keys.list(principal, &request).await?;
        for (_, key) in &page.items {
            if is_json {
                all.push(shown(key));
            } else {
                output::say(&line(key));
            }
        }
        after = page.end;
        if !page.has_next {
            break;
        }
    }
    if is_json {
        output::say_json(&all, true);
    }
    Ok(())
}

fn status(key: &ApiKey) -> &'static str {
    match key.revoked_at {
        Some(_) => "REVOKED",
        None if key.is_valid(Clock::System.now()) => "ACTIVE",
        None => "EXPIRED",
    }
}

fn line(key: &ApiKey) -> Line {
    let used = key
        .last_used_at
        .map(|at| output::time(&time_of(at).to_rfc3339()));
    Line::default()
        .column(Tone::Faint, &output::id(&key.id.to_string()), 10)
        .column(Tone::of(status(key)), status(key), 8)
        .column(Tone::Plain, &rights(key), 24)
        .column(Tone::Plain, key.label.as_deref().unwrap_or_default(), 24)
        .then(used.as_deref().unwrap_or("never used"))
}

fn rights(key: &ApiKey) -> String {
    let scopes = key.rights.scopes.to_string();
    let roles = key.rights.roles.iter().map(String::as_str);
    let all: Vec<&str> = roles.chain([scopes.as_str()]).collect();
    all.join(" ").trim().to_owned()
}

fn shown(key: &ApiKey) -> Value {
    let time = |at: Option<i64>| at.map(|at| time_of(at).to_rfc3339());
    let scopes = key.rights.scopes.scopes().map(|scope| scope.to_string());
    json!({
        "id": key.id, "tenantId": key.tenant_id, "prefix": key.prefix, "status": status(key),
        "roles": key.rights.roles, "scopes": scopes.collect::<Vec<_>>(), "label": key.label,
        "createdBy": key.created_by, "createdAt": time(Some(key.created_at)),
        "expiresAt": time(key.expires_at), "lastUsedAt": time(key.last_used_at),
        "revokedAt": time(key.revoked_at),
    })
}

/// A number with its unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("expected a time such as 30d, 12h, 15m or 90s, found `{text}`");
    let unit = text.chars().last().ok_or_else(bad)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(bad()),
    };
    let count: u64 = text[..text.len() - unit.len_utf8()]
        .parse()
        .map_err(|_| bad())?;
    let seconds = count.checked_mul(seconds).filter(|seconds| *seconds > 0);
    seconds.map(Duration::from_secs).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_with_its_unit() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("12h", 43_200),
            ("30d", 2_592_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in [
            "",
            "d",
            "30",
            "0d",
            "-1d",
            "1.5h",
            "30w",
            "30ü",
            "99999999999999999999d",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
