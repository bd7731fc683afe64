//! Mutexes that guard what is whole at every moment.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is guarded is whole at every moment, also when a holder panicked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
