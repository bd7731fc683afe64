//! Seals the keys that seal sensitive parameters anew, and makes another one.

use super::super::{
    super::{DataKey, Error},
    operation::{Needs, Operation},
    working::Working,
};

/// Writes `renewed` over the data keys, and the new one `made`. The output is false, and nothing is written, if they
/// are not those that were `known` any more: another rotation has come first.
#[derive(Debug, Clone)]
pub(in crate::storage) struct RotateDataKeys {
    pub(in crate::storage) known: Vec<DataKey>,
    pub(in crate::storage) renewed: Vec<DataKey>,
    pub(in crate::storage) made: DataKey,
}

impl Operation for RotateDataKeys {
    type Output = bool;

    fn needs(&self, needs: &mut Needs) {
        needs.data_keys = true;
    }

    fn decide(&self, working: &mut Working) -> Result<bool, Error> {
        if working.data_keys != self.known {
            return Ok(false);
        }
        let (now, changes) = (working.now, &mut working.changes);
        let renewed = self.renewed.iter().map(|key| key.row(now));
        changes.data_keys_over.extend(renewed);
        changes.data_keys_in.push(self.made.row(now));
        working.data_keys.clone_from(&self.renewed);
        working.data_keys.push(self.made.clone());
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        read_tests::on_each_database,
        write::{
            ops::MakeDataKey,
            tests::{Batch, alone},
        },
    };

    fn key(id: i64, sealed: &str) -> DataKey {
        DataKey {
            id,
            ring_key: "r".into(),
            sealed: sealed.into(),
        }
    }

    #[tokio::test]
    async fn of_two_rotations_at_once_the_second_changes_nothing() {
        on_each_database(async |world| {
            alone(world, MakeDataKey(key(1, "a"))).await.unwrap();
            let known = world.storage.data_keys().await.unwrap();
            let rotation = |by: &str| RotateDataKeys {
                known: known.clone(),
                renewed: vec![key(1, &format!("{by} again"))],
                made: key(2, by),
            };
            let mut batch = Batch::default();
            let (first, second) = (batch.add(rotation("b")), batch.add(rotation("c")));
            batch.run(world).await;
            assert_eq!((first.get().unwrap(), second.get().unwrap()), (true, false));
            // Another transaction, of somebody who has read the keys before.
            assert!(!alone(world, rotation("d")).await.unwrap());
            let now = world.storage.data_keys().await.unwrap();
            assert_eq!(now, [key(1, "b again"), key(2, "b")]);
        })
        .await;
    }
}
