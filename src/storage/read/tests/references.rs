//! What refers to content is found, and by indexes where there are many rows.

use std::collections::HashSet;

use super::{
    lists::plans,
    on_each_database,
    rows::{execution, execution_id},
    scope,
};
use crate::{model::TenantId, storage::db::recorded};

/// Digests that are asked for: something refers to the first two.
const DIGESTS: [char; 3] = ['a', 'b', 'c'];

fn digest(letter: char) -> String {
    letter.to_string().repeat(64)
}

fn of(tenant: &str, letter: char) -> (TenantId, String) {
    (TenantId::stored(tenant), digest(letter))
}

#[tokio::test]
async fn digests_are_found_where_something_of_their_tenant_refers_to_them() {
    on_each_database(async |world| {
        let tenant = scope().tenant().to_string();
        world.put_executions([execution(1)]).await;
        let reference = |letter| format!("@{}:100000", digest(letter));
        let id = execution_id(1).0;
        let event = "INSERT INTO event (stream_id, seq, stream_kind, tenant_id, session_id, event_type, data, payload, \
             tx, ord, occurred_at) VALUES ($1, 99, 0, $2, $1, 'x', '{}', $3, 1, 1, 1)";
        let values = vec![id.into(), tenant.clone().into(), reference('a').into()];
        world.run(event, values).await;
        let sealed = "UPDATE execution SET sealed = $2 WHERE id = $1";
        let values = vec![id.into(), reference('b').into()];
        world.run(sealed, values).await;
        let all = DIGESTS.map(|letter| of(&tenant, letter));
        let found = world.storage.digests_in_records(&all).await.unwrap();
        assert_eq!(found, HashSet::from([of(&tenant, 'a'), of(&tenant, 'b')]));
        let others = DIGESTS.map(|letter| of("other", letter));
        let found = world.storage.digests_in_records(&others).await.unwrap();
        assert!(found.is_empty(), "{found:?}");
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
