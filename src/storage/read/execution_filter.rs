//! Filters of lists of executions, and the ranges of indexes that answer them.

use std::{collections::BTreeSet, sync::Arc};

use sea_orm::{DbBackend, Value};
use serde::{Deserialize, Serialize};

use super::{
    super::KeyScope,
    awaited::{NEWEST_CHILDREN, waits_for},
    listing::{Listing, MOST_RANGES, Order, Range, Way},
    metadata::MetadataMember,
    page::{Conditions, WHOLE_TENANT, tenant_column},
};
use crate::model::{ExecutionId, ExecutionStatus, Micros, SessionId, TenantScope, WaitReason};

/// Which executions are wanted; an empty list of values means any. Written as JSON its members are named as in the API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ExecutionFilter {
    /// One of these.
    #[serde(rename = "status")]
    pub statuses: Vec<ExecutionStatus>,
    /// One of these.
    #[serde(rename = "intentType")]
    pub intent_types: Vec<String>,
    /// In this session.
    pub session_id: Option<SessionId>,
    /// Of this user, as it was when they were submitted.
    pub user_id: Option<Arc<str>>,
    /// Children of this one.
    pub parent_id: Option<ExecutionId>,
    /// Only those without a parent.
    pub roots_only: bool,
    /// The one that a submit with this key finds.
    pub idempotency_key: Option<String>,
    /// Of intents with all of these in their metadata.
    pub metadata: Vec<MetadataMember>,
    /// Accepted after this time.
    pub created_after: Option<Micros>,
    /// Accepted before this time.
    pub created_before: Option<Micros>,
    /// Of one of these handlers.
    #[serde(rename = "handlerName")]
    pub handler_names: Vec<String>,
    /// Those that repeat this one.
    pub rerun_of: Option<ExecutionId>,
    /// Live, and not running for one of these reasons.
    pub waiting_for: Vec<WaitReason>,
    /// Failed with one of these codes.
    #[serde(rename = "errorCode")]
    pub error_codes: Vec<String>,
    /// Ended after this time.
    pub finished_after: Option<Micros>,
    /// Ended before this time.
    pub finished_before: Option<Micros>,
    /// Those that have ended, by when they did, instead of all by when they were accepted.
    pub by_finish: bool,
    /// Oldest first instead of newest first.
    pub oldest_first: bool,
}

impl ExecutionFilter {
    /// The statuses that what is wanted may have, in view of all conditions.
    fn statuses(&self) -> BTreeSet<ExecutionStatus> {
        let is_of_ended =
            self.by_finish || self.finished_after.is_some() || self.finished_before.is_some();
        let all = ExecutionStatus::ALL.into_iter();
        let wanted = all.filter(|status| {
            (self.statuses.is_empty() || self.statuses.contains(status))
                && (self.waiting_for.is_empty() || !status.is_terminal())
                && (self.error_codes.is_empty() || *status == ExecutionStatus::Failed)
                && (!is_of_ended || status.is_terminal())
        });
        wanted.collect()
    }
}

/// The condition of the index of what failed, by its code.
const FAILED: &str = "listed_as + 0 IN (6, 7)";

/// The condition of the index of what failed or was cancelled, by its type.
const UNSUCCESSFUL: &str = "listed_as + 0 >= 6";

/// Not a boolean, which PostgreSQL would rewrite before it looks for an index.
const IS_ROOT: &str = "(CASE WHEN parent_id IS NULL THEN 1 ELSE 0 END)";

/// The number by which indexes tell executions apart, the same for all that are live.
fn listed_as(status: ExecutionStatus, is_root: bool) -> i64 {
    let status = if status.is_terminal() {
        status.code()
    } else {
        0
    };
    2 * status + i64::from(is_root)
}

pub(super) fn listing_of(
    scope: &TenantScope,
    filter: &ExecutionFilter,
    backend: DbBackend,
) -> Listing {
    let question = Question {
        tenant: scope.tenant().as_str(),
        statuses: filter.statuses(),
        filter,
        backend,
    };
    let few = question.few();
    Listing {
        table: "execution",
        key: "id",
        order: match few {
            Some(_) => Order::Key,
            None if filter.by_finish => Order::Finish,
            None => Order::Time,
        },
        tenant: question.tenant.to_owned(),
        looked_at: "id, status, intent_type, handler_name, session_id, user_id, parent_id, rerun_of, metadata, \
                    error_code, created_at, finished_at",
        is_looked_into: !filter.metadata.is_empty(),
        window: question.window(),
        ways: few.map_or_else(|| question.ways(), |few| vec![few]),
    }
}

/// A condition that the ranges of a way may answer. All in the order of time answer a window of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    Session,
    User,
    Kind,
    Type,
    Roots,
    Error,
}

/// A filter whose ways are looked for.
struct Question<'a> {
    tenant: &'a str,
    filter: &'a ExecutionFilter,
    /// The statuses that what is wanted may have.
    statuses: BTreeSet<ExecutionStatus>,
    backend: DbBackend,
}

impl Question<'_> {
    fn created(&self) -> (Option<Micros>, Option<Micros>) {
        (self.filter.created_after, self.filter.created_before)
    }

    fn finished(&self) -> (Option<Micros>, Option<Micros>) {
        (self.filter.finished_after, self.filter.finished_before)
    }

    /// The window of the time by which the list is ordered.
    fn window(&self) -> (Option<Micros>, Option<Micros>) {
        if self.filter.by_finish {
            self.finished()
        } else {
            self.created()
        }
    }

    /// The way that leads to rows which fit if they have what is not answered.
    fn way(&self, ranges: Vec<Range>, answered: &[Answered]) -> Way {
        Way {
            rows_each: self.rows_each(),
            ..Way::new(ranges, self.fits(answered))
        }
    }

    /// The rows that are read to tell of one whether it fits.
    fn rows_each(&self) -> i64 {
        match self.filter.waiting_for.as_slice() {
            [] => 1,
            reasons if reasons.contains(&WaitReason::Children) => 4 + NEWEST_CHILDREN,
            _ => 3,
        }
    }

    /// Returns the range of the few rows under a key, a parent or what is repeated.
    fn few(&self) -> Option<Way> {
        let of_tenant = format!("{} = ?", tenant_column(true));
        let range = if let Some(key) = &self.filter.idempotency_key {
            let scope = KeyScope::Caller as i64;
            let found_by = format!("{of_tenant} AND id = {KEYED}");
            let key = key.as_str().into();
            let values = vec![self.tenant.into(), self.tenant.into(), scope.into(), key];
            Range {
                found_by: Some((found_by, values)),
                ..Range::default()
            }
        } else if let Some(repeated) = self.filter.rerun_of {
            Range {
                index: "execution_idx_rerun",
                equal: vec![("rerun_of", repeated.0.into())],
                rule: "rerun_of IS NOT NULL",
                found_by: Some((of_tenant, vec![self.tenant.into()])),
            }
        } else {
            Range {
                index: "execution_idx_2",
                equal: vec![("parent_id", self.filter.parent_id?.0.into())],
                rule: "parent_id IS NOT NULL",
                found_by: Some((of_tenant, vec![self.tenant.into()])),
            }
        };
        let mut fits = self.fits(&[]);
        fits.within("created_at", self.created());
        let is_keyed = self.filter.idempotency_key.is_some();
        if let Some(parent) = self.filter.parent_id
            && (is_keyed || self.filter.rerun_of.is_some())
        {
            fits.add("parent_id = ?", [parent.0.into()]);
        }
        if let (true, Some(repeated)) = (is_keyed, self.filter.rerun_of) {
            fits.add("rerun_of = ?", [repeated.0.into()]);
        }
        Some(Way {
            rows_each: self.rows_each(),
            ..Way::new(vec![range], fits)
        })
    }

    fn ways(&self) -> Vec<Way> {
        if self.filter.by_finish {
            return vec![self.of_finished()];
        }
        let ways = [
            self.of_errors(),
            self.of_session(),
            self.of_user(),
            self.of_types(),
            self.of_kinds(),
        ];
        Way::among(ways, || {
            let all = Range::of("execution_idx_time", [(WHOLE_TENANT, self.tenant.into())]);
            self.way(vec![all], &[])
        })
    }

    fn of_finished(&self) -> Way {
        let ranges = self.kinds().into_iter().map(|kind| {
            let equal = [
                ("listed_as + 1", (kind + 1).into()),
                ("tenant_id", self.tenant.into()),
            ];
            Range {
                rule: "finished_at IS NOT NULL",
                ..Range::of("execution_idx_finish", equal)
            }
        });
        let answered = [Answered::Kind, Answered::Roots];
        self.way(ranges.collect(), &answered)
    }

    fn of_errors(&self) -> Option<Way> {
        let codes: BTreeSet<&str> = self.filter.error_codes.iter().map(String::as_str).collect();
        let ranges = codes.iter().map(|code| {
            let equal = [
                ("error_code", (*code).into()),
                ("tenant_id", self.tenant.into()),
            ];
            Range {
                rule: FAILED,
                ..Range::of("execution_idx_error", equal)
            }
        });
        let is_any = !self.statuses.is_empty();
        let ranges = ranges.filter(|_| is_any);
        (1..=MOST_RANGES)
            .contains(&codes.len())
            .then(|| self.way(ranges.collect(), &[Answered::Error, Answered::Kind]))
    }

    fn of_session(&self) -> Option<Way> {
        let session = self.filter.session_id?;
        let range = Range::of_session("execution_idx_session", session, self.tenant);
        Some(self.way(vec![range], &[Answered::Session]))
    }

    fn of_user(&self) -> Option<Way> {
        let user = self.filter.user_id.as_deref()?;
        let range = Range::of_user("execution_idx_user", user, self.tenant);
        Some(self.way(vec![range], &[Answered::User]))
    }

    fn of_types(&self) -> Option<Way> {
        let types: BTreeSet<&str> = self
            .filter
            .intent_types
            .iter()
            .map(String::as_str)
            .collect();
        let statuses = &self.statuses;
        let is_ended = |status: &ExecutionStatus| status.is_terminal();
        let is_unsuccessful = !statuses.is_empty()
            && statuses.iter().all(is_ended)
            && !statuses.contains(&ExecutionStatus::Completed);
        let mut ranges = Vec::new();
        for name in types {
            if is_unsuccessful {
                ranges.extend(self.kinds().into_iter().map(|kind| {
                    let equal = [
                        ("intent_type || ''", name.into()),
                        ("tenant_id", self.tenant.into()),
                        ("listed_as + 0", kind.into()),
                    ];
                    Range {
                        rule: UNSUCCESSFUL,
                        ..Range::of("execution_idx_unsuccessful", equal)
                    }
                }));
                continue;
            }
            let both = [true, false].into_iter();
            let are_roots = both.filter(|is_root| *is_root || !self.filter.roots_only);
            ranges.extend(are_roots.map(|is_root| {
                let equal = [
                    ("intent_type", name.into()),
                    ("tenant_id", self.tenant.into()),
                    (IS_ROOT, i64::from(is_root).into()),
                ];
                Range::of("execution_idx_type", equal)
            }));
        }
        let mut answered = vec![Answered::Type, Answered::Roots];
        answered.extend(is_unsuccessful.then_some(Answered::Kind));
        (1..=MOST_RANGES)
            .contains(&ranges.len())
            .then(|| self.way(ranges, &answered))
    }

    fn of_kinds(&self) -> Option<Way> {
        if self.is_of_any_status() && !self.filter.roots_only {
            return None;
        }
        let ranges = self.kinds().into_iter().map(|kind| {
            let equal = [
                ("listed_as", kind.into()),
                ("tenant_id", self.tenant.into()),
            ];
            Range::of("execution_idx_kind", equal)
        });
        let wants = |status| self.statuses.contains(&status);
        // What is live is in one range, whether it has started or not.
        let is_told = wants(ExecutionStatus::Created) == wants(ExecutionStatus::Running);
        let mut answered = vec![Answered::Roots];
        answered.extend(is_told.then_some(Answered::Kind));
        Some(self.way(ranges.collect(), &answered))
    }

    fn is_of_any_status(&self) -> bool {
        self.statuses.len() == ExecutionStatus::ALL.len()
    }

    /// The numbers of what is wanted, by which indexes tell executions apart.
    fn kinds(&self) -> BTreeSet<i64> {
        let kinds = self.statuses.iter().copied().flat_map(|status| {
            let children = (!self.filter.roots_only).then(|| listed_as(status, false));
            children.into_iter().chain([listed_as(status, true)])
        });
        kinds.collect()
    }

    /// The conditions that are not answered, so that no index answers them by itself.
    fn fits(&self, answered: &[Answered]) -> Conditions {
        let mut fits = Conditions::default();
        self.add_state(&mut fits, answered);
        if self.filter.by_finish {
            fits.within("created_at", self.created());
        } else {
            fits.within("finished_at", self.finished());
        }
        self.add_lasting(&mut fits, answered);
        self.add_reasons(&mut fits);
        fits
    }

    /// Adds what an execution may come to fit, and fit no more.
    fn add_state(&self, fits: &mut Conditions, answered: &[Answered]) {
        if self.statuses.is_empty() {
            fits.add("1 = 0", []);
        } else if !answered.contains(&Answered::Kind) && !self.is_of_any_status() {
            fits.one_of_codes("status", self.statuses.iter().map(|status| status.code()));
        }
        if !answered.contains(&Answered::Error) {
            fits.one_of("error_code || ''", self.filter.error_codes.iter().cloned());
        }
    }

    /// Adds what an execution fits from its beginning or never.
    fn add_lasting(&self, fits: &mut Conditions, answered: &[Answered]) {
        let filter = self.filter;
        fits.one_of("handler_name", filter.handler_names.iter().cloned());
        if !answered.contains(&Answered::Type) {
            fits.one_of("intent_type || ''", filter.intent_types.iter().cloned());
        }
        if filter.roots_only && !answered.contains(&Answered::Roots) {
            fits.add("parent_id IS NULL", []);
        }
        if let Some(session) = filter
            .session_id
            .filter(|_| !answered.contains(&Answered::Session))
        {
            fits.add("COALESCE(session_id, session_id) = ?", [session.0.into()]);
        }
        if let Some(user) = filter.user_id.as_deref()
            && !answered.contains(&Answered::User)
        {
            fits.add("user_id || '' = ?", [user.into()]);
        }
        for member in &filter.metadata {
            member.add_to(fits, self.backend);
        }
    }

    /// Adds that an execution waits for one of the reasons, if there are any.
    fn add_reasons(&self, fits: &mut Conditions) {
        if self.filter.waiting_for.is_empty() {
            return;
        }
        let reasons: BTreeSet<String> = self
            .filter
            .waiting_for
            .iter()
            .copied()
            .map(waits_for)
            .collect();
        let reasons: Vec<String> = reasons.into_iter().collect();
        let condition = format!("({})", reasons.join(" OR "));
        let places = condition.matches('?').count();
        fits.add(&condition, vec![Value::from(self.tenant); places]);
    }
}

/// The execution that a key finds; the places are the tenant, the scope and the key.
const KEYED: &str =
    "(SELECT execution_id FROM idempotency WHERE tenant_id = ? AND scope = ? AND key = ?)";

/// The conditions of a filter on rows that are found by their ids.
pub(super) struct OfFound {
    /// What a row fits from its beginning or never.
    pub(super) lasting: String,
    /// What a row may come to fit.
    pub(super) passing: String,
    /// True if a row that fits never stops to.
    pub(super) is_final: bool,
}

/// The conditions of a filter on rows that are found by their ids, both none or more; their values are added to `fits`.
pub(super) fn of_found(
    scope: &TenantScope,
    filter: &ExecutionFilter,
    backend: DbBackend,
    fits: &mut Conditions,
) -> OfFound {
    let question = Question {
        tenant: scope.tenant().as_str(),
        statuses: filter.statuses(),
        filter,
        backend,
    };
    question.add_lasting(fits, &[]);
    fits.within("created_at", question.created());
    if let Some(key) = &filter.idempotency_key {
        let scope = KeyScope::Caller as i64;
        let values = [question.tenant.into(), scope.into(), key.as_str().into()];
        fits.add(&format!("id = {KEYED}"), values);
    }
    for (column, wanted) in [
        ("parent_id", filter.parent_id),
        ("rerun_of", filter.rerun_of),
    ] {
        if let Some(id) = wanted {
            fits.add(&format!("COALESCE({column}, {column}) = ?"), [id.0.into()]);
        }
    }
    let lasting = fits.take();
    question.add_state(fits, &[]);
    fits.within("finished_at", question.finished());
    question.add_reasons(fits);
    let is_ended = |status: &ExecutionStatus| status.is_terminal();
    OfFound {
        lasting,
        passing: fits.take(),
        is_final: question.statuses.iter().all(is_ended),
    }
}
