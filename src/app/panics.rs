//! What the process says of panics by itself. Rust's own hook prints their text to stderr, whatever it holds.

use std::{panic, thread};

/// The name of the threads that run handlers.
pub(super) const HANDLER_THREADS: &str = "takeoff-handler";

/// Leaves the text of a handler's panic out of stderr from now on, for it may hold sensitive parameters; the log says
/// where it was, and the text without them. Other panics are told of as before. Whoever runs a server by
/// [`App::serve`](super::App::serve) calls it once; the commands of [`cli::run`](crate::cli::run) have done so.
pub fn hide_panics_of_handlers() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if thread::current().name() != Some(HANDLER_THREADS) {
            return before(panic);
        }
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a handler panics");
    }));
}
