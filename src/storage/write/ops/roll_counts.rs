//! Adds up counts of minutes by the hour, those of hours by the day, and removes those of days after their time.

use super::super::{
    super::Error,
    counts::{CountOf, LEVEL_MICROS},
    operation::{Needs, Operation},
    working::Working,
};

/// Adds up to `limit` counts to those of the next level.
#[derive(Debug, Clone, Copy)]
pub(in crate::storage) struct RollCounts {
    pub(in crate::storage) limit: usize,
}

impl Operation for RollCounts {
    /// The number of counts that are not there any more.
    type Output = usize;

    fn needs(&self, needs: &mut Needs) {
        needs.counts_due = Some(self.limit);
    }

    fn decide(&self, working: &mut Working) -> Result<usize, Error> {
        let due = std::mem::take(&mut working.counts_due);
        let rolled = due.len();
        for row in due {
            let above = row.level + 1;
            if usize::try_from(above).is_ok_and(|level| level < LEVEL_MICROS.len()) {
                let place = (CountOf::above(&row), above);
                let count = working.changes.counts_rolled.entry(place).or_default();
                *count += row.count;
            }
            working.changes.counts_out.push(row);
        }
        Ok(rolled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::Micros,
        storage::{
            StatsRequest,
            read_tests::{World, on_each_database, scope_of},
            write::tests::{Scene, TENANT, alone, completion},
        },
    };

    const DAY: i64 = LEVEL_MICROS[2];

    async fn total(world: &World, from: Micros) -> (i64, usize) {
        let request = StatsRequest {
            from,
            until: i64::MAX,
            bucket_micros: DAY,
            intent_types: Vec::new(),
            roots_only: false,
        };
        let scope = scope_of(TENANT);
        let points = world.storage.count_by_time(&scope, &request).await.unwrap();
        let counts = points
            .iter()
            .map(|it| it.accepted + it.completed + it.failed + it.cancelled);
        (counts.sum(), points.len())
    }

    async fn age(world: &World, micros: i64) {
        let text = "UPDATE execution_count SET bucket = bucket - $1";
        world.run(text, vec![micros.into()]).await;
    }

    #[tokio::test]
    async fn counts_are_added_up_and_stay_what_they_are_until_their_end() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 50).await;
            for _ in 0..3 {
                let running = scene.running(world).await;
                alone(world, completion(&running)).await.unwrap();
            }
            let roll = RollCounts { limit: 100 };
            // Accepted, and completed.
            assert_eq!(total(world, 0).await.0, 6);
            assert_eq!(alone(world, roll).await.unwrap(), 0);
            age(world, 5 * LEVEL_MICROS[1]).await;
            assert!(alone(world, roll).await.unwrap() >= 2);
            assert_eq!(alone(world, roll).await.unwrap(), 0);
            assert_eq!(total(world, 0).await.0, 6);
            age(world, 32 * DAY).await;
            let running = scene.running(world).await;
            alone(world, completion(&running)).await.unwrap();
            assert_eq!(alone(world, roll).await.unwrap(), 2);
            assert_eq!(total(world, 0).await.0, 8);
            age(world, 402 * DAY).await;
            while alone(world, roll).await.unwrap() > 0 {}
            assert_eq!(total(world, 0).await.0, 0);
        })
        .await;
    }

    #[tokio::test]
    async fn what_is_counted_is_what_is_there() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 51).await;
            let running = scene.running(world).await;
            alone(world, scene.child(&running, "a")).await.unwrap();
            alone(world, completion(&running)).await.unwrap();
            let request = StatsRequest {
                from: 0,
                until: i64::MAX,
                bucket_micros: DAY,
                intent_types: vec!["echo".into()],
                roots_only: true,
            };
            let scope = scope_of(TENANT);
            let points = world.storage.count_by_time(&scope, &request).await.unwrap();
            let counted = points
                .iter()
                .map(|it| (it.accepted, it.completed, it.failed, it.cancelled));
            assert_eq!(counted.collect::<Vec<_>>(), [(1, 1, 0, 0)]);
            let other = scope_of("other");
            let foreign = world.storage.count_by_time(&other, &request).await;
            assert_eq!(foreign.unwrap(), []);
        })
        .await;
    }
}
