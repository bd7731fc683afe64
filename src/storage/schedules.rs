//! Schedules, as whoever looks after them and the nodes that move them on need them.

use entity::schedule;
use sea_orm::FromQueryResult;

use super::{
    AdvanceSchedule, ChangeSchedule, Count, CreateSchedule, Error, Page, PageRequest, Storage,
    convert::StoredSchedule,
    read::{Conditions, MOST_COUNTED, finish},
    sql,
    write::HoldSchedules,
};
use crate::model::{
    ExecutionId, Micros, Reach, Schedule, ScheduleId, ScheduleStatus, SessionId, TenantScope,
};
use sql::{columns, get};

/// Which schedules are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScheduleFilter {
    /// One of these; any if there are none.
    pub statuses: Vec<ScheduleStatus>,
    /// Of one of these types; of any if there are none.
    pub intent_types: Vec<String>,
    /// Of this session.
    pub session_id: Option<SessionId>,
    /// With this name.
    pub name: Option<String>,
}

impl Storage {
    /// Makes a schedule.
    ///
    /// # Errors
    /// [`Error::Refused`] when the tenant has too many, or the session is absent or has ended.
    pub async fn create_schedule(&self, create: CreateSchedule) -> Result<Schedule, Error> {
        let tenant = create.scope.tenant().clone();
        self.writer.offer(tenant, create).await
    }

    /// Changes a schedule.
    ///
    /// # Errors
    /// [`Error::Refused`] when the tenant has no such schedule, or it cannot be changed in this way.
    pub async fn change_schedule(&self, change: ChangeSchedule) -> Result<Schedule, Error> {
        let tenant = change.scope.tenant().clone();
        self.writer.offer(tenant, change).await
    }

    /// Writes down where a schedule goes on; false when it was changed meanwhile.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn advance_schedule(&self, advance: AdvanceSchedule) -> Result<bool, Error> {
        self.writer.run(advance).await
    }

    /// Schedules that are due at `now`, whoever's they are, with their versions: those that are due for longest, up to
    /// `limit`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn due_schedules(
        &self,
        now: Micros,
        limit: u32,
    ) -> Result<Vec<(ScheduleId, i64)>, Error> {
        let text = format!(
            "SELECT s.id, s.version FROM schedule s WHERE s.due_at IS NOT NULL AND s.due_at <= $1 \
             ORDER BY s.due_at, s.id LIMIT {limit}"
        );
        let rows = sql::query(&self.db.reader, &text, [now.into()]).await?;
        let due = rows.iter();
        due.map(|row| Ok((ScheduleId(get(row, "id")?), get(row, "version")?)))
            .collect()
    }

    /// When the next schedule is due; none where there is none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_schedule_at(&self) -> Result<Option<Micros>, Error> {
        let text = "SELECT s.due_at FROM schedule s WHERE s.due_at IS NOT NULL ORDER BY s.due_at, s.id LIMIT 1";
        let rows = sql::query(&self.db.reader, text, []).await?;
        rows.first().map(|row| get(row, "due_at")).transpose()
    }

    /// Holds schedules that were seen as due until a time; those among them that nobody else holds.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn hold_schedules(
        &self,
        seen: Vec<(ScheduleId, i64)>,
        until: Micros,
    ) -> Result<Vec<Schedule>, Error> {
        self.writer.run(HoldSchedules { seen, until }).await
    }

    /// The schedule, if it is within reach.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_schedule(
        &self,
        scope: &TenantScope,
        reach: &Reach,
        id: ScheduleId,
    ) -> Result<Option<Schedule>, Error> {
        let text = format!(
            "SELECT {} FROM schedule s WHERE s.id = $1 AND s.tenant_id = $2",
            columns::<schedule::Entity>("s")
        );
        let values = [id.0.into(), scope.tenant().as_str().into()];
        let rows = sql::query(&self.db.reader.of(scope), &text, values).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let found = StoredSchedule::try_from(schedule::Model::from_query_result(row, "")?)?;
        let found = found.schedule;
        let is_reached = self.reaches_session(scope, reach, found.session_id).await?;
        Ok(is_reached.then_some(found))
    }

    /// A page of the schedules within reach that fit a filter, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_schedules(
        &self,
        scope: &TenantScope,
        reach: &Reach,
        filter: &ScheduleFilter,
        page: &PageRequest<ScheduleId>,
    ) -> Result<Page<ScheduleId, Schedule>, Error> {
        let mut wanted = wanted(scope, reach, filter);
        let order = wanted.page("s.id", false, &page.map(|id| id.0));
        let text = format!(
            "SELECT {} FROM schedule s {} {order}",
            columns::<schedule::Entity>("s"),
            wanted.clause()
        );
        let rows = sql::query(&self.db.reader.of(scope), &text, wanted.values).await?;
        let found = rows.iter().map(|row| {
            let row = StoredSchedule::try_from(schedule::Model::from_query_result(row, "")?)?;
            Ok((row.schedule.id, row.schedule))
        });
        Ok(finish(found.collect::<Result<_, Error>>()?, page, None))
    }

    /// Returns the number of schedules that [`Self::list_schedules`] goes through.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_schedules(
        &self,
        scope: &TenantScope,
        reach: &Reach,
        filter: &ScheduleFilter,
    ) -> Result<Count, Error> {
        let wanted = wanted(scope, reach, filter);
        let text = format!(
            "SELECT COUNT(*) AS total FROM (SELECT 1 AS one FROM schedule s {} LIMIT {}) k",
            wanted.clause(),
            MOST_COUNTED + 1
        );
        let rows = sql::query(&self.db.reader.of(scope), &text, wanted.values).await?;
        let total = rows.first().map_or(Ok(0), |row| get(row, "total"))?;
        Ok(Count::of(total, true))
    }

    /// The last executions that a schedule has made, newest first; a hundred at most.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn runs_of_schedule(
        &self,
        scope: &TenantScope,
        id: ScheduleId,
    ) -> Result<Vec<ExecutionId>, Error> {
        let text = "SELECT r.execution_id FROM schedule_run r WHERE r.schedule_id = $1 AND r.tenant_id = $2 \
             ORDER BY r.execution_id DESC LIMIT 100";
        let values = [id.0.into(), scope.tenant().as_str().into()];
        let rows = sql::query(&self.db.reader.of(scope), text, values).await?;
        let runs = rows.iter();
        runs.map(|row| Ok(ExecutionId(get(row, "execution_id")?)))
            .collect()
    }

    /// Those among the last executions of a schedule that have not ended, each with its time.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn live_runs_of_schedule(
        &self,
        scope: &TenantScope,
        id: ScheduleId,
    ) -> Result<Vec<(ExecutionId, Option<Micros>)>, Error> {
        let text = "SELECT r.execution_id, r.scheduled_at FROM schedule_run r JOIN execution e \
             ON e.id = r.execution_id AND e.tenant_id = r.tenant_id \
             WHERE r.schedule_id = $1 AND r.tenant_id = $2 AND e.finished_at IS NULL";
        let values = [id.0.into(), scope.tenant().as_str().into()];
        let rows = sql::query(&self.db.reader.of(scope), text, values).await?;
        let live = rows.iter().map(|row| {
            let execution_id = ExecutionId(get(row, "execution_id")?);
            Ok((execution_id, get(row, "scheduled_at")?))
        });
        live.collect()
    }
}

fn wanted(scope: &TenantScope, reach: &Reach, filter: &ScheduleFilter) -> Conditions {
    let mut wanted = Conditions::default();
    wanted.add("s.tenant_id = ?", [scope.tenant().as_str().into()]);
    match reach {
        Reach::Tenant => {}
        Reach::User(user) => wanted.add(
            "EXISTS (SELECT 1 FROM session o WHERE o.id = s.session_id AND o.tenant_id = s.tenant_id \
             AND o.user_id = ?)",
            [(&**user).into()],
        ),
        Reach::Session(id) => wanted.add("s.session_id = ?", [id.0.into()]),
        Reach::Executions(_) => wanted.add("1 = 0", []),
    }
    let statuses = filter.statuses.iter();
    wanted.one_of_codes("s.status", statuses.map(|status| status.code()));
    wanted.one_of(
        "s.intent_type",
        filter.intent_types.iter().map(String::as_str),
    );
    if let Some(id) = filter.session_id {
        wanted.add("s.session_id = ?", [id.0.into()]);
    }
    if let Some(name) = &filter.name {
        wanted.add("s.name = ?", [name.as_str().into()]);
    }
    wanted
}
