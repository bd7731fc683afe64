//! Checks of an upload that is announced.

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

/// A name for what is downloaded: that of the artifact, else its id, with the format as its ending.
pub(super) fn download_name(form: &Materialization, display_name: Option<&str>) -> String {
    let name = display_name.map(file_name).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| form.artifact_id.to_string());
    let format = &form.format;
    let is_ending =
        (1..=16).contains(&format.len()) && format.bytes().all(|b| b.is_ascii_alphanumeric());
    let has_it = name
        .rsplit_once('.')
        .is_some_and(|(_, ending)| ending.eq_ignore_ascii_case(format));
    if is_ending && !has_it {
        format!("{name}.{format}")
    } else {
        name
    }
}

/// As much of a name as may be a file's: no places, nothing that hides or turns its ending.
fn file_name(name: &str) -> String {
    const MAX_NAME_CHARS: usize = 200;
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let kept: String = name
        .chars()
        .filter(|c| !c.is_control() && !turns(*c))
        .map(|c| if "/\\:*?\"<>|".contains(c) { '_' } else { c })
        .take(MAX_NAME_CHARS)
        .collect();
    kept.trim_matches(['.', ' ']).to_owned()
}
