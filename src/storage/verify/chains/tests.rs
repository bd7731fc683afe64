//! What is said of a chain that was changed, without a database.

use super::*;

fn entry(seq: i64, before: Option<ChainHash>) -> event::Model {
    let mut row = event::Model {
        stream_id: Uuid::from_u128(1),
        seq,
        stream_kind: StreamKind::Execution.code(),
        tenant_id: "t".into(),
        session_id: Uuid::from_u128(2),
        intent_type: None,
        event_type: "e".into(),
        data: "{}".into(),
        payload: None,
        tx: seq,
        ord: 0,
        occurred_at: 7,
        actor: None,
        hash: None,
    };
    row.hash = Some(Entry::of(&row).hash(before).0.to_vec());
    row
}

/// What is said of a stream of four entries that was changed.
fn said(change: impl FnOnce(&mut Vec<event::Model>)) -> Vec<String> {
    let mut rows: Vec<event::Model> = Vec::new();
    for seq in 1..=4 {
        let before = rows.last().map(hash_of);
        rows.push(entry(seq, before));
    }
    let owner = Owner {
        next_seq: Some(5),
        last: rows.last().map(hash_of),
    };
    change(&mut rows);
    let (mut streams, mut report) = (Streams::default(), ChainReport::default());
    let mut stream = Stream {
        name: "s".into(),
        kind: StreamKind::Execution.code(),
        id: Uuid::from_u128(1),
        session_id: Uuid::from_u128(2),
        tenant_id: "t".into(),
        seq: 0,
        last: None,
        misfit: None,
        is_over: false,
    };
    for row in &rows {
        streams.take(&mut stream, row, &mut report).unwrap();
    }
    streams.end(stream, &owner, &mut report);
    streams.tell(&mut report);
    let faults = report.faults.into_iter().map(|fault| fault.what);
    faults.collect()
}

fn hash_of(row: &event::Model) -> ChainHash {
    chain::stored(row.hash.clone()).unwrap().unwrap()
}

fn rehash(rows: &mut [event::Model], at: usize) {
    let before = at.checked_sub(1).map(|before| hash_of(&rows[before]));
    let hash = Entry::of(&rows[at]).hash(before);
    rows[at].hash = Some(hash.0.to_vec());
}

#[test]
fn an_entry_that_was_altered_and_hashed_anew_is_not_taken_for_a_true_one() {
    assert_eq!(said(|_| {}), Vec::<String>::new());
    let found = said(|rows| {
        rows[1].data = "[]".into();
        rehash(rows, 1);
    });
    let expected = "entry 3 does not follow from entry 2: one of them was altered";
    assert_eq!(found, [expected]);
    let found = said(|rows| rows[0].data = "[]".into());
    assert_eq!(found, ["entry 1 was altered"]);
}

#[test]
fn numbers_that_no_server_has_written_end_nothing() {
    let found = said(|rows| rows[3].seq = i64::MAX);
    assert!(
        found.iter().any(|what| what.contains("missing")),
        "{found:?}"
    );
    let found = said(|rows| rows[0].seq = i64::MIN);
    assert!(!found.is_empty());
}
