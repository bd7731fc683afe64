//! What a server with its own intents is written with: `use takeoff::prelude::*;`.

pub use crate::{
    app::App,
    config::{Config, Overrides},
    model::{ArtifactId, ArtifactState, ExecutionId, RawJson, SessionId, StateWriteMode, TenantId},
    runtime::{
        ArtifactDraft, Child, ChildIntent, ChildOutcome, ExecutionContext, FingerprintInput,
        HandlerError, HandlerMetadata, IntentRegistry, RegistrationError, RetryPolicy, Solution,
        Works,
    },
};
