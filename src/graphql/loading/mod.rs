//! Who asks, and the reads of one request: records that many fields of a request name are read once
//! and together.

mod caller;
mod loader;
mod loaders;

pub(crate) use caller::{Asking, Caller};
pub(crate) use loaders::SharedPage;
