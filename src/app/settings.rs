//! The settings of a node's parts, from the configuration.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context;

use crate::{
    config::{self, Config, KeptFor, LimitSetting},
    graphql,
    model::{Budget, ExecutionStatus, Micros},
    policy::Policies,
    quotas::{Quota, QuotaSettings, Quotas},
    runtime::{
        DeliverySettings, KeptTimes, LimitOverride, LimitOverrides, Limits, Retention, Settings,
    },
    state_surface,
    storage::Ended,
    uploads,
};

pub(super) fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        parameters_bytes: limits.parameters_bytes as u64,
        metadata_bytes: limits.metadata_bytes as u64,
        result_bytes: limits.result_bytes as u64,
        state_bytes: limits.state_bytes as u64,
        descriptor_bytes: limits.artifact_descriptor_bytes as u64,
        batch_submit: limits.batch_submit,
        tree_depth: i64::try_from(limits.tree_depth).unwrap_or(i64::MAX),
        tree_executions: limits.tree_executions,
        schedules: i64::try_from(limits.schedules).unwrap_or(i64::MAX),
    }
}

/// Returns the period of looking for changes that hints may have missed.
pub(super) fn poll(config: &Config) -> Duration {
    Duration::from_millis(config.runtime.poll_ms)
}

/// Returns the budget of the node's tenants.
pub(super) fn budget(config: &Config, quotas: &Quotas) -> Budget {
    let limits = &config.graphql;
    let budget = Budget::new(limits.cost_per_second, limits.max_cost)
        .with_share(limits.tenant_share_percent)
        .with_quota(quotas.of_cost());
    if config.database.url.scheme() == "sqlite" {
        // Its reads for heavy tenants have threads of low priority.
        budget
    } else {
        budget.with_rests()
    }
}

/// Returns the limits of a GraphQL request.
pub(super) fn gate_limits(config: &Config) -> graphql::GateLimits {
    let limits = config.graphql.clone();
    graphql::GateLimits {
        document_bytes: limits.max_document_bytes,
        tokens: limits.max_tokens,
        selections: limits.max_selections,
        depth: limits.max_depth,
        aliases: limits.max_aliases,
        directives: limits.max_directives,
        root_fields: limits.max_root_fields,
        cost: limits.max_cost,
        concurrent_operations: limits.max_concurrent_operations,
        answer_bytes: limits.max_answer_bytes,
        timeout: Duration::from_millis(limits.timeout_ms),
        cached_documents: limits.cached_documents,
        documents: limits.documents,
        trusted_only: limits.trusted_only,
        introspection: limits.introspection,
    }
}

/// Returns the quotas of all tenants.
pub(super) fn quota_settings(config: &Config) -> anyhow::Result<QuotaSettings> {
    let quotas = &config.quotas;
    let default = [
        (Quota::Submits, quotas.submits_per_second),
        (Quota::CallerSubmits, quotas.caller_submits_per_second),
        (Quota::Executions, quotas.executions),
        (Quota::StoredBytes, quotas.stored_bytes),
        (Quota::Subscriptions, quotas.subscriptions),
        (Quota::Sockets, quotas.sockets),
        (Quota::Cost, quotas.cost_per_second),
    ];
    let default = default.into_iter();
    let default = default.filter_map(|(quota, limit)| Some((quota, limit?)));
    let mut tenants = BTreeMap::new();
    for (tenant, limits) in quotas.tenants.all() {
        let id = tenant.parse().context("quotas.tenants names no tenant")?;
        let limit = |quota: Quota| Some((quota, *limits.get(quota.name())?));
        tenants.insert(id, Quota::ALL.into_iter().filter_map(limit).collect());
    }
    Ok(QuotaSettings {
        default: default.collect(),
        tenants,
        largest_cost: config.graphql.max_cost,
    })
}

/// The longest life of a session that its creator gives a time, unless sessions live longer by
/// default.
const MAX_SESSION_TTL_SECONDS: i64 = 90 * 24 * 3600;

pub(super) fn state_limits(config: &Config) -> state_surface::StateLimits {
    let ttl = i64::try_from(config.sessions.ttl_seconds).unwrap_or(i64::MAX);
    state_surface::StateLimits {
        state_bytes: config.limits.state_bytes as u64,
        metadata_bytes: config.limits.metadata_bytes as u64,
        session_ttl_seconds: ttl,
        session_ttl_max_seconds: MAX_SESSION_TTL_SECONDS.max(ttl),
    }
}

pub(super) fn upload_settings(
    config: &Config,
    quotas: Quotas,
    policies: Policies,
) -> uploads::UploadSettings {
    uploads::UploadSettings {
        quotas,
        policies,
        max_upload_bytes: config.content.max_upload_bytes,
        max_announced_bytes: config.content.max_announced_bytes,
        deleted_grace: Duration::from_secs(config.content.deleted_grace_seconds),
        url_ttl_seconds: i64::try_from(config.content.url_ttl_seconds).unwrap_or(i64::MAX),
        public_url: config
            .http
            .public_url
            .as_ref()
            .map(|url| url.expose().to_owned()),
    }
}

pub(super) fn settings(config: &Config, is_alone: bool) -> anyhow::Result<Settings> {
    let runtime = &config.runtime;
    let hours = i64::try_from(runtime.idempotency_ttl_hours).unwrap_or(i64::MAX);
    let weights = runtime.tenant_weights.all().iter();
    let weights = weights.map(|(tenant, weight)| Ok((tenant.parse()?, *weight)));
    Ok(Settings {
        node_name: runtime
            .node_name
            .clone()
            .unwrap_or_else(|| config.http.bind.to_string()),
        labels: runtime.labels.clone(),
        max_concurrent_executions: runtime.max_concurrent_executions,
        lease: Duration::from_secs(runtime.lease_seconds),
        heartbeat: Duration::from_secs(runtime.heartbeat_seconds),
        poll: Duration::from_millis(runtime.poll_ms),
        tenant_slots_percent: runtime.tenant_slots_percent,
        tenant_weights: weights
            .collect::<anyhow::Result<_>>()
            .context("runtime.tenant_weights names no tenant")?,
        sweep: Duration::from_secs(runtime.sweep_seconds),
        shutdown_grace: Duration::from_secs(runtime.shutdown_grace_seconds),
        hand_over: Duration::from_millis(runtime.hand_over_ms),
        idempotency_ttl_micros: hours.saturating_mul(3_600_000_000),
        is_alone,
        retention: retention(config)?,
        deliveries: deliveries(config),
    })
}

fn deliveries(config: &Config) -> DeliverySettings {
    let webhooks = &config.webhooks;
    let micros =
        |count: u64, each: i64| i64::try_from(count).map_or(i64::MAX, |it| it.saturating_mul(each));
    DeliverySettings {
        first_retry_micros: micros(webhooks.first_retry_ms, 1_000),
        disable_after_micros: micros(webhooks.disable_after_hours, 3_600_000_000),
    }
}

/// Returns what the configuration sets for the limits of intent types.
pub(super) fn limit_overrides(config: &Config) -> LimitOverrides {
    let one = |setting: &LimitSetting| match *setting {
        LimitSetting::Off => LimitOverride::Off,
        LimitSetting::Concurrency(most) => LimitOverride::Concurrency(most),
        LimitSetting::Rate(most, per) => LimitOverride::Rate(most, per),
    };
    let types = config.runtime.intent_limits.all().iter();
    let types = types.map(|(intent_type, limits)| {
        let limits = limits.iter();
        let limits = limits.map(|(name, setting)| (name.clone(), one(setting)));
        (intent_type.clone(), limits.collect())
    });
    types.collect()
}

pub(super) fn retention(config: &Config) -> anyhow::Result<Retention> {
    let retention = &config.retention;
    let tenants = retention.tenants.all().iter();
    let tenants = tenants.map(|(tenant, times)| Ok((tenant.parse()?, own_times(times))));
    let types = retention.types.all().iter();
    Ok(Retention {
        executions: KeptTimes::from([
            (ExecutionStatus::Completed, micros(retention.completed)),
            (ExecutionStatus::Failed, micros(retention.failed)),
            (ExecutionStatus::Cancelled, micros(retention.cancelled)),
        ]),
        tenants: tenants
            .collect::<anyhow::Result<_>>()
            .context("retention.tenants names no tenant")?,
        types: types
            .map(|(name, times)| (name.clone(), own_times(times)))
            .collect(),
        ended: Ended::ALL
            .into_iter()
            .filter_map(|kind| Some((kind, micros(ended(retention, kind))?)))
            .collect(),
        unreferenced: unreferenced(retention)?,
        period: Duration::from_secs(retention.period_seconds),
    })
}

/// Content is stored before anything refers to it.
fn unreferenced(retention: &config::Retention) -> anyhow::Result<Option<Micros>> {
    const LEAST_SECONDS: u64 = 3_600;
    let kept = retention.unreferenced_content;
    anyhow::ensure!(
        kept.seconds()
            .is_none_or(|seconds| seconds >= LEAST_SECONDS),
        "retention.unreferenced_content must be 1h at least: what is stored just now is not referred to yet"
    );
    Ok(micros(kept))
}

fn ended(retention: &config::Retention, kind: Ended) -> KeptFor {
    match kind {
        Ended::ClosedSessions | Ended::ExpiredSessions => retention.sessions,
        Ended::ApiKeys => retention.api_keys,
        Ended::Uploads => retention.uploads,
        Ended::DeletedArtifacts => retention.deleted_artifacts,
        Ended::Operations => retention.operations,
        Ended::Webhooks => retention.webhooks,
    }
}

fn own_times(times: &BTreeMap<String, KeptFor>) -> KeptTimes {
    let ends = ExecutionStatus::ALL.into_iter();
    let own = ends.filter_map(|end| Some((end, micros(*times.get(end.name())?))));
    own.collect()
}

fn micros(kept: KeptFor) -> Option<i64> {
    let seconds = i64::try_from(kept.seconds()?).unwrap_or(i64::MAX);
    Some(seconds.saturating_mul(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    #[test]
    fn the_documented_limits_are_those_of_the_gate_and_of_websockets() {
        let config = Config::load(&Overrides::default(), std::iter::empty()).unwrap();
        assert_eq!(gate_limits(&config), graphql::GateLimits::default());
        let socket = graphql::WebSocketOptions::default().write_timeout;
        assert_eq!(socket.as_millis(), u128::from(config.http.write_timeout_ms));
    }
}
