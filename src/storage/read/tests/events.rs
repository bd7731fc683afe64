//! Streams and feeds of the log.

use proptest::{prelude::*, test_runner::TestRunner};
use sea_orm::TransactionTrait;

use super::{
    World, on_each_database,
    rows::{EventRow, event, execution_id, put_events, session_id},
    scope, scope_of,
};
use crate::{
    model::{Cursor, EventBody, StreamKind},
    storage::{Feed, WalFilter, sql},
};

fn tenant_feed(types: &[&str], intent_types: &[&str], session: Option<u128>) -> Feed {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
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
        let number = async |db: &sea_orm::DatabaseTransaction| -> i64 {
            let text = "SELECT pg_current_xact_id()::text::bigint AS tx";
            let rows = sql::query(db, text, []).await.unwrap();
            sql::get(&rows[0], "tx").unwrap()
        };
        let early = db.inner.begin().await.unwrap();
        let early_tx = number(&early).await;
        let late = db.inner.begin().await.unwrap();
        let late_tx = number(&late).await;
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
            stream_id: Some(execution_id(1).0),
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
