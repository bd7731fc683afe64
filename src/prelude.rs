//! The imports of a server with its own intents: `use takeoff::prelude::*;`.

pub use crate::{
    app::App,
    config::{Config, Overrides},
    model::{
        ArtifactId, ArtifactState, ExecutionId, LimitPolicy, RawJson, SessionId, StateWriteMode,
        TenantId,
    },
    runtime::{
        ArtifactDraft, Child, ChildIntent, ChildOutcome, ExecutionContext, FingerprintInput,
        HandlerError, HandlerMetadata, IntentLimit, IntentRegistry, RegistrationError, RetryPolicy,
        Solution, Works,
    },
};

/// The code in the guide for handler authors compiles.
#[cfg(doctest)]
#[doc = include_str!("../docs/handlers.md")]
struct Guide;
