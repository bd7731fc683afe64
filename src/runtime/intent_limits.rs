//! Limits of what runs at once and of what is started within a time, as handlers declare them and operators change them.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::catalog::RegistrationError;
use crate::model::{Limit, LimitPolicy, RawJson, TenantId};

/// The highest number that may run at once, or be started within a time.
pub const MOST: u32 = 10_000;
/// The longest time of a rate.
pub const LONGEST: Duration = Duration::from_hours(24);
/// The most limits of one handler.
const MOST_LIMITS: usize = 8;
/// The longest pointer to a key, in bytes.
const MOST_POINTER: usize = 200;
/// A key that is longer stands by its digest, in bytes.
const MOST_KEY: usize = 200;

/// The executions that share a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitScope {
    /// Those of a tenant with the same value in their parameters, at this JSON Pointer.
    Key(String),
    /// Those of a tenant.
    Tenant,
    /// Those of all tenants.
    All,
}

impl LimitScope {
    /// Narrow ones are passed first, so that nobody holds a place of many while waiting for one of few.
    fn order(&self) -> u8 {
        match self {
            Self::Key(_) => 0,
            Self::Tenant => 1,
            Self::All => 2,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Tenant => "tenant",
            Self::All => "all",
        }
    }
}

/// A limit of an intent type's executions.
///
/// ```
/// # use std::time::Duration;
/// # use takeoff::prelude::*;
/// // One at a time for each customer.
/// let one = IntentLimit::concurrency(1).per_key("/customerId");
/// // A hundred a minute for each tenant; what is more is refused.
/// let rate = IntentLimit::rate(100, Duration::from_secs(60)).per_tenant().policy(LimitPolicy::Reject);
/// # let _ = (one, rate);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentLimit {
    name: Option<String>,
    scope: LimitScope,
    most: u32,
    per: Option<Duration>,
    policy: LimitPolicy,
}

impl IntentLimit {
    /// Lets `most` run at the same time: of all tenants, unless it is said otherwise.
    #[must_use]
    pub fn concurrency(most: u32) -> Self {
        Self {
            name: None,
            scope: LimitScope::All,
            most,
            per: None,
            policy: LimitPolicy::Queue,
        }
    }

    /// Lets `most` be started within `per`: of all tenants, unless it is said otherwise. After a pause as many start at
    /// once, and then one after the other in even steps.
    #[must_use]
    pub fn rate(most: u32, per: Duration) -> Self {
        Self {
            per: Some(per),
            ..Self::concurrency(most)
        }
    }

    /// For each tenant by itself.
    #[must_use]
    pub fn per_tenant(mut self) -> Self {
        self.scope = LimitScope::Tenant;
        self
    }

    /// For each value of a tenant's parameters at a JSON Pointer by itself. Those that have none there share one place.
    #[must_use]
    pub fn per_key(mut self, pointer: &str) -> Self {
        self.scope = LimitScope::Key(pointer.to_owned());
        self
    }

    /// Sets what happens to what the limit has no place for.
    #[must_use]
    pub fn policy(mut self, policy: LimitPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the name by which it is shown, and changed by the configuration. Without one it is that of its scope: `all`,
    /// `tenant` or `key`, for a rate `all-rate` and so on.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// The name by which it is shown.
    #[must_use]
    pub fn name(&self) -> String {
        let rate = if self.per.is_some() { "-rate" } else { "" };
        let own = self.name.clone();
        own.unwrap_or_else(|| format!("{}{rate}", self.scope.name()))
    }

    /// The executions that share it.
    #[must_use]
    pub fn scope(&self) -> &LimitScope {
        &self.scope
    }

    /// How many run at once, or are started within [`Self::per`].
    #[must_use]
    pub fn most(&self) -> u32 {
        self.most
    }

    /// The time in which so many are started; none where it limits what runs at once.
    #[must_use]
    pub fn per(&self) -> Option<Duration> {
        self.per
    }

    /// Returns what happens to what it has no place for.
    #[must_use]
    pub fn exceeded(&self) -> LimitPolicy {
        self.policy
    }

    fn fault(&self) -> Option<String> {
        let name = self.name();
        let is_name = !name.is_empty()
            && name.len() <= 50
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
        if !is_name {
            return Some(format!("{name:?} cannot be the name of a limit"));
        }
        if !(1..=MOST).contains(&self.most) {
            return Some(format!("the limit {name} is not within 1 and {MOST}"));
        }
        let is_time = |per: Duration| per >= Duration::from_millis(1) && per <= LONGEST;
        if self.per.is_some_and(|per| !is_time(per)) {
            return Some(format!(
                "the time of the limit {name} is not within a millisecond and a day"
            ));
        }
        if self.per.is_some() && self.policy == LimitPolicy::CancelPrevious {
            return Some(format!(
                "the limit {name} is a rate: it cannot cancel what came before"
            ));
        }
        if self.scope == LimitScope::All && self.policy == LimitPolicy::CancelPrevious {
            return Some(format!(
                "the limit {name} is of all tenants: one could cancel another's"
            ));
        }
        match &self.scope {
            LimitScope::Key(pointer) => {
                let is_pointer = pointer.is_empty() || pointer.starts_with('/');
                (!is_pointer || pointer.len() > MOST_POINTER)
                    .then(|| format!("the key of the limit {name} is not a JSON Pointer"))
            }
            LimitScope::Tenant | LimitScope::All => None,
        }
    }
}

/// Checks the limits of one handler.
pub(super) fn check(intent_type: &str, limits: &[IntentLimit]) -> Result<(), RegistrationError> {
    let refused = |reason| {
        Err(RegistrationError::Limit {
            intent_type: intent_type.to_owned(),
            reason,
        })
    };
    if let Some(reason) = limits.iter().find_map(IntentLimit::fault) {
        return refused(reason);
    }
    if limits.len() > MOST_LIMITS {
        return refused(format!("it has more than {MOST_LIMITS} limits"));
    }
    let mut names = std::collections::BTreeSet::new();
    match limits
        .iter()
        .map(IntentLimit::name)
        .find(|name| !names.insert(name.clone()))
    {
        Some(name) => refused(format!("it has two limits with the name {name}")),
        None => Ok(()),
    }
}

/// What a configuration sets for a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitOverride {
    /// There is none.
    Off,
    /// So many at once.
    Concurrency(u32),
    /// So many within a time.
    Rate(u32, Duration),
}

/// What a configuration sets: by intent type and the name of the limit.
pub type LimitOverrides = BTreeMap<String, BTreeMap<String, LimitOverride>>;

/// The limits of a handler as the configuration changes them. Those of a tenant and of all tenants may also be added.
pub(super) fn overridden(
    mut limits: Vec<IntentLimit>,
    by: &BTreeMap<String, LimitOverride>,
) -> Vec<IntentLimit> {
    for (name, change) in by {
        let found = limits.iter().position(|limit| limit.name() == *name);
        let (most, per) = match *change {
            LimitOverride::Off => {
                if let Some(position) = found {
                    limits.remove(position);
                }
                continue;
            }
            LimitOverride::Concurrency(most) => (most, None),
            LimitOverride::Rate(most, per) => (most, Some(per)),
        };
        if let Some(limit) = found.and_then(|position| limits.get_mut(position)) {
            limit.name = Some(name.clone());
            (limit.most, limit.per) = (most, per);
            continue;
        }
        let scope = match name.as_str() {
            "tenant" | "tenant-rate" => LimitScope::Tenant,
            _ => LimitScope::All,
        };
        limits.push(IntentLimit {
            name: Some(name.clone()),
            scope,
            most,
            per,
            policy: LimitPolicy::Queue,
        });
    }
    limits
}

impl LimitOverride {
    /// Returns whether it is about a limit of this kind.
    pub(super) fn is_kind_of(self, limit: &IntentLimit) -> bool {
        match self {
            Self::Off => true,
            Self::Concurrency(_) => limit.per.is_none(),
            Self::Rate(..) => limit.per.is_some(),
        }
    }
}

/// Returns whether a limit of this name may be set where none is declared.
pub(super) fn may_be_added(name: &str, change: LimitOverride) -> bool {
    match change {
        LimitOverride::Off => false,
        LimitOverride::Concurrency(_) => matches!(name, "all" | "tenant"),
        LimitOverride::Rate(..) => matches!(name, "all-rate" | "tenant-rate"),
    }
}

/// The limits that an execution is under, in the order in which it passes them. `parameters` are as they are shown:
/// what is sensitive has a mask there.
pub(super) fn limits_of(
    limits: &[IntentLimit],
    intent_type: &str,
    tenant: &TenantId,
    parameters: &Value,
) -> Vec<Limit> {
    let mut limits: Vec<&IntentLimit> = limits.iter().collect();
    limits.sort_by_key(|limit| (limit.scope.order(), limit.per.is_some()));
    let one = |limit: &&IntentLimit| {
        let name = limit.name();
        let is_shared = limit.scope == LimitScope::All;
        let key = match &limit.scope {
            LimitScope::Key(pointer) => key_of(parameters.pointer(pointer)),
            LimitScope::Tenant | LimitScope::All => String::new(),
        };
        let tenant = if is_shared { "" } else { tenant.as_str() };
        Limit {
            bucket: Value::from(vec![intent_type, &name, tenant, &key]).to_string(),
            name,
            is_shared,
            most: i64::from(limit.most),
            per_micros: limit
                .per
                .map(|per| i64::try_from(per.as_micros()).unwrap_or(i64::MAX)),
            policy: limit.policy,
        }
    };
    limits.iter().map(one).collect()
}

/// The text of a key: that of the value, or the digest of one that is long.
fn key_of(value: Option<&Value>) -> String {
    let text = RawJson::from(value.unwrap_or(&Value::Null)).canonical();
    if text.len() <= MOST_KEY {
        return text;
    }
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
    format!("sha256:{digest}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tenant() -> TenantId {
        "acme".parse().unwrap()
    }

    #[test]
    fn narrow_limits_are_passed_first_and_share_what_has_the_same_key() {
        let limits = [
            IntentLimit::concurrency(9),
            IntentLimit::rate(5, Duration::from_secs(1)).per_key("/to"),
            IntentLimit::concurrency(3).per_tenant(),
            IntentLimit::concurrency(1).per_key("/to"),
        ];
        check("send", &limits).unwrap();
        let of = |parameters| limits_of(&limits, "send", &tenant(), &parameters);
        let all = of(json!({"to": "ann"}));
        let names: Vec<_> = all.iter().map(|limit| limit.name.as_str()).collect();
        assert_eq!(names, ["key", "key-rate", "tenant", "all"]);
        assert_eq!(all[0].bucket, r#"["send","key","acme","\"ann\""]"#);
        assert_eq!(all[3].bucket, r#"["send","all","",""]"#);
        assert_ne!(of(json!({"to": "bob"}))[0], all[0]);
        assert_ne!(of(json!({"to": 1}))[0], of(json!({"to": "1"}))[0]);
        assert_eq!(of(json!({}))[0], of(json!({"to": null}))[0]);
        let long = of(json!({"to": "x".repeat(5_000)}));
        assert!(long[0].bucket.len() < 150 && long[0] != of(json!({"to": "y".repeat(5_000)}))[0]);
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        let second = Duration::from_secs(1);
        for bad in [
            vec![IntentLimit::concurrency(0)],
            vec![IntentLimit::concurrency(MOST + 1)],
            vec![IntentLimit::rate(1, Duration::ZERO)],
            vec![IntentLimit::rate(1, second * 100_000)],
            vec![IntentLimit::rate(1, second).policy(LimitPolicy::CancelPrevious)],
            vec![IntentLimit::concurrency(1).policy(LimitPolicy::CancelPrevious)],
            vec![IntentLimit::concurrency(1).per_key("customer")],
            vec![IntentLimit::concurrency(1).named("a b")],
            vec![IntentLimit::concurrency(1), IntentLimit::concurrency(2)],
        ] {
            let refused = check("send", &bad);
            assert!(
                matches!(refused, Err(RegistrationError::Limit { .. })),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_configuration_changes_adds_and_removes_limits() {
        let declared = vec![
            IntentLimit::concurrency(1).per_key("/to").named("customer"),
            IntentLimit::concurrency(2),
        ];
        let by = BTreeMap::from([
            ("customer".to_owned(), LimitOverride::Concurrency(5)),
            ("all".to_owned(), LimitOverride::Off),
            ("tenant".to_owned(), LimitOverride::Concurrency(7)),
        ]);
        let limits = overridden(declared, &by);
        let shown = limits.iter().map(|limit| (limit.name(), limit.most));
        let expected = [("customer".to_owned(), 5), ("tenant".to_owned(), 7)];
        assert!(shown.eq(expected));
        assert_eq!(limits[0].scope, LimitScope::Key("/to".into()));
        assert_eq!(limits[1].scope, LimitScope::Tenant);
    }
}
