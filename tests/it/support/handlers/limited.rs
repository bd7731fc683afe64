//! Handlers under limits.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use takeoff::{
    model::LimitPolicy,
    runtime::{IntentLimit, IntentRegistry, RegistrationError},
};

use super::{Nap, TrySolution, gated, nap, quick};

#[derive(Debug, Deserialize, JsonSchema)]
struct Keyed {
    #[serde(default, rename = "key")]
    _key: Option<String>,
    #[serde(default)]
    millis: u64,
}

impl TrySolution {
    /// Handlers under limits, by what their limits do.
    pub(super) fn register_limited(
        &self,
        registry: &mut IntentRegistry,
    ) -> Result<(), RegistrationError> {
        let one = || IntentLimit::concurrency(1).per_key("/key");
        for (name, limit) in [
            ("queued", one()),
            ("rejected", one().policy(LimitPolicy::Reject)),
            ("replaced", one().policy(LimitPolicy::CancelPrevious)),
        ] {
            let this = self.clone();
            registry
                .handler(name, "try", move |ctx, _: Keyed| gated(ctx, this.clone()))
                .limit(limit)
                .register()?;
        }
        registry
            .handler("queued-nap", "try", |ctx, p: Keyed| {
                nap(ctx, Nap { millis: p.millis })
            })
            .retry(quick(3))
            .limit(one())
            .limit(IntentLimit::concurrency(4))
            .register()?;
        registry
            .handler("paced", "try", |ctx, p: Keyed| {
                nap(ctx, Nap { millis: p.millis })
            })
            .limit(IntentLimit::rate(1, Duration::from_hours(1)).per_tenant())
            .register()
    }
}
