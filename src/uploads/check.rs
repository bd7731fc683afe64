//! What may be announced.

use crate::model::{Fault, Materialization, Refusal, is_name};

const MAX_CHARS: usize = 255;

pub(super) fn size(size_bytes: i64, limit_bytes: u64) -> Result<(), Refusal> {
    let actual_bytes = u64::try_from(size_bytes).unwrap_or_default();
    if actual_bytes == 0 {
        let message = "an upload has at least one byte";
        return Err(Refusal::invalid(["sizeBytes"], message));
    }
    if actual_bytes > limit_bytes {
        return Err(Refusal::TooLarge {
            what: "upload",
            actual_bytes,
            limit_bytes,
        });
    }
    Ok(())
}

/// A name names a file and never a place: it is shown to people and may end up on their disks.
pub(super) fn names(filename: &str, mime_type: Option<&str>) -> Result<(), Refusal> {
    let mut faults = Vec::new();
    let is_place = matches!(filename, "." | "..") || filename.contains(['/', '\\']);
    if !is_name(filename, MAX_CHARS) || is_place {
        let message = "a file name has 1 to 255 characters, no slash and no control character";
        faults.push(Fault::at(["filename"], message));
    }
    if mime_type.is_some_and(|mime_type| !is_mime_type(mime_type)) {
        let message = "a media type is written type/subtype, in at most 255 visible characters";
        faults.push(Fault::at(["mimeType"], message));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Refusal::InvalidInput(faults))
    }
}

fn is_mime_type(text: &str) -> bool {
    let visible = |b: u8| b.is_ascii_graphic() || b == b' ';
    let (main, sub) = text.split_once('/').unwrap_or_default();
    !main.is_empty() && !sub.is_empty() && text.len() <= MAX_CHARS && text.bytes().all(visible)
}

/// A name for what is downloaded: the artifact's id, and its format as far as it can be an ending.
pub(super) fn download_name(form: &Materialization) -> String {
    let format = &form.format;
    let is_ending =
        (1..=16).contains(&format.len()) && format.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_ending {
        format!("{}.{format}", form.artifact_id)
    } else {
        form.artifact_id.to_string()
    }
}
