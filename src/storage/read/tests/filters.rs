//! Lists of artifacts and sessions by each condition of their filters and each pair of two, against plain filters of
//! the same rows.

use serde_json::json;

use super::{
    on_each_database,
    rows::{ArtifactRow, SessionRow, artifact, execution_id, session, session_id},
    scope,
};
use crate::{
    model::{
        ArtifactState::{self, Deleted, Pending, Ready},
        SessionStatus::{self, Active, Closed, Expired, Upgraded},
    },
    storage::{ArtifactFilter, MetadataMember, Page, PageRequest, SessionFilter},
};

/// Almost all artifacts are ready tables; the others are few.
pub(super) fn artifact_of(key: i64) -> ArtifactRow {
    let mut row = artifact(key);
    row.artifact_type = match key {
        n if n % 3 == 0 => "file",
        n if n % 500 == 17 => "rare",
        _ => "table",
    };
    row.state = match key {
        n if n % 500 == 0 => ArtifactState::Failed,
        n if n % 700 == 0 => Pending,
        _ => Ready,
    };
    row.name = match key {
        77 => Some("the needle.csv".into()),
        n if n % 4 == 0 => None,
        n => Some(format!("Sales {n}.csv")),
    };
    row.user = match key % 100 {
        0..90 => Some("ann"),
        95 => Some("bob"),
        _ => None,
    };
    row.session = if key % 400 == 7 { 2 } else { 1 };
    row.execution = u128::from(key.unsigned_abs()) / 5;
    row
}

/// Almost all sessions are Ann's and active; of the others some are overdue.
pub(super) fn session_of(number: u128, now: i64) -> SessionRow {
    let hour = 3_600_000_000;
    let mut row = session(number, Active, now + hour);
    (row.status, row.expires_at) = match number {
        n if n % 500 == 0 => (Closed, now - hour),
        n if n % 300 == 0 => (Expired, now - hour),
        n if n % 700 == 0 => (Upgraded, now - hour),
        n if n % 900 == 1 => (Active, now - hour),
        n if n % 600 == 1 => (Upgraded, now + hour),
        _ => (Active, now + hour),
    };
    row.user = if number % 500 < 2 { "bob" } else { "ann" };
    row.metadata = if number.is_multiple_of(2) {
        r#"{"team": "blue"}"#
    } else {
        "{}"
    };
    row
}

pub(super) type Changes<F> = Vec<Box<dyn Fn(&mut F)>>;

/// A condition with each of some values.
pub(super) fn each<F, V: Clone + 'static>(
    values: impl IntoIterator<Item = V>,
    set: impl Fn(&mut F, V) + Copy + 'static,
) -> Changes<F> {
    let change = |value: V| -> Box<dyn Fn(&mut F)> { Box::new(move |it| set(it, value.clone())) };
    values.into_iter().map(change).collect()
}

pub(super) fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|one| (*one).to_owned()).collect()
}

pub(super) fn member(name: &str, value: &str) -> Vec<MetadataMember> {
    MetadataMember::all([(name.to_owned(), json!(value))]).unwrap()
}

/// As those of executions; the times are those of keys.
pub(super) fn artifact_filters(count: i64) -> Vec<ArtifactFilter> {
    let states = [
        vec![ArtifactState::Failed],
        vec![Deleted],
        vec![Ready],
        vec![Pending, Ready],
    ];
    let types = [&["rare"][..], &["absent"], &["file"], &["table", "rare"]];
    pairs(&[
        each([()], |_: &mut ArtifactFilter, ()| ()),
        each(states, |it: &mut ArtifactFilter, all| it.states = all),
        each(types.map(texts), |it: &mut ArtifactFilter, all| {
            it.artifact_types = all;
        }),
        each([1, 2, 3], |it: &mut ArtifactFilter, number| {
            it.session_id = Some(session_id(number));
        }),
        each(["ann", "bob", "nobody"], |it: &mut ArtifactFilter, user| {
            it.user_id = Some(user.into());
        }),
        each([4, 999_999], |it: &mut ArtifactFilter, number| {
            it.execution_id = Some(execution_id(number));
        }),
        each(
            ["NEEDLE", "les", "absent"],
            |it: &mut ArtifactFilter, name| it.name_contains = Some(name.to_owned()),
        ),
        each([10, count - 100, count], |it: &mut ArtifactFilter, time| {
            it.created_after = Some(time);
        }),
        each([100, count - 100, 0], |it: &mut ArtifactFilter, time| {
            it.created_before = Some(time);
        }),
    ])
}

/// As those of executions.
pub(super) fn session_filters() -> Vec<SessionFilter> {
    let statuses = [
        vec![Active],
        vec![Expired],
        vec![Closed],
        vec![Upgraded, Active],
        vec![Closed, Expired, Active],
    ];
    pairs(&[
        each([()], |_: &mut SessionFilter, ()| ()),
        each(statuses, |it: &mut SessionFilter, all| it.statuses = all),
        each(["ann", "bob", "nobody"], |it: &mut SessionFilter, user| {
            it.user_id = Some(user.to_owned());
        }),
        each(["blue", "absent"], |it: &mut SessionFilter, name| {
            it.metadata = member("team", name);
        }),
    ])
}

pub(super) fn pairs<F: Default>(conditions: &[Changes<F>]) -> Vec<F> {
    let mut all = Vec::new();
    for (number, ones) in conditions.iter().enumerate() {
        let others = conditions[number + 1..].iter().flatten();
        for (one, other) in others.flat_map(|other| ones.iter().map(move |one| (one, other))) {
            let mut filter = F::default();
            one(&mut filter);
            other(&mut filter);
            all.push(filter);
        }
    }
    all
}

pub(super) fn is_one_of<T: PartialEq>(wanted: &[T], value: &T) -> bool {
    wanted.is_empty() || wanted.contains(value)
}

pub(super) fn is_within(time: i64, after: Option<i64>, before: Option<i64>) -> bool {
    after.is_none_or(|after| time > after) && before.is_none_or(|before| time < before)
}

pub(super) fn is_of(wanted: Option<&str>, user: Option<&str>) -> bool {
    wanted.is_none() || wanted == user
}

fn artifact_fits(filter: &ArtifactFilter, row: &ArtifactRow) -> bool {
    let name = row.name.clone().unwrap_or_default().to_lowercase();
    let wanted = |text: &String| name.contains(&text.to_lowercase());
    is_one_of(&filter.states, &row.state)
        && is_one_of(&filter.artifact_types, &row.artifact_type.to_owned())
        && filter
            .session_id
            .is_none_or(|it| it == session_id(row.session))
        && is_of(filter.user_id.as_deref(), row.user)
        && filter
            .execution_id
            .is_none_or(|it| it == execution_id(row.execution))
        && filter.name_contains.as_ref().is_none_or(wanted)
        && is_within(row.key, filter.created_after, filter.created_before)
}

fn session_fits(filter: &SessionFilter, row: &SessionRow, now: i64) -> bool {
    let status: SessionStatus = row.status.when(row.expires_at <= now);
    is_one_of(&filter.statuses, &status)
        && filter.user_id.as_ref().is_none_or(|user| user == row.user)
        && (filter.metadata.is_empty()
            || filter.metadata == member("team", "blue") && row.metadata != "{}")
}

/// Every item of a list, page by page.
pub(super) async fn whole<K: Copy, T>(
    backward: bool,
    page: impl AsyncFn(PageRequest<K>) -> Page<K, T>,
) -> Vec<K> {
    let mut all = Vec::new();
    let mut request = PageRequest {
        backward,
        ..PageRequest::first(50)
    };
    loop {
        let part = page(request).await;
        let keys = part.items.iter().map(|(key, _)| *key);
        let (more, end) = if backward {
            all.extend(keys.rev());
            request.before = part.start;
            (part.has_previous, part.start)
        } else {
            all.extend(keys);
            request.after = part.end;
            (part.has_next, part.end)
        };
        if !more {
            return all;
        }
        assert!(
            end.is_some(),
            "a page with others behind it says where to go on"
        );
    }
}

pub(super) const COUNT: u128 = 2_000;

#[tokio::test]
async fn artifacts_are_listed_by_every_pair_of_conditions_whichever_way() {
    on_each_database(async |world| {
        let count = i64::try_from(COUNT).unwrap();
        let rows: Vec<_> = (1..=count).map(artifact_of).collect();
        world.put_artifacts(rows.clone()).await;
        let (ours, storage) = (scope(), &world.storage);
        for (number, mut filter) in artifact_filters(count).into_iter().enumerate() {
            filter.oldest_first = number.is_multiple_of(2);
            let expected = rows.iter().filter(|row| artifact_fits(&filter, row));
            let mut expected: Vec<_> = expected.map(|row| row.key).collect();
            let backward = number.is_multiple_of(3);
            if filter.oldest_first == backward {
                expected.reverse();
            }
            let page = async |request| {
                storage
                    .list_artifacts(&ours, &filter, &request)
                    .await
                    .unwrap()
            };
            assert_eq!(
                whole(backward, page).await,
                expected,
                "{filter:?} {backward}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn sessions_are_listed_by_every_pair_of_conditions_whichever_way() {
    on_each_database(async |world| {
        let now = world.now().await;
        let rows: Vec<_> = (1..=COUNT).map(|number| session_of(number, now)).collect();
        world.put_sessions(rows.clone()).await;
        let (ours, storage) = (scope(), &world.storage);
        for (number, filter) in session_filters().into_iter().enumerate() {
            let expected = rows.iter().filter(|row| session_fits(&filter, row, now));
            let mut expected: Vec<_> = expected.map(|row| session_id(row.number)).collect();
            let backward = number.is_multiple_of(3);
            if !backward {
                expected.reverse();
            }
            let page = async |request| {
                storage
                    .list_sessions(&ours, &filter, &request)
                    .await
                    .unwrap()
            };
            assert_eq!(
                whole(backward, page).await,
                expected,
                "{filter:?} {backward}"
            );
        }
    })
    .await;
}
