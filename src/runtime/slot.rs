//! An attempt's slot.
//!
//! It is not held while a child is waited for, for however many at once: a parent that kept it
//! could wait for ever for a child that finds none.

use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use super::{
    handler_error::HandlerError,
    mutex::lock,
    slots::{SlotPermit, Slots, WaitingParent},
};
use crate::model::TenantId;

/// The slot; given up while the handler waits for children.
pub(super) struct Slot {
    slots: Arc<Slots>,
    tenant: TenantId,
    engine: tokio::runtime::Handle,
    held: Mutex<Held>,
    /// One at a time takes the slot back: a second would wait for what the first has.
    taking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Held {
    permit: Option<SlotPermit>,
    waiting: Option<WaitingParent>,
    waits: usize,
}

/// A wait for a child. Dropped before its end, as by a handler that no longer waits, it has the
/// slot taken back in the background.
pub(super) struct GivenUp {
    slot: Arc<Slot>,
    is_over: bool,
}

impl GivenUp {
    /// The wait is over: takes the slot back.
    pub(super) async fn end(mut self) -> Result<(), HandlerError> {
        lock(&self.slot.held).waits -= 1;
        self.is_over = true;
        self.slot.take_back().await
    }
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        lock(&self.slot.held).waits -= 1;
        let slot = Arc::clone(&self.slot);
        let taking = async move {
            // Without slots there is no engine any more.
            let _ = slot.take_back().await;
        };
        self.slot.engine.spawn(taking);
    }
}

impl Slot {
    pub(super) fn new(
        slots: Arc<Slots>,
        tenant: TenantId,
        engine: tokio::runtime::Handle,
        permit: SlotPermit,
    ) -> Self {
        let held = Held {
            permit: Some(permit),
            ..Held::default()
        };
        Self {
            slots,
            tenant,
            engine,
            held: Mutex::new(held),
            taking: tokio::sync::Mutex::default(),
        }
    }

    /// Lets others have the slot while a child is waited for.
    pub(super) fn give_up(self: &Arc<Self>) -> GivenUp {
        let mut held = lock(&self.held);
        held.waits += 1;
        if held.waiting.is_none() {
            held.waiting = Some(self.slots.wait());
        }
        let permit = held.permit.take();
        drop(held);
        drop(permit);
        GivenUp {
            slot: Arc::clone(self),
            is_over: false,
        }
    }

    /// Takes the token that ends the solitude of the attempt, if it runs alone; once.
    pub(super) fn take_solitude(&self) -> Option<CancellationToken> {
        let mut held = lock(&self.held);
        held.permit.as_mut().and_then(SlotPermit::take_solitude)
    }

    /// Takes the slot back, unless another child is still waited for.
    async fn take_back(&self) -> Result<(), HandlerError> {
        let _one_at_a_time = self.taking.lock().await;
        if !self.is_wanted() {
            return Ok(());
        }
        let permit = self.slots.take(self.tenant.clone()).await;
        let permit = permit.ok_or_else(HandlerError::abandoned)?;
        let mut held = lock(&self.held);
        // Another wait may have begun meanwhile: the last one to end takes the slot back.
        if held.waits == 0 {
            held.permit = Some(permit);
            held.waiting = None;
        }
        Ok(())
    }

    fn is_wanted(&self) -> bool {
        let held = lock(&self.held);
        held.waits == 0 && held.permit.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn only_one() -> (Arc<Slots>, Arc<Slot>) {
        let slots = Arc::new(Slots::new(1, 100, HashMap::new()));
        let tenant = TenantId::default_tenant();
        let permit = slots.reserve(1).unwrap();
        let permit = slots.give(permit, tenant.clone());
        let engine = tokio::runtime::Handle::current();
        let slot = Slot::new(Arc::clone(&slots), tenant, engine, permit);
        (slots, Arc::new(slot))
    }

    #[tokio::test]
    async fn the_slot_is_others_until_the_last_wait_is_over() {
        let (slots, slot) = only_one();
        let (first, second) = (slot.give_up(), slot.give_up());
        first.end().await.unwrap();
        assert_eq!(slots.in_use(), 0);
        second.end().await.unwrap();
        assert_eq!(slots.in_use(), 1);
    }

    #[tokio::test]
    async fn a_wait_that_begins_while_the_slot_is_taken_back_gives_it_up_again() {
        let (slots, slot) = only_one();
        let first = slot.give_up();
        let other = slots.reserve(1).unwrap();
        let mut taking = Box::pin(first.end());
        assert!(futures::poll!(&mut taking).is_pending());
        let late = slot.give_up();
        drop(other);
        taking.await.unwrap();
        assert_eq!(slots.in_use(), 0);
        late.end().await.unwrap();
    }

    #[tokio::test]
    async fn two_that_take_the_slot_back_do_not_wait_for_each_other() {
        let (slots, slot) = only_one();
        let (first, second) = (slot.give_up(), slot.give_up());
        let (one, two) = futures::join!(first.end(), second.end());
        assert!(one.is_ok() && two.is_ok());
        assert_eq!(slots.in_use(), 1);
    }

    #[tokio::test]
    async fn a_wait_that_is_dropped_has_the_slot_taken_back() {
        let (slots, slot) = only_one();
        drop(slot.give_up());
        while slots.in_use() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(slots.reserve(1).is_none());
    }
}
