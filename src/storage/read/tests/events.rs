//! Streams and feeds of the log.

use std::collections::HashSet;

use proptest::{prelude::*, test_runner::TestRunner};
use sea_orm::{ConnectionTrait, TransactionTrait};

use super::{
    World, on_each_database,
    rows::{EventRow, event, execution_id, put_events, session_id},
    scope, scope_of,
};
use crate::{
    model::{Cursor, EventBody, StreamKind},
    storage::{Feed, StreamName, WalFilter, sql},
    telemetry::metrics::Metrics,
};

fn tenant_feed(types: &[&str], intent_types: &[&str], session: Option<u128>) -> Feed {
    let owned = |texts: &[&str]| -> HashSet<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    };
    Feed::Tenant {
        types: owned(types),
        intent_types: owned(intent_types),
        session_id: session.map(session_id),
    }
}

/// Everything that a feed has, read in pages of `limit`: (transaction, place) of each event.
async fn read(world: &World, feed: &Feed, limit: u32) -> Vec<(i64, i64)> {
    let (mut cursor, mut found) = (Cursor::default(), Vec::new());
    loop {
        let page = world
            .storage
            .feed_after(&scope(), feed, cursor, limit)
            .await;
        let page = page.unwrap();
        assert!(page.events.len() <= limit as usize);
        found.extend(
            page.events
                .iter()
                .map(|event| (event.cursor.tx, event.cursor.ord)),
        );
        if page.last == cursor {
            assert_eq!(page.events, []);
            return found;
        }
        assert!(page.last > cursor, "a feed only goes forward");
        cursor = page.last;
    }
}

fn domain(name: &str) -> EventBody {
    EventBody::Domain { name: name.into() }
}

/// A log of some streams, with positions in an order of their own.
fn logs() -> impl Strategy<Value = Vec<EventRow>> {
    let entry = (0..3_u128, 0..2_u128, 0..4_u8, any::<bool>());
    proptest::collection::vec(entry, 1..40).prop_map(|entries| {
        let mut next_seq = [1; 3];
        let row = |(place, (stream, session, kind, is_parse)): (usize, (u128, u128, u8, bool))| {
            let seq = &mut next_seq[usize::try_from(stream).unwrap()];
            *seq += 1;
            let place = i64::try_from(place).unwrap();
            let mut row = event(stream, *seq - 1, 1 + place / 3);
            (row.ord, row.session) = (place % 3, session);
            row.intent_type = if is_parse { "parse" } else { "echo" };
            row.body = domain(if kind == 0 { "rare" } else { "frequent" });
            if kind == 3 {
                row.kind = StreamKind::Session;
            }
            row
        };
        entries.into_iter().enumerate().map(row).collect()
    })
}

#[test]
fn a_feed_has_what_fits_in_the_order_of_the_log() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let strategy = (logs(), 1..7_u32);
    for world in runtime.block_on(World::all()) {
        let mut runner = TestRunner::new(ProptestConfig::with_cases(40));
        let result = runner.run(&strategy, |(log, limit)| {
            runtime.block_on(async {
                world.run("DELETE FROM event", vec![]).await;
                world.put_events(log.iter().rev().cloned()).await;
                check_feeds(&world, &log, limit).await;
            });
            Ok(())
        });
        runtime.block_on(world.end());
        result.unwrap();
    }
}

async fn check_feeds(world: &World, log: &[EventRow], limit: u32) {
    let expected = |fits: &dyn Fn(&EventRow) -> bool| -> Vec<(i64, i64)> {
        let fits = |row: &&EventRow| row.kind == StreamKind::Execution && fits(row);
        log.iter()
            .filter(fits)
            .map(|row| (row.tx, row.ord))
            .collect()
    };
    let is_rare = |row: &EventRow| row.body == domain("rare");
    let session = Feed::Session(session_id(1));
    assert_eq!(
        read(world, &session, limit).await,
        expected(&|row| row.session == 1)
    );
    assert_eq!(
        read(world, &tenant_feed(&[], &[], None), limit).await,
        expected(&|_| true)
    );
    assert_eq!(
        read(
            world,
            &tenant_feed(&["domain.rare"], &["parse"], Some(1)),
            limit
        )
        .await,
        expected(&|row| is_rare(row) && row.intent_type == "parse" && row.session == 1)
    );
    assert_eq!(
        read(
            world,
            &tenant_feed(&["domain.rare", "none"], &[], None),
            limit
        )
        .await,
        expected(&is_rare)
    );
}

#[tokio::test]
async fn a_filter_that_fits_next_to_nothing_moves_on_and_finds_it() {
    on_each_database(async |world| {
        let rows = (1..=9_000).map(|seq| {
            let mut row = event(1, seq, 1 + seq / 100);
            row.ord = seq % 100;
            if seq == 8_500 {
                row.body = domain("rare");
            }
            row
        });
        world.put_events(rows).await;
        let feed = tenant_feed(&["domain.rare"], &[], None);
        let first = world
            .storage
            .feed_after(&scope(), &feed, Cursor::default(), 100)
            .await;
        let first = first.unwrap();
        assert_eq!(first.events, []);
        let looked_at = (first.last.tx, first.last.ord);
        assert_eq!(looked_at, (41, 0), "it says how far it has looked");
        assert_eq!(read(world, &feed, 100).await, [(86, 0)]);

        let theirs = world
            .storage
            .feed_after(&scope_of("theirs"), &feed, Cursor::default(), 100)
            .await;
        let theirs = theirs.unwrap();
        assert_eq!((theirs.events, theirs.last), (vec![], Cursor::default()));
    })
    .await;
}

#[tokio::test]
async fn a_feed_waits_for_a_transaction_that_began_earlier() {
    on_each_database(async |world| {
        if !world.is_postgres() {
            return;
        }
        let db = &world.storage.db.reader;
        let early = db.whole.inner.begin().await.unwrap();
        let early_tx = number_of(&early).await;
        let late = db.whole.inner.begin().await.unwrap();
        let late_tx = number_of(&late).await;
        put_events(&late, [event(2, 1, late_tx)]).await;
        late.commit().await.unwrap();

        let feed = tenant_feed(&[], &[], None);
        let filtered = tenant_feed(&["domain.x"], &[], None);
        for feed in [&feed, &filtered] {
            assert_eq!(
                read(world, feed, 10).await,
                [],
                "the early one may still write before"
            );
        }
        put_events(&early, [event(1, 1, early_tx)]).await;
        early.commit().await.unwrap();
        for feed in [&feed, &filtered] {
            assert_eq!(read(world, feed, 10).await, [(early_tx, 0), (late_tx, 0)]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_read_by_its_sequence() {
    on_each_database(async |world| {
        world
            .put_events((1..=5).map(|seq| event(1, seq, seq)))
            .await;
        world.put_events([event(2, 1, 9)]).await;
        let storage = &world.storage;
        let sequences = async |scope: &_, after, limit| -> Vec<i64> {
            let events = storage.events_after(scope, execution_id(1), after, limit);
            events
                .await
                .unwrap()
                .iter()
                .map(|event| event.cursor.seq)
                .collect()
        };
        assert_eq!(sequences(&scope(), 0, 9).await, [1, 2, 3, 4, 5]);
        assert_eq!(sequences(&scope(), 2, 2).await, [3, 4]);
        assert_eq!(sequences(&scope(), 5, 9).await, [0_i64; 0]);
        assert_eq!(sequences(&scope_of("theirs"), 0, 9).await, [0_i64; 0]);
    })
    .await;
}

#[tokio::test]
async fn the_log_of_one_stream_has_every_kind_of_entry_in_order() {
    on_each_database(async |world| {
        let mut rows: Vec<EventRow> = (1..=6).map(|seq| event(1, seq, 10 - seq)).collect();
        rows.extend((1..=6).map(|seq| event(2, seq, seq)));
        for row in &mut rows[..6] {
            row.kind = StreamKind::Session;
        }
        world.put_events(rows).await;
        let storage = &world.storage;
        let filter = WalFilter {
            stream: Some(StreamName::Any(execution_id(1).0)),
            ..Default::default()
        };
        let (mut cursor, mut found) = (Cursor::default(), Vec::new());
        loop {
            let entries = storage
                .wal_after(&scope(), &filter, cursor, 2)
                .await
                .unwrap();
            let Some(last) = entries.last() else { break };
            cursor = last.cursor;
            found.extend(entries.iter().map(|entry| entry.cursor.seq));
        }
        assert_eq!(
            found,
            [6, 5, 4, 3, 2, 1],
            "the order of the log, not that of the stream"
        );

        let filter = WalFilter {
            created_after: Some(4),
            created_before: Some(7),
            types: vec!["domain.x".into()],
            ..Default::default()
        };
        let entries = storage
            .wal_after(&scope(), &filter, Cursor::default(), 9)
            .await;
        let times: Vec<_> = entries
            .unwrap()
            .iter()
            .map(|entry| entry.occurred_at)
            .collect();
        assert_eq!(times, [5, 5, 6, 6].to_vec());
        let theirs = storage
            .wal_after(&scope_of("theirs"), &filter, Cursor::default(), 9)
            .await;
        assert_eq!(theirs.unwrap(), []);
    })
    .await;
}

/// A session of somebody else in the same cluster, with a transaction that has a number.
async fn foreign_transaction(
    world: &World,
    database: Option<&str>,
) -> sea_orm::DatabaseTransaction {
    let mut url = world.server.as_ref().unwrap().database_url();
    if let Some(database) = database {
        let (host, _) = url.rsplit_once('/').unwrap();
        url = format!("{host}/{database}");
    }
    let open = sea_orm::Database::connect(url)
        .await
        .unwrap()
        .begin()
        .await
        .unwrap();
    open.execute_unprepared("SELECT pg_current_xact_id()")
        .await
        .unwrap();
    open
}

#[tokio::test]
async fn transactions_of_others_do_not_hold_a_feed_back() {
    on_each_database(async |world| {
        if !world.is_postgres() {
            return;
        }
        let mut open = Vec::new();
        for database in [None, Some("postgres")] {
            open.push(foreign_transaction(world, database).await);
        }
        let late = world.storage.db.reader.whole.inner.begin().await.unwrap();
        let tx = number_of(&late).await;
        put_events(&late, [event(1, 1, tx)]).await;
        late.commit().await.unwrap();
        assert_eq!(
            read(world, &tenant_feed(&[], &[], None), 10).await,
            [(tx, 0)]
        );
        for open in open {
            open.rollback().await.unwrap();
        }
    })
    .await;
}

async fn number_of(db: &sea_orm::DatabaseTransaction) -> i64 {
    let text = "SELECT pg_current_xact_id()::text::bigint AS tx";
    let rows = sql::query(db, text, []).await.unwrap();
    sql::get(&rows[0], "tx").unwrap()
}

/// Writers get their numbers in one order and commit in another, while others read on and sessions of
/// somebody else come and go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_passes_no_event_that_comes_late() {
    const WRITERS: u128 = 6;
    const EACH: i64 = 60;
    on_each_database(async |world| {
        if !world.is_postgres() {
            return;
        }
        let options = sea_orm::ConnectOptions::new(world.server.as_ref().unwrap().database_url())
            .max_connections(16)
            .set_application_name(crate::storage::db::APPLICATION)
            .clone();
        let pool = sea_orm::Database::connect(options).await.unwrap();
        let write = async |stream: u128| {
            let mut written = Vec::new();
            for seq in 1..=EACH {
                let open = pool.begin().await.unwrap();
                let tx = number_of(&open).await;
                let pause = (stream * 31 + u128::from(seq.unsigned_abs()) * 17) % 23;
                tokio::time::sleep(std::time::Duration::from_millis(pause as u64)).await;
                put_events(&open, [event(stream, seq, tx)]).await;
                open.commit().await.unwrap();
                written.push((tx, 0));
            }
            written
        };
        let foreign = async {
            let open = foreign_transaction(world, None).await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            open.rollback().await.unwrap();
        };
        let total = usize::try_from(EACH).unwrap() * usize::try_from(WRITERS).unwrap();
        let follow = async {
            let (feed, mut cursor) = (tenant_feed(&[], &[], None), Cursor::default());
            let mut found = Vec::new();
            while found.len() < total {
                let page = world
                    .storage
                    .feed_after(&scope(), &feed, cursor, 7)
                    .await
                    .unwrap();
                cursor = page.last;
                found.extend(
                    page.events
                        .iter()
                        .map(|event| (event.cursor.tx, event.cursor.ord)),
                );
            }
            found
        };
        let writers = futures::future::join_all((0..WRITERS).map(write));
        let following = tokio::time::timeout(std::time::Duration::from_secs(30), follow);
        let (written, found, ()) = futures::join!(writers, following, foreign);
        let mut written = written.concat();
        let in_order_of_commits = written.clone();
        written.sort_unstable();
        assert_ne!(written, in_order_of_commits);
        assert_eq!(found.expect("the reader passed an event"), written);
        pool.close().await.unwrap();
    })
    .await;
}

/// Nodes may use roles of their own, none of which sees what another one's sessions do.
#[tokio::test]
async fn a_writer_of_another_role_is_waited_for() {
    on_each_database(async |world| {
        let Some(server) = &world.server else {
            return;
        };
        let role = format!("{}_plain", server.database);
        let db = &world.storage.db.reader;
        let run = async |text: String| db.whole.inner.execute_unprepared(&text).await.unwrap();
        run(format!("CREATE ROLE {role} LOGIN")).await;
        run(format!(
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
        ))
        .await;
        let early = db.whole.inner.begin().await.unwrap();
        let early_tx = number_of(&early).await;
        let late = db.whole.inner.begin().await.unwrap();
        let late_tx = number_of(&late).await;
        put_events(&late, [event(2, 1, late_tx)]).await;
        late.commit().await.unwrap();

        let mut options = world.options.clone();
        options.url = server
            .database_url()
            .replacen("://takeoff@", &format!("://{role}@"), 1);
        assert!(options.url.contains(&role));
        let write = crate::storage::WriteOptions {
            writers: 1,
            batch_max_items: 1,
            queue_capacity: 1,
        };
        let plain = crate::storage::Storage::connect(&options, write, &Metrics::new())
            .await
            .unwrap();
        let feed = tenant_feed(&[], &[], None);
        let seen = async || {
            let page = plain
                .feed_after(&scope(), &feed, Cursor::default(), 10)
                .await
                .unwrap();
            page.events
                .iter()
                .map(|event| event.cursor.tx)
                .collect::<Vec<_>>()
        };
        assert_eq!(seen().await, [0_i64; 0]);
        put_events(&early, [event(1, 1, early_tx)]).await;
        early.commit().await.unwrap();
        assert_eq!(seen().await, [early_tx, late_tx]);
        drop(plain);
        run(format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    })
    .await;
}
