//! The quotas of single tenants.

use std::collections::BTreeMap;

use super::setting::{Setting, listed};

/// Tenants with their own limits, by the names of the keys that they stand in for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TenantQuotas(BTreeMap<String, BTreeMap<String, u64>>);

/// The highest limit of what is done in a second.
pub(super) const MOST_A_SECOND: u64 = 1_000_000;
/// The highest limit of executions: no more are counted.
pub(super) const MOST_EXECUTIONS: u64 = 10_000;
/// The highest limit of stored bytes.
pub(super) const MOST_STORED: u64 = 1 << 60;
/// The highest limit of points of cost in a second.
pub(super) const MOST_COST: u64 = u32::MAX as u64;
/// The highest limit of what is open.
pub(super) const MOST_OPEN: u64 = 1_000_000;

/// The keys that a tenant may have values of its own for, each with the highest one.
const KEYS: [(&str, u64); 7] = [
    ("submits_per_second", MOST_A_SECOND),
    ("caller_submits_per_second", MOST_A_SECOND),
    ("executions", MOST_EXECUTIONS),
    ("stored_bytes", MOST_STORED),
    ("subscriptions", MOST_OPEN),
    ("sockets", MOST_OPEN),
    ("cost_per_second", MOST_COST),
];

impl TenantQuotas {
    /// Each tenant with its limits.
    #[must_use]
    pub fn all(&self) -> &BTreeMap<String, BTreeMap<String, u64>> {
        &self.0
    }
}

impl Setting for TenantQuotas {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> Result<Self, String> {
        let mut tenants = BTreeMap::new();
        for part in listed(text) {
            let (tenant, limits) = tenant(part)?;
            if tenants.insert(tenant.clone(), limits).is_some() {
                return Err(format!("the tenant {tenant} is there twice"));
            }
        }
        Ok(Self(tenants))
    }

    fn text(&self) -> Option<String> {
        let shown = |(name, limit): (&String, &u64)| format!("{name}:{limit}");
        let tenants = self.0.iter().map(|(tenant, limits)| {
            let limits: Vec<_> = limits.iter().map(shown).collect();
            format!("{tenant} = {}", limits.join(" "))
        });
        let tenants: Vec<_> = tenants.collect();
        Some(tenants.join(", ")).filter(|text| !text.is_empty())
    }
}

fn tenant(text: &str) -> Result<(String, BTreeMap<String, u64>), String> {
    let expected = || {
        let ranges = KEYS.map(|(name, most)| format!("{name} (1 to {most})"));
        format!(
            "expected tenants with their limits such as acme = sockets:10 executions:500, each one of {}, found `{text}`",
            ranges.join(", ")
        )
    };
    let (tenant, limits) = text.split_once('=').ok_or_else(expected)?;
    let limit = |pair: &str| {
        let (name, limit) = pair.split_once(':')?;
        let (_, most) = KEYS.iter().find(|(key, _)| *key == name)?;
        let limit = limit.parse().ok()?;
        (1..=*most)
            .contains(&limit)
            .then(|| (name.to_owned(), limit))
    };
    let limits: Option<BTreeMap<_, _>> = limits.split_whitespace().map(limit).collect();
    let limits = limits.filter(|limits| !limits.is_empty());
    Ok((tenant.trim().to_owned(), limits.ok_or_else(expected)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tenant_has_limits_of_its_own() {
        let text = "acme = executions:500 sockets:10, globex = submits_per_second:3";
        let read = TenantQuotas::parse(text).unwrap();
        assert_eq!(read.text().unwrap(), text);
        assert_eq!(read.all()["acme"]["sockets"], 10);
        for bad in [
            "acme",
            "acme = ",
            "acme = sockets",
            "acme = doors:1",
            "acme = sockets:0",
            "acme = executions:10001",
        ] {
            assert!(TenantQuotas::parse(bad).unwrap_err().contains(bad), "{bad}");
        }
        assert!(TenantQuotas::parse("a = sockets:1, a = sockets:2").is_err());
    }
}
