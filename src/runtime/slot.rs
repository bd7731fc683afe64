//! An attempt's place in the node's capacity.
//!
//! It is not held while a child is waited for, for however many at once: a parent that kept it
//! could wait for ever for a child that finds none.

use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{context::lock, error::HandlerError};

/// The place; given up while the handler waits for children.
pub(super) struct Slot {
    slots: Arc<Semaphore>,
    held: Mutex<Held>,
    /// One at a time takes the place back: a second would wait for what the first has.
    taking: tokio::sync::Mutex<()>,
}

struct Held {
    permit: Option<OwnedSemaphorePermit>,
    waits: usize,
}

/// A wait for a child; it is over when this is dropped.
pub(super) struct GivenUp<'a>(&'a Slot);

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        lock(&self.0.held).waits -= 1;
    }
}

impl Slot {
    pub(super) fn new(slots: Arc<Semaphore>, permit: OwnedSemaphorePermit) -> Self {
        let permit = Some(permit);
        Self {
            slots,
            held: Mutex::new(Held { permit, waits: 0 }),
            taking: tokio::sync::Mutex::default(),
        }
    }

    /// Lets others have the place while a child is waited for.
    pub(super) fn give_up(&self) -> GivenUp<'_> {
        let mut held = lock(&self.held);
        held.waits += 1;
        held.permit = None;
        GivenUp(self)
    }

    /// Takes the place back, unless another child is still waited for.
    pub(super) async fn take_back(&self) -> Result<(), HandlerError> {
        let _one_at_a_time = self.taking.lock().await;
        if !self.is_wanted() {
            return Ok(());
        }
        let permit = Arc::clone(&self.slots).acquire_owned().await;
        let permit = permit.map_err(|_| HandlerError::abandoned())?;
        let mut held = lock(&self.held);
        // Another wait may have begun meanwhile: the last one to end takes the place back.
        if held.waits == 0 {
            held.permit = Some(permit);
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
    use super::*;

    fn only_one() -> (Arc<Semaphore>, Slot) {
        let slots = Arc::new(Semaphore::new(1));
        let permit = Arc::clone(&slots).try_acquire_owned().unwrap();
        let slot = Slot::new(Arc::clone(&slots), permit);
        (slots, slot)
    }

    #[tokio::test]
    async fn the_place_is_others_until_the_last_wait_is_over() {
        let (slots, slot) = only_one();
        let (first, second) = (slot.give_up(), slot.give_up());
        drop(first);
        slot.take_back().await.unwrap();
        assert_eq!(slots.available_permits(), 1);
        drop(second);
        slot.take_back().await.unwrap();
        assert_eq!(slots.available_permits(), 0);
    }

    #[tokio::test]
    async fn a_wait_that_begins_while_the_place_is_taken_back_gives_it_up_again() {
        let (slots, slot) = only_one();
        drop(slot.give_up());
        let other = Arc::clone(&slots).try_acquire_owned().unwrap();
        let mut taking = Box::pin(slot.take_back());
        assert!(futures::poll!(&mut taking).is_pending());
        let late = slot.give_up();
        drop(other);
        taking.await.unwrap();
        assert_eq!(slots.available_permits(), 1);
        drop(late);
    }

    #[tokio::test]
    async fn two_that_take_the_place_back_do_not_wait_for_each_other() {
        let (slots, slot) = only_one();
        drop((slot.give_up(), slot.give_up()));
        let (one, two) = futures::join!(slot.take_back(), slot.take_back());
        assert!(one.is_ok() && two.is_ok());
        assert_eq!(slots.available_permits(), 0);
    }
}
