//! The error by which a command says that it could not be carried out.

use serde_json::json;

use super::{
    client::{Error, Problem},
    output,
};

/// Says why; as JSON for programs.
pub(super) fn report(error: &anyhow::Error, is_json: bool) {
    let text = format!("{error:#}");
    if !is_json {
        output::complain(&text);
        return;
    }
    let of_client = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Error>());
    let problems = of_client.map_or_else(
        || {
            vec![Problem {
                code: "NOT_DONE".to_owned(),
                message: text.clone(),
                path: Vec::new(),
            }]
        },
        |error| error.problems(&text),
    );
    output::complain_json(&json!({"errors": problems}));
}

/// Says what is wrong with the command line itself.
pub(super) fn usage(error: &clap::Error) {
    let text = error.to_string();
    let message = text.trim().trim_start_matches("error: ");
    output::complain_json(&json!({"errors": [{"code": "USAGE", "message": message}]}));
}
