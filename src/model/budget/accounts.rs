//! The accounts of tenants: the points that each may still spend, which come back with time.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{super::TenantId, price};

/// A debt is never larger than what comes back in so many seconds.
const MOST_SECONDS_OF_DEBT: i64 = 10;
/// Of a node's processor time, a tenant that uses more than one part of so many is a heavy one.
const PARTS_OF_A_NODE: u64 = 4;
/// A heavy tenant stays one until it has lately used less than one part of so many of what made it one:
/// what it is held to must not make it a light one again.
const PARTS_OF_HEAVY: u64 = 4;
/// What a tenant has saved up of its share when others begin to ask, as a part of a second.
const SHARE_SAVED: i64 = 20;
/// Who asked for more than it may spend counts as heavy for so long.
const LIMITED_FOR: Duration = Duration::from_secs(2);
/// After a statement, however long it took, a heavy tenant rests no longer than this.
const LONGEST_REST: Duration = Duration::from_secs(1);
/// When there are more accounts than this, those that are full are forgotten now and then.
const FEW: usize = 1_024;

/// The accounts of the tenants of a node, in points.
#[derive(Debug)]
pub(super) struct Accounts {
    income: Income,
    /// What a tenant may spend while others ask; none where that is all that it may spend.
    share: Option<Income>,
    /// A tenant that has lately spent more in a second is a heavy one.
    heavy_above: u64,
    by_tenant: Mutex<HashMap<TenantId, Account>>,
    /// The points that all of them were charged, less those that were given back.
    charged: AtomicU64,
}

/// The points that come back to a tenant on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Income {
    per_second: i64,
    /// The most points that may be saved up.
    most: i64,
}

impl Income {
    /// The points after so much time, where there were `points`.
    fn after(self, points: i64, time: Duration) -> i64 {
        let back = u128::from(self.per_second.unsigned_abs()) * time.as_micros() / 1_000_000;
        let back = i64::try_from(back).unwrap_or(i64::MAX);
        points.saturating_add(back).min(self.most)
    }

    /// The time in which so many points come back, rounded up.
    fn time_of(self, points: i64) -> Duration {
        let millis = points.saturating_mul(1_000) / self.per_second + 1;
        Duration::from_millis(millis.unsigned_abs())
    }
}

/// When something is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    pub(super) now: Instant,
    /// Another tenant asks, too.
    pub(super) others_ask: bool,
}

#[derive(Debug, Clone, Copy)]
struct Account {
    points: i64,
    /// The same, of the tenant's share; below none after a request that cost more than there was.
    share_points: i64,
    income: Income,
    share: Option<Income>,
    at: Instant,
    /// Statements of the tenant that run.
    statements: u32,
    is_heavy: bool,
    /// Until then it counts as heavy, since it asked for more than it may spend.
    limited_until: Instant,
    /// Until when a heavy tenant's next statement waits.
    rests_until: Instant,
    /// The points that were spent lately, in thousandths: the number halves within a second, and so
    /// is about what is spent in a second.
    recent: u64,
}

impl Account {
    fn points_at(&self, now: Instant) -> i64 {
        let since = now.saturating_duration_since(self.at);
        self.income.after(self.points, since)
    }

    fn spend(&mut self, cost: i64, when: When) {
        if let Some(share) = self.share {
            let least = -share.per_second * MOST_SECONDS_OF_DEBT;
            self.share_points = if when.others_ask {
                self.share_points.saturating_sub(cost).max(least)
            } else {
                share.most
            };
        }
        let milli = cost.unsigned_abs().saturating_mul(1_000);
        self.recent = self.recent.saturating_add(milli);
    }

    /// Lets points that were spent before count less with time.
    fn age(&mut self, now: Instant) {
        let micros = now.saturating_duration_since(self.at).as_micros();
        let left = u128::from(self.recent) * 1_000_000 / (1_000_000 + micros);
        self.recent = u64::try_from(left).unwrap_or(u64::MAX);
    }
}

impl Accounts {
    /// `cores` is how many seconds of processor time a second of the node has.
    pub(super) fn new(per_second: u64, most: u64, cores: usize) -> Self {
        Self {
            income: Income {
                per_second: whole(per_second),
                most: whole(per_second).max(whole(most)),
            },
            share: None,
            heavy_above: price::CORE * cores as u64 / PARTS_OF_A_NODE,
            by_tenant: Mutex::default(),
            charged: AtomicU64::new(0),
        }
    }

    /// The same, where a tenant may spend `per_second` points in a second while others ask.
    pub(super) fn with_share(self, per_second: u64) -> Self {
        let per_second = whole(per_second);
        let most = per_second / SHARE_SAVED;
        Self {
            share: Some(Income { per_second, most }),
            ..self
        }
    }

    /// Takes `cost`; else tells when it will be there.
    pub(super) fn take(&self, tenant: &TenantId, cost: u64, when: When) -> Result<(), Duration> {
        let cost = points(cost);
        self.with(tenant, when.now, |account| {
            if account.points < cost {
                return Err(account.income.time_of(cost - account.points));
            }
            account.points -= cost;
            account.spend(cost, when);
            self.charged
                .fetch_add(cost.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        })
    }

    /// Takes `cost`, whether it is there or not.
    pub(super) fn charge(&self, tenant: &TenantId, cost: u64, when: When) {
        let cost = points(cost);
        self.with(tenant, when.now, |account| {
            let least = -account.income.per_second * MOST_SECONDS_OF_DEBT;
            account.points = account.points.saturating_sub(cost).max(least);
            account.spend(cost, when);
        });
        self.charged
            .fetch_add(cost.unsigned_abs(), Ordering::Relaxed);
    }

    /// Puts back what was taken and not used.
    pub(super) fn give_back(&self, tenant: &TenantId, cost: u64, now: Instant) {
        let cost = points(cost);
        self.with(tenant, now, |account| {
            account.points = account.points.saturating_add(cost).min(account.income.most);
            if let Some(share) = account.share {
                let points = account.share_points.saturating_add(cost);
                account.share_points = points.min(share.most);
            }
            let milli = cost.unsigned_abs().saturating_mul(1_000);
            account.recent = account.recent.saturating_sub(milli);
        });
        self.charged
            .fetch_sub(cost.unsigned_abs(), Ordering::Relaxed);
    }

    /// Returns the time until the tenant is out of debt; none when it is not in debt.
    pub(super) fn debt(&self, tenant: &TenantId, now: Instant) -> Option<Duration> {
        let (points, income) = self.with(tenant, now, |account| (account.points, account.income));
        (points < 0).then(|| income.time_of(-points))
    }

    /// Returns the time until the tenant has something of its share again; none when it has.
    pub(super) fn share_debt(&self, tenant: &TenantId, when: When) -> Option<Duration> {
        if !when.others_ask {
            return None;
        }
        let share = self.share?;
        let points = self.with(tenant, when.now, |account| account.share_points);
        (points < 0).then(|| share.time_of(-points))
    }

    /// The tenant has asked for more than it may spend.
    pub(super) fn limited(&self, tenant: &TenantId, now: Instant) {
        self.with(tenant, now, |account| {
            account.limited_until = account.limited_until.max(now + LIMITED_FOR);
        });
    }

    /// Returns whether the tenant has lately used much of the node, or asked for more than it may spend.
    pub(super) fn is_heavy(&self, tenant: &TenantId, now: Instant) -> bool {
        self.with(tenant, now, |account| {
            let recent = account.recent / 1_000;
            account.is_heavy = if account.is_heavy {
                recent > self.heavy_above / PARTS_OF_HEAVY
            } else {
                recent > self.heavy_above
            };
            account.is_heavy || account.limited_until > now
        })
    }

    /// Returns the time that the tenant's next statement has to wait: a heavy tenant rests after
    /// each.
    pub(super) fn rest(&self, tenant: &TenantId, now: Instant) -> Option<Duration> {
        let until = self.with(tenant, now, |account| account.rests_until);
        let wait = until.saturating_duration_since(now);
        (!wait.is_zero()).then_some(wait)
    }

    /// The tenant's next statement waits so long.
    pub(super) fn rest_for(&self, tenant: &TenantId, now: Instant, pause: Duration) {
        self.with(tenant, now, |account| {
            account.rests_until = account.rests_until.max(now + pause.min(LONGEST_REST));
        });
    }

    /// A statement of the tenant begins.
    pub(super) fn begin_statement(&self, tenant: &TenantId, now: Instant) {
        self.with(tenant, now, |account| account.statements += 1);
    }

    /// A statement of the tenant has ended; how many ran beside it, itself included.
    pub(super) fn end_statement(&self, tenant: &TenantId, now: Instant) -> u32 {
        self.with(tenant, now, |account| {
            let running = account.statements.max(1);
            account.statements = running - 1;
            running
        })
    }

    pub(super) fn charged(&self) -> u64 {
        self.charged.load(Ordering::Relaxed)
    }

    fn with<T>(
        &self,
        tenant: &TenantId,
        now: Instant,
        change: impl FnOnce(&mut Account) -> T,
    ) -> T {
        let (income, share) = (self.income, self.share);
        let mut accounts = self.lock();
        // Looked up twice, so that no name is copied where there is an account.
        if let Some(account) = accounts.get_mut(tenant) {
            account.points = account.points_at(now);
            let since = now.saturating_duration_since(account.at);
            if let Some(share) = share {
                account.share_points = share.after(account.share_points, since);
            }
            account.age(now);
            // Who was overtaken on the way here brings an earlier moment; no time passes twice.
            account.at = account.at.max(now);
            return change(account);
        }
        if accounts.len() > FEW && accounts.len().is_power_of_two() {
            accounts.retain(|_, account| {
                account.points_at(now) < account.income.most || account.statements > 0
            });
        }
        change(accounts.entry(tenant.clone()).or_insert(Account {
            points: income.most,
            share_points: share.map_or(0, |share| share.most),
            income,
            share,
            at: now,
            statements: 0,
            is_heavy: false,
            limited_until: now,
            rests_until: now,
            recent: 0,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Account>> {
        self.by_tenant
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// At least one, and few enough that sums of them stay exact.
fn whole(points: u64) -> i64 {
    i64::from(u32::try_from(points).unwrap_or(u32::MAX).max(1))
}

fn points(cost: u64) -> i64 {
    i64::try_from(cost).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants() -> [TenantId; 2] {
        ["one", "two"].map(|name| name.parse().unwrap())
    }

    fn alone(now: Instant) -> When {
        When {
            now,
            others_ask: false,
        }
    }

    #[test]
    fn what_is_spent_is_spent_for_one_tenant_and_comes_back() {
        let (accounts, [one, two], now) = (Accounts::new(100, 500, 1), tenants(), Instant::now());
        accounts.take(&one, 500, alone(now)).unwrap();
        let wait = accounts.take(&one, 50, alone(now)).unwrap_err();
        assert!(wait >= Duration::from_millis(500) && wait < Duration::from_millis(510));
        accounts.take(&two, 500, alone(now)).unwrap();
        let later = now + wait;
        accounts.take(&one, 50, alone(later)).unwrap();
        accounts.take(&one, 50, alone(later)).unwrap_err();
        let much_later = later + Duration::from_hours(1);
        accounts.take(&one, 500, alone(much_later)).unwrap();
        accounts.take(&one, 1, alone(much_later)).unwrap_err();
        assert_eq!(accounts.charged(), 1_550);
    }

    #[test]
    fn a_debt_is_paid_by_time_and_is_bounded() {
        let (accounts, [one, two], now) = (Accounts::new(100, 100, 1), tenants(), Instant::now());
        accounts.charge(&one, 300, alone(now));
        assert!(accounts.debt(&one, now).unwrap() >= Duration::from_secs(2));
        assert_eq!(accounts.debt(&two, now), None);
        accounts.give_back(&one, 100, now);
        let later = now + Duration::from_secs(1);
        assert_eq!(accounts.debt(&one, later), None);
        accounts.charge(&one, u64::MAX, alone(later));
        assert!(accounts.debt(&one, later).unwrap() <= Duration::from_millis(10_001));
    }

    #[test]
    fn a_tenant_is_heavy_while_it_spends_more_than_a_quarter_of_the_processor() {
        let (accounts, [one, two], mut now) = (
            Accounts::new(6_000_000, 6_000_000, 2),
            tenants(),
            Instant::now(),
        );
        let mut spend = |tenant: &TenantId, per_second: u64| {
            for _ in 0..3_000 {
                accounts.charge(tenant, per_second / 1_000, alone(now));
                now += Duration::from_millis(1);
            }
            (accounts.is_heavy(tenant, now), now)
        };
        assert!(!spend(&one, 400_000).0);
        let (is_heavy, now) = spend(&one, 600_000);
        assert!(is_heavy);
        assert!(!accounts.is_heavy(&two, now));
        assert!(accounts.is_heavy(&one, now + Duration::from_secs(1)));
        assert!(!accounts.is_heavy(&one, now + Duration::from_secs(4)));
        // What is given back was not used.
        accounts.charge(&two, 1_000_000, alone(now));
        assert!(accounts.is_heavy(&two, now));
        accounts.give_back(&two, 900_000, now);
        assert!(!accounts.is_heavy(&two, now));
    }

    #[test]
    fn a_tenant_is_heavy_for_a_while_after_it_asked_for_more_than_it_may_spend() {
        let (accounts, [one, two], now) = (Accounts::new(100, 100, 2), tenants(), Instant::now());
        accounts.limited(&one, now);
        let almost = now + LIMITED_FOR.checked_sub(Duration::from_millis(1)).unwrap();
        assert!(accounts.is_heavy(&one, almost) && !accounts.is_heavy(&two, almost));
        assert!(!accounts.is_heavy(&one, now + LIMITED_FOR));
    }

    #[test]
    fn no_time_passes_twice_when_a_caller_was_overtaken() {
        let (accounts, [one, _], then) =
            (Accounts::new(1_000, 1_000, 1), tenants(), Instant::now());
        let now = then + Duration::from_millis(100);
        accounts.take(&one, 1_000, alone(then)).unwrap();
        for _ in 0..100 {
            accounts.take(&one, 1, alone(now)).unwrap();
            let _ = accounts.debt(&one, then);
        }
        accounts.take(&one, 1, alone(now)).unwrap_err();
    }

    #[test]
    fn tenants_that_have_spent_nothing_lately_are_forgotten() {
        let (accounts, mut now) = (Accounts::new(1_000, 1_000, 1), Instant::now());
        for n in 0..4 * FEW {
            accounts.charge(&format!("t{n}").parse().unwrap(), 1, alone(now));
            now += Duration::from_millis(2);
        }
        assert!(accounts.lock().len() < 3 * FEW);
    }

    #[test]
    fn a_tenant_may_spend_its_share_while_others_ask() {
        let accounts = Accounts::new(10_000, 10_000, 2).with_share(1_000);
        let ([one, two], now) = (tenants(), Instant::now());
        let shared = |now| When {
            now,
            others_ask: true,
        };
        // What it spent while it was alone is no debt.
        accounts.take(&one, 5_000, alone(now)).unwrap();
        assert_eq!(accounts.share_debt(&one, shared(now)), None);
        accounts.take(&one, 550, shared(now)).unwrap();
        let debt = accounts.share_debt(&one, shared(now)).unwrap();
        assert_eq!(debt.as_millis(), 501);
        assert_eq!(accounts.share_debt(&two, shared(now)), None);
        assert_eq!(accounts.share_debt(&one, alone(now)), None);
        assert_eq!(accounts.share_debt(&one, shared(now + debt)), None);
        accounts.give_back(&one, 550, now);
        assert_eq!(accounts.share_debt(&one, shared(now)), None);
    }
}
