//! The caller of a request, and its reads: records that many fields of a request name are read once
//! and together.

mod caller;
mod loader;
mod loaders;

pub(crate) use caller::{Asking, Caller};
pub(crate) use loaders::SharedPage;
