//! The `takeoff` command.

use std::process::ExitCode;

/// Most of a request is small allocations that one thread makes and another one frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    takeoff::cli::run(|app| app)
}
