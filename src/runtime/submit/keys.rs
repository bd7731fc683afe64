//! Keys by which two requests are one, and the fingerprints of handlers.

use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Variant;

use crate::runtime::request::SubmitIntent;
use crate::{
    model::{ExecutionId, Fault, Principal, Reach, SessionId, TenantScope, is_name},
    runtime::{
        catalog::Declaration, engine::Engine, handler_error::HandlerError,
        metadata::FingerprintInput,
    },
    storage::{Key, KeyScope},
};

/// Parts, each preceded by its length: no two different lists of parts hash alike.
pub(super) fn framed_hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    data_encoding::HEXLOWER.encode(&hasher.finalize())
}

/// The keys of a submit.
#[derive(Debug)]
pub(in crate::runtime) struct Keys {
    /// The caller's, the handler's, the parent's or the schedule's.
    pub(super) key: Option<Key>,
    /// That of an id which the caller chose.
    pub(super) chosen: Option<Key>,
}

impl Keys {
    /// Of a submit whose id the server makes.
    pub(super) fn of(key: Option<Key>) -> Self {
        Self { key, chosen: None }
    }
}

/// The key of a re-run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::runtime) enum RerunKey {
    /// The caller has chosen it.
    Caller(String),
    /// Of a bulk operation: it is remembered for as long as one can take to come to it again.
    Operation(String),
}

/// The shortest time for which the key of a re-run by a bulk operation is remembered, a month.
const OPERATION_KEY_MICROS: i64 = 31 * 86_400 * 1_000_000;

impl RerunKey {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Caller(key) | Self::Operation(key) => key,
        }
    }

    /// The key by which a re-run of an execution is one with an earlier request.
    pub(super) fn of_rerun(self, reach: &Reach, id: ExecutionId, ttl_micros: i64) -> Key {
        let request_hash = framed_hash([b"rerun".as_slice(), id.0.as_bytes()]);
        match self {
            Self::Caller(key) => Key {
                scope: KeyScope::Caller,
                key: reach.own_key(key),
                request_hash,
                ttl_micros: Some(ttl_micros),
            },
            Self::Operation(key) => Key {
                scope: KeyScope::Operation,
                key,
                request_hash,
                ttl_micros: Some(ttl_micros.max(OPERATION_KEY_MICROS)),
            },
        }
    }
}

impl Engine {
    /// The fingerprint of a request, if its handler declares one.
    pub(in crate::runtime) async fn fingerprint(
        &self,
        handler: &Declaration,
        scope: &TenantScope,
        session_id: SessionId,
        parameters: &Value,
    ) -> Result<Option<String>, HandlerError> {
        let Some(function) = &handler.metadata.fingerprint else {
            return Ok(None);
        };
        let confined_to = scope.confined_to().map(ToString::to_string);
        let (scope, input) = (scope.clone(), parameters.clone());
        let parts = function(FingerprintInput {
            scope,
            session_id,
            parameters: input,
        });
        let Some(parts) = parts.await? else {
            return Ok(None);
        };
        let names = [
            handler.intent_type.as_bytes(),
            handler.handler_name.as_bytes(),
        ];
        // Nobody finds by it the work of others that they may not see.
        let own = confined_to.as_ref().map(String::as_bytes);
        let parts = parts.iter().map(Vec::as_slice);
        let hash = framed_hash(names.into_iter().chain(own).chain(parts));
        self.blinded(handler, parameters, hash).map(Some)
    }
}

/// The request that a key stands for. JSON is compared by value, not by its spelling. Sensitive parameters are
/// compared by `digest`, which nobody can compare with guesses.
pub(super) fn request_hash(intent: &SubmitIntent, digest: Option<&str>) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let number = |value: Option<i64>| value.map(|n| n.to_string()).unwrap_or_default();
    let parts = [
        intent.intent_type.clone(),
        intent.session_id.to_string(),
        text(&intent.solution_id),
        text(&intent.handler_name),
        digest.map_or_else(|| intent.parameters.canonical(), str::to_owned),
        intent.metadata.canonical(),
        number(intent.run_at),
        number(intent.priority),
    ];
    framed_hash(parts.iter().map(String::as_bytes))
}

pub(super) fn fault_of_key(key: Option<&str>) -> Option<Fault> {
    let message = "an idempotency key has 1 to 255 characters, none of them a control character";
    let is_faulty = key.is_some_and(|key| !is_name(key, 255));
    is_faulty.then(|| Fault::at(["idempotencyKey"], message))
}

/// Whether its time is near is decided by the database's clock, once it is known not to be a repetition.
pub(super) fn fault_of_chosen_id(principal: &Principal, id: ExecutionId) -> Option<Fault> {
    let suffix = principal.execution_id_suffix();
    let is_fit = id.0.get_version_num() == 7
        && id.0.get_variant() == Variant::RFC4122
        && id.0.as_bytes().ends_with(&suffix);
    let suffix = data_encoding::HEXLOWER.encode(&suffix);
    let message = format!(
        "an execution id that is chosen is a version 7 UUID whose last 8 digits are the caller's, {suffix}"
    );
    (!is_fit).then(|| Fault::at(["executionId"], message))
}

#[cfg(test)]
mod tests {
    use super::framed_hash;
    use proptest::prelude::*;

    fn hash(parts: &[Vec<u8>]) -> String {
        framed_hash(parts.iter().map(Vec::as_slice))
    }

    proptest! {
        #[test]
        fn only_the_same_parts_have_the_same_fingerprint(
            a in prop::collection::vec(prop::collection::vec(0..3_u8, 0..3), 0..4),
            b in prop::collection::vec(prop::collection::vec(0..3_u8, 0..3), 0..4),
        ) {
            prop_assert_eq!(hash(&a) == hash(&b), a == b);
            // Joined alike, framed otherwise.
            let joined = vec![a.concat()];
            prop_assert_eq!(hash(&a) == hash(&joined), a == joined);
        }
    }
}
