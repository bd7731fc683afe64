//! Targets of fuzzing in this module; see [`crate::fuzzing`].

use std::sync::{Arc, OnceLock};

use async_graphql::ID;

use super::{
    gate::{Gate, GateLimits, Incoming},
    schema::export_schema,
    transport::read_message,
    types::{node, page::PageKey},
};
use crate::model::{Budget, ExecutionId, KeyId, SessionId, TenantId};

/// A request: the JSON of one, or else a document alone. Whatever is admitted costs something, and no more than is
/// allowed.
pub(crate) fn gate(data: &[u8]) {
    static GATE: OnceLock<(Gate, GateLimits)> = OnceLock::new();
    let (gate, limits) = GATE.get_or_init(|| {
        let limits = GateLimits::default();
        #[expect(clippy::expect_used, reason = "the schema is this server's own")]
        let gate = Gate::new(&export_schema(), &limits).expect("a gate before the schema");
        (gate, limits)
    });
    let incoming = match (Incoming::read(data), str::from_utf8(data)) {
        (Ok(incoming), _) => incoming,
        (Err(_), Ok(text)) => {
            let document = [("query".to_owned(), text.to_owned())];
            let Ok(incoming) = Incoming::from_pairs(document) else {
                return;
            };
            incoming
        }
        _ => return,
    };
    let budget = Arc::new(Budget::new(u64::from(u32::MAX), 0));
    let tenant = TenantId::default_tenant();
    let meter = budget.meter(&tenant, 1 << 20);
    if let Ok(admitted) = gate.admit(incoming, &tenant, &meter, || Ok(())) {
        assert!(
            (1..=limits.cost).contains(&admitted.cost),
            "{}",
            admitted.cost
        );
    }
}

/// A message of a client of a WebSocket.
pub(crate) fn socket(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data) {
        read_message(text);
    }
}

/// A key that is read is written as text that is read as the same.
fn read_back<K: PageKey + PartialEq>(text: &str) {
    if let Some(key) = K::decode(text) {
        assert!(
            K::decode(&key.encode()).is_some_and(|again| again == key),
            "{text:?}"
        );
    }
}

pub(crate) fn cursors(text: &str) {
    read_back::<ExecutionId>(text);
    read_back::<SessionId>(text);
    read_back::<KeyId>(text);
    read_back::<i64>(text);
}

pub(crate) fn ids(text: &str) {
    let _ = node::NodeId::parse(&ID::from(text), "id");
}
