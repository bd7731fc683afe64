//! What refers to content is found, and by indexes where there are many rows.

use std::collections::HashSet;

use super::{World, lists::plans, on_each_database};
use crate::{model::TenantId, storage::db::recorded};

/// References to these digests are put into the tables.
const DIGESTS: [char; 6] = ['a', 'b', 'c', 'd', 'e', 'f'];

fn digest(letter: char) -> String {
    letter.to_string().repeat(64)
}

fn of(tenant: &str, letter: char) -> (TenantId, String) {
    (TenantId::stored(tenant), digest(letter))
}

/// Something refers to `a` in the log, to `b` in a session's state and to `c` in an execution's.
async fn refer(world: &World) {
    let reference = |letter| format!("@{}:100000", digest(letter));
    for (text, letter) in [
        (
            "INSERT INTO event (stream_id, seq, stream_kind, tenant_id, session_id, event_type, data, payload, tx, ord, \
             occurred_at) VALUES ($1, 1, 0, 't', $1, 'x', '{}', $2, 1, 1, 1)",
            'a',
        ),
        (
            "INSERT INTO session (id, tenant_id, is_anonymous, status, metadata, state, state_version, next_seq, \
             created_at, updated_at, expires_at) VALUES ($1, 't', FALSE, 0, '{}', $2, 1, 1, 1, 1, 1)",
            'b',
        ),
        (
            "INSERT INTO execution_state (execution_id, tenant_id, state, version, updated_at) \
             VALUES ($1, 't', $2, 1, 1)",
            'c',
        ),
    ] {
        let values = vec![uuid::Uuid::from_u128(7).into(), reference(letter).into()];
        world.run(text, values).await;
    }
}

#[tokio::test]
async fn digests_are_found_where_something_of_their_tenant_refers_to_them() {
    on_each_database(async |world| {
        refer(world).await;
        let all = DIGESTS.map(|letter| of("t", letter));
        let in_records = world.storage.digests_in_records(&all).await.unwrap();
        assert_eq!(in_records, HashSet::from([of("t", 'a')]));
        let asked = HashSet::from(all);
        let in_states = world.storage.digests_in_states(&asked).await.unwrap();
        assert_eq!(in_states, HashSet::from([of("t", 'b'), of("t", 'c')]));
        let others = DIGESTS.map(|letter| of("other", letter));
        let records = world.storage.digests_in_records(&others).await.unwrap();
        assert!(records.is_empty(), "{records:?}");
        let asked = HashSet::from(others);
        let states = world.storage.digests_in_states(&asked).await.unwrap();
        assert!(states.is_empty(), "{states:?}");
    })
    .await;
}

#[tokio::test]
async fn references_in_the_log_are_found_by_their_index() {
    on_each_database(async |world| {
        let asked = [of("t", 'a')];
        let statements = recorded::of(world.storage.digests_in_records(&asked))
            .await
            .1;
        let plan = plans(world, statements).await;
        assert!(plan.contains("event_payload_reference"), "{plan}");
        assert!(plan.contains("execution_sealed_reference"), "{plan}");
    })
    .await;
}
