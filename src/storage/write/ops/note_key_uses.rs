//! Notes when keys of the API were last used.

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{KeyId, Micros};

/// Notes when keys were last used.
#[derive(Debug, Clone)]
pub(in crate::storage) struct NoteKeyUses {
    pub(in crate::storage) uses: Vec<(KeyId, Micros)>,
}

impl Operation for NoteKeyUses {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.api_keys.extend(self.uses.iter().map(|(id, _)| *id));
    }

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        for (id, at) in &self.uses {
            let found = working.api_keys.see(id);
            // Nodes tell of the same key in any order.
            if found.is_none_or(|row| row.key.last_used_at >= Some(*at)) {
                continue;
            }
            if let Some(row) = working.api_keys.change(id) {
                row.key.last_used_at = Some(*at);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        read_tests::on_each_database,
        write::tests::{TENANT, alone, key},
    };

    #[tokio::test]
    async fn the_latest_use_is_kept_in_whatever_order_nodes_tell_of_them() {
        on_each_database(async |world| {
            let made = alone(world, key(1, TENANT)).await.unwrap();
            for at in [5, 9, 7] {
                let uses = vec![(made.id, at)];
                alone(world, NoteKeyUses { uses }).await.unwrap();
            }
            let found = world.storage.find_key(&made.prefix).await.unwrap();
            assert_eq!(found.unwrap().0.last_used_at, Some(9));
        })
        .await;
    }
}
