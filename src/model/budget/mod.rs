//! The budget of the tenants of a node: points that each may spend in a second, and turns while
//! several ask. Whatever way a request comes in by, it is paid here.

mod accounts;
pub mod price;
mod priority;
mod quota;
mod turns;

use std::{
    num::NonZero,
    sync::Arc,
    time::{Duration, Instant},
};

use accounts::{Accounts, When};
pub use priority::Priority;
pub use quota::CostQuota;
use turns::Turns;
pub use turns::{Turn, Work};

use tokio::time::{timeout, timeout_at};

use super::{Meter, Places, TenantId};

/// A request of a tenant that has spent what it may waits so long before it is refused: one that is
/// refused at once is asked again at once, and refusing takes time, too.
const MOST_WAIT: Duration = Duration::from_secs(1);

/// The same for a tenant that has spent its share while others ask: it is not told to come back, for that would depend on
/// whether others are there.
const MOST_WAIT_FOR_SHARE: Duration = Duration::from_secs(10);

/// Whether others still ask is looked at so often.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// After a statement, a heavy tenant rests for so many times as long.
const RESTS: u32 = 3;

/// The budgets of the tenants of a node.
#[derive(Debug)]
pub struct Budget {
    accounts: Accounts,
    turns: Turns,
    /// The one request of each tenant that waits for points, and those behind it.
    line: Places,
    /// The same for those that wait for a share.
    line_of_share: Places,
    /// What tenants may spend on all nodes together.
    quota: Option<Arc<dyn CostQuota>>,
    /// After a statement, a heavy tenant rests for so many times as long.
    rests: u32,
}

impl Budget {
    /// Every tenant may spend `per_second` points in a second, and `most` of what it has saved up.
    #[must_use]
    pub fn new(per_second: u64, most: u64) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, NonZero::get);
        Self {
            accounts: Accounts::new(per_second, most, cores),
            turns: Turns::new(cores),
            line: Places::new(1),
            line_of_share: Places::new(1),
            quota: None,
            rests: 0,
        }
    }

    /// The same, for a database whose processes know no priorities: a heavy tenant rests after each of
    /// its statements, which leaves others their part of it.
    #[must_use]
    pub fn with_rests(self) -> Self {
        Self {
            rests: RESTS,
            ..self
        }
    }

    /// The same, where a tenant may spend points of so many hundredths of the node's processor time while others ask.
    #[must_use]
    pub fn with_share(self, percent: u64) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, NonZero::get);
        let share = cores as u64 * price::CORE / 100 * percent;
        Self {
            accounts: self.accounts.with_share(share),
            ..self
        }
    }

    /// The same, where tenants have a quota of what they spend on all nodes together.
    #[must_use]
    pub fn with_quota(self, quota: Option<Arc<dyn CostQuota>>) -> Self {
        Self { quota, ..self }
    }

    /// Takes the price of a request before anything of it is read, and notes that its tenant asks. Of a
    /// tenant that uses much, what follows runs at low priority. The requests of one that has spent what it may stand in
    /// line.
    ///
    /// # Errors
    /// When the tenant has spent what it may: how long it has to wait.
    pub async fn enter(&self, tenant: &TenantId) -> Result<(), Duration> {
        self.turns.note(tenant, Instant::now());
        self.place(tenant).await;
        let _turn = self.share(tenant).await?;
        let Err(wait) = self.take(tenant, price::REQUEST).await else {
            return Ok(());
        };
        let end = tokio::time::Instant::now() + MOST_WAIT;
        let Ok(_turn) = timeout_at(end, self.line.take(tenant)).await else {
            return Err(wait);
        };
        loop {
            let Err(wait) = self.take(tenant, price::REQUEST).await else {
                return Ok(());
            };
            let now = tokio::time::Instant::now();
            if now >= end {
                return Err(wait);
            }
            tokio::time::sleep_until(end.min(now + wait)).await;
        }
    }

    /// Takes `cost` if it is there.
    ///
    /// # Errors
    /// The time until it is.
    pub async fn take(&self, tenant: &TenantId, cost: u64) -> Result<(), Duration> {
        let taken = self.taken(tenant, cost).await;
        if taken.is_err() {
            self.accounts.limited(tenant, Instant::now());
        }
        taken
    }

    async fn taken(&self, tenant: &TenantId, cost: u64) -> Result<(), Duration> {
        self.accounts.take(tenant, cost, self.when(tenant))?;
        let Some(quota) = &self.quota else {
            return Ok(());
        };
        let taken = quota.take(tenant, cost).await;
        if taken.is_err() {
            self.accounts.give_back(tenant, cost, Instant::now());
        }
        taken
    }

    /// Takes `cost` without waiting for other nodes: what this one does not know to be there, the tenant owes.
    ///
    /// # Errors
    /// The time until it is there, if it is known not to be.
    pub(super) fn take_at_once(&self, tenant: &TenantId, cost: u64) -> Result<(), Duration> {
        let quota = self.quota.as_ref();
        let refused = quota.and_then(|quota| quota.refusal(tenant, cost));
        let taken =
            refused.map_or_else(|| self.accounts.take(tenant, cost, self.when(tenant)), Err);
        match (&taken, quota) {
            (Ok(()), Some(quota)) => quota.charge(tenant, cost),
            (Ok(()), None) => {}
            (Err(_), _) => self.accounts.limited(tenant, Instant::now()),
        }
        taken
    }

    /// Takes `cost`, whether it is there or not.
    pub fn charge(&self, tenant: &TenantId, cost: u64) {
        self.accounts.charge(tenant, cost, self.when(tenant));
        if let Some(quota) = &self.quota {
            quota.charge(tenant, cost);
        }
    }

    /// Puts back what was taken and not used.
    pub(super) fn give_back(&self, tenant: &TenantId, cost: u64) {
        self.accounts.give_back(tenant, cost, Instant::now());
        if let Some(quota) = &self.quota {
            quota.give_back(tenant, cost);
        }
    }

    /// Waits until the tenant owes nothing.
    pub async fn out_of_debt(&self, tenant: &TenantId) {
        while let Some(wait) = self.owes(tenant) {
            tokio::time::sleep(wait).await;
        }
    }

    /// The time after which to look again whether a tenant that wants to go on owes nothing; none when it owes nothing.
    #[must_use]
    pub fn owes(&self, tenant: &TenantId) -> Option<Duration> {
        let wait = self.debt(tenant)?;
        self.accounts.limited(tenant, Instant::now());
        Some(wait)
    }

    /// The time after which to look again whether the tenant owes nothing; none when it owes nothing.
    fn debt(&self, tenant: &TenantId) -> Option<Duration> {
        let of_node = self.accounts.debt(tenant, Instant::now());
        let quota = self.quota.as_ref();
        let of_share = self.share_debt(tenant);
        of_node
            .max(of_share)
            .max(quota.and_then(|quota| quota.debt(tenant)))
    }

    fn when(&self, tenant: &TenantId) -> When {
        let now = Instant::now();
        When {
            now,
            others_ask: self.turns.are_bounded(tenant, now),
        }
    }

    /// Waits until the tenant has something of its share, while others ask. Its requests stand in line for it.
    async fn share(&self, tenant: &TenantId) -> Result<Turn, Duration> {
        if self.share_debt(tenant).is_none() {
            return Ok(None);
        }
        let has_come = async {
            let turn = self.line_of_share.take(tenant).await;
            while let Some(wait) = self.share_debt(tenant) {
                tokio::time::sleep(wait).await;
            }
            turn
        };
        let in_time = timeout(MOST_WAIT_FOR_SHARE, has_come).await;
        in_time.map_err(|_| self.share_debt(tenant).unwrap_or(MOST_WAIT))
    }

    /// The time after which to look again whether the tenant has something of its share; none when it has, or when nobody
    /// else asks.
    fn share_debt(&self, tenant: &TenantId) -> Option<Duration> {
        let debt = self.accounts.share_debt(tenant, self.when(tenant))?;
        self.accounts.limited(tenant, Instant::now());
        Some(debt.min(LOOK_AGAIN))
    }

    /// Returns whether the tenant uses much of the node, or asks for more than it may spend, while others ask, too.
    pub(super) fn is_heavy(&self, tenant: &TenantId) -> bool {
        let now = Instant::now();
        self.turns.are_bounded(tenant, now) && self.accounts.is_heavy(tenant, now)
    }

    /// Sets the priority of the task that asks for the tenant, which goes on where it belongs.
    async fn place(&self, tenant: &TenantId) {
        if Priority::set_current(self.is_heavy(tenant)) {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the tenant may have one more going on of such work.
    pub async fn turn(&self, tenant: &TenantId, work: Work) -> Turn {
        if work == Work::Request {
            self.place(tenant).await;
        }
        self.turns.turn(tenant, work, Instant::now()).await
    }

    /// Waits until a heavy tenant has rested after its last statement.
    pub(super) async fn rest(&self, tenant: &TenantId) {
        while let Some(wait) = self.accounts.rest(tenant, Instant::now()) {
            tokio::time::sleep(wait).await;
        }
    }

    /// A statement of the tenant begins.
    pub(super) fn begin_statement(&self, tenant: &TenantId) {
        self.accounts.begin_statement(tenant, Instant::now());
    }

    /// A statement of the tenant has ended after `took`; the part of its time that counts, in
    /// microseconds. The time of many at once is mostly time in which they wait for each other, and for a
    /// database that is slow no tenant is to blame: together they count as two.
    pub(super) fn end_statement(&self, tenant: &TenantId, took: Duration) -> u64 {
        let now = Instant::now();
        let running = self.accounts.end_statement(tenant, now);
        if self.rests > 0 && self.is_heavy(tenant) {
            self.accounts.rest_for(tenant, now, took * self.rests);
        }
        let slow = took.saturating_sub(price::FREE_TIME).as_micros();
        let part = slow * u128::from(running.min(2)) / u128::from(running);
        u64::try_from(part).unwrap_or(u64::MAX)
    }

    /// Returns the points that all tenants have spent.
    #[must_use]
    pub fn charged(&self) -> u64 {
        self.accounts.charged()
    }

    /// Counts what one request of the tenant uses, up to `limit_bytes` of what is read and of what is
    /// answered.
    #[must_use]
    pub fn meter(self: &Arc<Self>, tenant: &TenantId, limit_bytes: u64) -> Meter {
        Meter::new(limit_bytes).paid_from(Arc::clone(self), tenant.clone())
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, future::join_all};

    use super::*;

    #[tokio::test]
    async fn requests_of_a_tenant_that_has_spent_what_it_may_stand_in_line() {
        // A hundred requests come in a second.
        let budget = Budget::new(100 * price::REQUEST, 0);
        let (one, other) = ("one".parse().unwrap(), "other".parse().unwrap());
        budget.take(&one, 100 * price::REQUEST).await.unwrap();
        let entered = join_all((0..8).map(|_| budget.enter(&one))).await;
        assert!(entered.iter().all(Result::is_ok), "{entered:?}");
        // Ten seconds are owed: it is refused, and another tenant is not held up.
        budget.charge(&one, 10_000 * price::REQUEST);
        let refused = tokio::select! {
            refused = budget.enter(&one) => refused,
            entered = async {
                budget.enter(&other).await.unwrap();
                std::future::pending().await
            } => entered,
        };
        assert!(refused.unwrap_err() > MOST_WAIT);
    }

    #[tokio::test]
    async fn a_tenant_that_has_spent_its_share_waits_while_another_one_asks() {
        let budget = Budget::new(u64::from(u32::MAX), 0).with_share(1);
        let (one, other) = ("one".parse().unwrap(), "other".parse().unwrap());
        budget.enter(&one).await.unwrap();
        budget.charge(&one, price::CORE);
        // Nobody else asks.
        budget.enter(&one).await.unwrap();
        budget.enter(&other).await.unwrap();
        budget.charge(&one, price::CORE);
        assert!(budget.enter(&one).now_or_never().is_none());
        assert!(budget.debt(&one).is_some());
        budget.enter(&other).now_or_never().unwrap().unwrap();
        assert_eq!(budget.debt(&other), None);
    }
}
