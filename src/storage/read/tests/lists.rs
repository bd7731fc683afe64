//! Filters of lists, how far they look, and how many items they count.

use sea_orm::{DbBackend, TryGetable};
use serde_json::{Value, json};

use super::{
    World, on_each_database,
    rows::{artifact, artifact_id, execution, execution_id, session_id},
    scope, scope_of,
};
use crate::{
    model::{ExecutionId, ExecutionStatus::Failed, SessionStatus},
    storage::{
        ArtifactFilter, Count, ExecutionFilter, Members, MetadataMember, PageRequest, Relation,
        SessionFilter, WalFilter,
        db::recorded,
        read::{events, page::Conditions},
        sql,
    },
};

fn with(members: Value) -> Vec<MetadataMember> {
    let Value::Object(members) = members else {
        panic!("not an object")
    };
    MetadataMember::all(members).unwrap()
}

fn wanting(members: Value) -> ExecutionFilter {
    ExecutionFilter {
        metadata: with(members),
        ..ExecutionFilter::default()
    }
}

async fn listed(world: &World, filter: &ExecutionFilter) -> Vec<ExecutionId> {
    let page = PageRequest::first(200);
    let page = world.storage.list_executions(&scope(), filter, &page).await;
    page.unwrap().items.into_iter().map(|(id, _)| id).collect()
}

fn exactly(count: u32) -> Count {
    Count { count, exact: true }
}

#[tokio::test]
async fn roots_and_what_a_key_finds_are_listed_and_counted() {
    on_each_database(async |world| {
        let mut child = execution(2);
        child.parent = Some(1);
        let mut theirs = execution(3);
        theirs.tenant = "theirs";
        world.put_executions([execution(1), child, theirs, execution(4)]).await;
        let keys = [(2, "ours", 0, "a"), (3, "theirs", 0, "a"), (1, "ours", 1, "b")];
        for (number, tenant, kind, key) in keys {
            let text = "INSERT INTO idempotency (tenant_id, scope, key, execution_id, request_hash, \
                        expires_at) VALUES ($1, $2, $3, $4, '', 0)";
            let id = execution_id(number).0.into();
            let values = vec![tenant.into(), i64::from(kind).into(), key.into(), id];
            world.run(text, values).await;
        }
        let roots = ExecutionFilter { roots_only: true, ..ExecutionFilter::default() };
        assert_eq!(listed(world, &roots).await, [execution_id(4), execution_id(1)]);
        assert_eq!(world.storage.count_executions(&scope(), &roots).await.unwrap(), exactly(2));
        let by = |key: &str| ExecutionFilter {
            idempotency_key: Some(key.to_owned()),
            ..ExecutionFilter::default()
        };
        assert_eq!(listed(world, &by("a")).await, [execution_id(2)]);
        assert_eq!(listed(world, &by("b")).await, [], "the key of a fingerprint is no caller's");
        assert_eq!(listed(world, &by("\0")).await, []);
        let child = ExecutionFilter { roots_only: true, ..by("a") };
        assert_eq!(listed(world, &child).await, []);
        assert_eq!(world.storage.count_executions(&scope(), &by("a")).await.unwrap(), exactly(1));
        let theirs = world.storage.count_executions(&scope_of("theirs"), &roots).await;
        assert_eq!(theirs.unwrap(), exactly(1));
    })
    .await;
}

const NOTES: [&str; 6] = [
    r#"{"order": 7, "who": "Ann", "paid": true, "rate": 0.1, "none": null}"#,
    r#"{"order": 7.0, "who": "ann", "paid": 1, "a \"b\".c": "x"}"#,
    r#"{"order": "7", "inner": {"who": "Ann"}, "paid": "true", "who": ["Ann"]}"#,
    r#"{"order": 1e999999, "who": "\u00c5sa \ud83d\ude00"}"#,
    r#"{"order": 9007199254740993, "who": "zero \u0000"}"#,
    "{}",
];

#[tokio::test]
async fn a_member_of_the_metadata_is_compared_with_its_type() {
    on_each_database(async |world| {
        let rows = (1..).zip(NOTES).map(|(number, metadata)| {
            let mut row = execution(number);
            row.metadata = metadata;
            row
        });
        world.put_executions(rows).await;
        for (members, found) in [
            (json!({"order": 7}), vec![2, 1]),
            (json!({"order": 7.0}), vec![2, 1]),
            (json!({"order": "7"}), vec![3]),
            (json!({"order": 9_007_199_254_740_992_i64}), vec![]),
            (json!({"who": "Ann"}), vec![1]),
            (json!({"paid": true}), vec![1]),
            (json!({"paid": false}), vec![]),
            (json!({"paid": 1}), vec![2]),
            (json!({"rate": 0.1}), vec![1]),
            (json!({"none": "null"}), vec![]),
            (json!({"a \"b\".c": "x"}), vec![2]),
            (json!({"who": "Ann", "order": 7}), vec![1]),
            (json!({"who": "Ann", "order": 8}), vec![]),
            (json!({"absent": "x"}), vec![]),
        ] {
            let found: Vec<_> = found.into_iter().map(execution_id).collect();
            assert_eq!(
                listed(world, &wanting(members.clone())).await,
                found,
                "{members}"
            );
        }
        // What PostgreSQL cannot read as JSON is not looked into, on either database.
        for who in ["zero \0", "zero "] {
            assert_eq!(
                listed(world, &wanting(json!({"who": who}))).await,
                [],
                "{who}"
            );
        }
    })
    .await;
}

#[test]
fn what_a_filter_names_is_bounded() {
    let all = |members: Vec<(String, Value)>| MetadataMember::all(members);
    let one = |value: Value| all(vec![("k".to_owned(), value)]);
    for bad in [
        json!(null),
        json!([1]),
        json!({"a": 1}),
        json!("x".repeat(1024)),
    ] {
        one(bad).unwrap_err();
    }
    one(json!("x".repeat(1023))).unwrap();
    let many = |count| (0..count).map(|n| (format!("k{n}"), json!(1))).collect();
    all(many(5)).unwrap();
    all(many(6)).unwrap_err();
}

#[tokio::test]
async fn sessions_are_found_by_their_metadata() {
    on_each_database(async |world| {
        let later = world.now().await + 1_000_000_000;
        world.put_session(1, SessionStatus::Active, later).await;
        world.put_session(2, SessionStatus::Active, later).await;
        let text = r#"UPDATE session SET metadata = '{"team": "blue"}' WHERE id = $1"#;
        world.run(text, vec![session_id(2).0.into()]).await;
        let filter = |members| SessionFilter {
            metadata: with(members),
            statuses: vec![SessionStatus::Active],
            ..SessionFilter::default()
        };
        let page = PageRequest::first(9);
        for (members, expected) in [(json!({"team": "blue"}), 1), (json!({"team": "red"}), 0)] {
            let filter = filter(members);
            let found = world.storage.list_sessions(&scope(), &filter, &page).await;
            assert_eq!(found.unwrap().items.len(), expected);
            let count = world.storage.count_sessions(&scope(), &filter).await;
            assert_eq!(count.unwrap(), exactly(u32::try_from(expected).unwrap()));
        }
    })
    .await;
}

/// The oldest of 20,100 executions is the only one with notes, and failed; every hundredth is a root.
async fn many(world: &World) {
    let rows = (1..=20_100).map(|number| {
        let mut row = execution(number);
        row.parent = (number % 100 != 1).then_some(1);
        if number == 1 {
            (row.metadata, row.status) = (r#"{"rare": "yes"}"#, Failed);
        }
        row
    });
    world.put_executions(rows).await;
}

#[tokio::test]
async fn a_rare_value_is_looked_for_page_by_page_and_found() {
    on_each_database(async |world| {
        many(world).await;
        let rare = wanting(json!({"rare": "yes"}));
        let part_of = async |filter: &ExecutionFilter, page: PageRequest<ExecutionId>| {
            let page = world.storage.list_executions(&scope(), filter, &page).await;
            page.unwrap()
        };
        let (mut page, mut found, mut pages) = (PageRequest::first(50), Vec::new(), 0);
        loop {
            let part = part_of(&rare, page).await;
            pages += 1;
            found.extend(part.items.into_iter().map(|(id, _)| id));
            if !part.has_next {
                break;
            }
            page.after = part.end;
        }
        // 800 are looked at for 50.
        assert_eq!((found, pages), (vec![execution_id(1)], 26));

        // The other way round it is on the first page, and so it is from the end of the list.
        let oldest = ExecutionFilter {
            oldest_first: true,
            ..rare.clone()
        };
        let part = part_of(&oldest, PageRequest::first(1)).await;
        assert_eq!((part.items.len(), part.has_next), (1, true));
        let last = PageRequest {
            backward: true,
            ..PageRequest::first(50)
        };
        let part = part_of(&rare, last).await;
        assert_eq!((part.items.len(), part.has_previous), (1, true));
        assert_eq!(
            (part.start, part.end),
            (Some(execution_id(800)), Some(execution_id(1)))
        );
    })
    .await;
}

#[tokio::test]
async fn a_count_goes_no_further_than_its_bound_and_says_so() {
    on_each_database(async |world| {
        many(world).await;
        let count = async |filter: ExecutionFilter| {
            world
                .storage
                .count_executions(&scope(), &filter)
                .await
                .unwrap()
        };
        let at_least = |count| Count {
            count,
            exact: false,
        };
        let any = ExecutionFilter::default;
        assert_eq!(count(any()).await, at_least(10_000));
        assert_eq!(
            count(ExecutionFilter {
                roots_only: true,
                ..any()
            })
            .await,
            exactly(201)
        );
        assert_eq!(
            count(ExecutionFilter {
                statuses: vec![Failed],
                ..any()
            })
            .await,
            exactly(1)
        );
        assert_eq!(count(wanting(json!({"rare": "yes"}))).await, at_least(0));
        let roots = ExecutionFilter {
            roots_only: true,
            ..wanting(json!({"rare": "yes"}))
        };
        assert_eq!(count(roots).await, exactly(1), "an index leads to few rows");
    })
    .await;
}

#[tokio::test]
async fn what_belongs_to_each_is_counted_in_one_statement() {
    on_each_database(async |world| {
        let rows = (10..=15).map(|number| {
            let mut row = execution(number);
            row.parent = Some(if number <= 13 { 1 } else { 2 });
            row
        });
        world.put_executions(rows).await;
        world.put_artifacts((1..=4).map(artifact)).await;
        world.put_edges([(2, 1), (3, 1), (4, 1), (4, 2)]).await;
        let found = "INSERT INTO artifact_found (execution_id, artifact_id) VALUES ($1, $2)";
        let pair = vec![execution_id(2).0.into(), artifact_id(1).0.into()];
        world.run(found, pair).await;
        let executions = [1, 2, 3].map(|number| execution_id(number).0);
        let artifacts = [1, 2, 4].map(|key| artifact_id(key).0);
        let parents = Members::RelativesOfArtifact(Relation::Parents);
        let children = Members::RelativesOfArtifact(Relation::Children);
        for (members, ids, expected) in [
            (Members::ExecutionsOfExecution, executions, [4, 2, 0]),
            (Members::ArtifactsOfExecution, executions, [4, 1, 0]),
            (parents, artifacts, [0, 1, 2]),
            (children, artifacts, [3, 1, 0]),
        ] {
            let counts = world.storage.count_members(&scope(), members, &ids).await;
            let counts = counts.unwrap();
            assert_eq!(
                ids.map(|id| counts[&id]),
                expected.map(exactly),
                "{members:?}"
            );
            let theirs = scope_of("theirs");
            let theirs = world.storage.count_members(&theirs, members, &ids).await;
            assert!(
                theirs.unwrap().values().all(|count| *count == exactly(0)),
                "{members:?}"
            );
        }
        let sessions = [1, 2].map(|number| session_id(number).0);
        let of_session = Members::ExecutionsOfSession;
        let counts = world
            .storage
            .count_members(&scope(), of_session, &sessions)
            .await;
        let counts = counts.unwrap();
        assert_eq!(sessions.map(|id| counts[&id]), [6, 0].map(exactly));
    })
    .await;
}

/// Returns the plan of a page of a list.
async fn plan(world: &World, tenant: &str, filter: &ExecutionFilter) -> String {
    let (scope, page) = (scope_of(tenant), PageRequest::first(50));
    let listed = world.storage.list_executions(&scope, filter, &page);
    plans(world, recorded::of(listed).await.1).await
}

pub(super) async fn plans(world: &World, statements: Vec<sea_orm::Statement>) -> String {
    let mut all = Vec::new();
    for statement in statements {
        let values = statement.values.map_or_else(Vec::new, |values| values.0);
        all.push(explained(world, &statement.sql, values).await);
    }
    all.join("\n")
}

pub(super) async fn explained(world: &World, text: &str, values: Vec<sea_orm::Value>) -> String {
    let db = &world.storage.db.reader;
    let backend = db.get_database_backend();
    let explain = match backend {
        DbBackend::Postgres => "EXPLAIN",
        _ => "EXPLAIN QUERY PLAN",
    };
    let rows = sql::query(db, &format!("{explain} {text}"), values)
        .await
        .unwrap();
    let detail = |row: &sea_orm::QueryResult| match backend {
        DbBackend::Postgres => String::try_get_by_index(row, 0).unwrap(),
        _ => row.try_get("", "detail").unwrap(),
    };
    rows.iter().map(detail).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_rows_of_other_tenants_are_not_stepped_over() {
    on_each_database(async |world| {
        many(world).await;
        let mut theirs = execution(30_000);
        theirs.tenant = "theirs";
        world.put_executions([theirs]).await;
        if world.is_postgres() {
            world.run("ANALYZE execution", vec![]).await;
        }
        for tenant in ["ours", "theirs"] {
            let all = plan(world, tenant, &ExecutionFilter::default()).await;
            assert!(all.contains("execution_idx_time"), "{all}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_in_a_session_is_found_beside_what_is_in_another_tenants_of_the_same_id() {
    on_each_database(async |world| {
        many(world).await;
        let mut theirs = execution(30_000);
        theirs.tenant = "theirs";
        world.put_executions([theirs]).await;
        if world.is_postgres() {
            world.run("ANALYZE execution", vec![]).await;
        }
        let session_id = Some(session_id(1));
        for roots_only in [false, true] {
            let filter = ExecutionFilter {
                session_id,
                roots_only,
                ..ExecutionFilter::default()
            };
            for tenant in ["ours", "theirs"] {
                let of_session = plan(world, tenant, &filter).await;
                is_of_session(world, "execution", &of_session);
            }
        }
        let filter = ArtifactFilter {
            session_id,
            ..ArtifactFilter::default()
        };
        let (ours, page) = (scope(), PageRequest::first(9));
        let listed = world.storage.list_artifacts(&ours, &filter, &page);
        let of_session = plans(world, recorded::of(listed).await.1).await;
        is_of_session(world, "artifact", &of_session);
        let mut conditions = Conditions::default();
        let filter = WalFilter {
            session_id,
            ..WalFilter::default()
        };
        events::walked(&mut conditions, &scope(), &filter);
        let text = format!(
            "SELECT * FROM event {} AND (tx, ord) > (1, 1) ORDER BY tx, ord LIMIT 9",
            conditions.clause()
        );
        let of_session = explained(world, &text, conditions.values).await;
        is_of_session(world, "event", &of_session);
    })
    .await;
}

/// The plan finds rows by session and tenant.
fn is_of_session(world: &World, table: &str, plan: &str) {
    let condition = if world.is_postgres() {
        "(tenant_id || ''::text)"
    } else {
        "(session_id=? AND <expr>=?"
    };
    for part in [condition, &format!("{table}_idx_session")] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
}

#[tokio::test]
async fn roots_and_keys_are_found_by_an_index() {
    on_each_database(async |world| {
        many(world).await;
        let roots = ExecutionFilter {
            roots_only: true,
            ..ExecutionFilter::default()
        };
        let by_roots = plan(world, "ours", &roots).await;
        assert!(by_roots.contains("execution_idx_kind"), "{by_roots}");
        let key = ExecutionFilter {
            idempotency_key: Some("a".to_owned()),
            ..ExecutionFilter::default()
        };
        let by_key = plan(world, "ours", &key).await;
        // By the keys of both tables.
        let expected = if world.is_postgres() {
            ["idempotency_pkey", "(id = "]
        } else {
            [
                "SEARCH idempotency USING PRIMARY KEY (tenant_id=? AND scope=? AND key=?)",
                "(id=?)",
            ]
        };
        for part in expected {
            assert!(by_key.contains(part), "{by_key}");
        }
    })
    .await;
}
