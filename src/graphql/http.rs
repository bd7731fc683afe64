//! placeholder
use super::Api;
/// Routes.
pub fn routes(_api: Api) -> axum::Router {
    axum::Router::new()
}
