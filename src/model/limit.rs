//! Limits of what runs at once, and of what is started within a time.

/// What happens to an execution that a limit has no place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitPolicy {
    /// It waits for its turn.
    Queue = 0,
    /// Its intent is refused. One that comes to run again, or later, waits.
    Reject = 1,
    /// What has a place before it, or waits for one, is cancelled.
    CancelPrevious = 2,
}

impl LimitPolicy {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Queue, Self::Reject, Self::CancelPrevious];

    /// The number that the database keeps.
    #[must_use]
    pub fn code(self) -> i64 {
        self as i64
    }

    /// The policy with that number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.code() == code)
    }
}

/// A limit that one execution is under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The name that its declaration gives it.
    pub name: String,
    /// The bucket: whatever has the same one shares its places or tokens.
    pub bucket: String,
    /// True if the executions of all tenants share it.
    pub is_shared: bool,
    /// How many run at once, or are started within [`Self::per_micros`].
    pub most: i64,
    /// The time in which so many are started; none where it limits what runs at once.
    pub per_micros: Option<i64>,
    /// What happens to those that it has no place for.
    pub policy: LimitPolicy,
}

impl Limit {
    /// When the next one may start whose bucket's tokens count up to `next_at`, and what they count up to then: the
    /// generic cell rate algorithm, by which `most` may come at once after a pause.
    ///
    /// None where it limits what runs at once.
    #[must_use]
    pub fn take_token(&self, next_at: i64, now: i64) -> Option<(i64, i64)> {
        let per = self.per_micros?;
        let interval = (per / self.most.max(1)).max(1);
        let from = next_at.max(now);
        let start_at = (from - (per - interval)).max(now);
        Some((start_at, from + interval))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_come_at_once_and_the_others_one_by_one() {
        let limit = Limit {
            name: "key".into(),
            bucket: "b".into(),
            is_shared: false,
            most: 3,
            per_micros: Some(300),
            policy: LimitPolicy::Queue,
        };
        let (mut next_at, mut starts) = (0, Vec::new());
        for _ in 0..6 {
            let (start_at, then) = limit.take_token(next_at, 1_000).unwrap();
            starts.push(start_at);
            next_at = then;
        }
        assert_eq!(starts, [1_000, 1_000, 1_000, 1_100, 1_200, 1_300]);
        // After a pause the bucket is full again.
        let (start_at, _) = limit.take_token(next_at, 5_000).unwrap();
        assert_eq!(start_at, 5_000);
        for policy in LimitPolicy::ALL {
            assert_eq!(LimitPolicy::from_code(policy.code()), Some(policy));
        }
    }
}
