//! Lets an execution that was started alone have company.

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    working::{Fence, Working},
};

/// Notes that an execution which was started alone has company from now on.
#[derive(Debug, Clone, Copy)]
pub(in crate::storage) struct EndSolitude {
    pub(in crate::storage) fence: Fence,
}

impl Operation for EndSolitude {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.executions.push(self.fence.execution_id);
    }

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        working.fenced(self.fence)?;
        working.changes.accompanied.insert(self.fence.execution_id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        read_tests::on_each_database,
        write::tests::{Scene, alone, fence, force, number},
    };

    #[tokio::test]
    async fn an_execution_that_was_started_alone_has_company_afterwards() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            alone(world, scene.submit()).await.unwrap();
            force(world, "UPDATE ready SET queue = 'alone'").await;
            let mut claim = scene.claim(1);
            claim.alone = true;
            let claimed = alone(world, claim).await.unwrap().executions;
            let of_alone = "SELECT COUNT(*) AS n FROM lease WHERE alone";
            assert_eq!(number(world, of_alone).await, 1);
            let fence = fence(&claimed[0]);
            let stale = Fence {
                epoch: fence.epoch - 1,
                ..fence
            };
            let refused = alone(world, EndSolitude { fence: stale }).await;
            assert!(matches!(refused, Err(Error::Fenced)));
            assert_eq!(number(world, of_alone).await, 1);
            alone(world, EndSolitude { fence }).await.unwrap();
            assert_eq!(number(world, of_alone).await, 0);
        })
        .await;
    }
}
