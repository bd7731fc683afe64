//! The files of the console that the build embedded, compressed.

use std::io::Read as _;

use axum::{
    body::Bytes,
    http::{
        HeaderMap, HeaderValue,
        header::{ACCEPT_ENCODING, CONTENT_ENCODING, VARY},
    },
};
use flate2::read::GzDecoder;

/// The console as the build made it.
pub(super) struct Console {
    /// Its page, without what a request brings; none where the build had no npm.
    pub(super) page: Option<&'static str>,
    pub(super) files: &'static [File],
}

/// A file of the console. Its name has a hash of its bytes.
pub(super) struct File {
    pub(super) name: &'static str,
    pub(super) brotli: &'static [u8],
    pub(super) gzip: &'static [u8],
}

/// What the build embedded.
pub(super) const CONSOLE: Console = include!(concat!(env!("OUT_DIR"), "/console_files.rs"));

impl File {
    /// The file by its name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        CONSOLE.files.iter().find(|file| file.name == name)
    }

    /// Its media type.
    pub(super) fn kind(&self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("json") => "application/json",
            _ => "text/plain; charset=utf-8",
        }
    }

    /// Its bytes in the smallest form that a client takes, and the header that says which.
    pub(super) fn body_for(&self, request: &HeaderMap) -> (HeaderMap, Bytes) {
        let mut headers = HeaderMap::new();
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        for (coding, body) in [("br", self.brotli), ("gzip", self.gzip)] {
            if takes(request, coding) {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
                return (headers, Bytes::from_static(body));
            }
        }
        let mut plain = Vec::new();
        // The build wrote it, so that it is whole.
        let _ = GzDecoder::new(self.gzip).read_to_end(&mut plain);
        (headers, plain.into())
    }
}

/// Whether a client names a coding, and not with a weight of zero.
fn takes(request: &HeaderMap, coding: &str) -> bool {
    let values = request.get_all(ACCEPT_ENCODING).iter();
    let mut offers = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    offers.any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        let is_named = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        is_named && weight.is_none_or(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(offer: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(offer))])
    }

    #[test]
    fn a_coding_is_taken_where_it_is_named_and_has_a_weight() {
        for offer in ["br", "gzip, deflate, br, zstd", "gzip;q=0.5, BR;q=1.0"] {
            assert!(takes(&asking(offer), "br"), "{offer}");
        }
        for offer in ["", "identity", "brotli", "br;q=0", "gzip, br; q=0.0"] {
            assert!(!takes(&asking(offer), "br"), "{offer}");
        }
    }

    #[test]
    fn each_form_of_a_file_holds_the_same() {
        for file in CONSOLE.files {
            let (headers, plain) = file.body_for(&HeaderMap::new());
            assert!(!headers.contains_key(CONTENT_ENCODING));
            assert!(!plain.is_empty(), "{}", file.name);
            let (headers, gzip) = file.body_for(&asking("gzip"));
            assert_eq!(headers[CONTENT_ENCODING], "gzip");
            let mut undone = Vec::new();
            GzDecoder::new(gzip.as_ref())
                .read_to_end(&mut undone)
                .unwrap();
            assert_eq!(undone, plain);
            let (headers, brotli) = file.body_for(&asking("gzip, br"));
            assert_eq!(headers[CONTENT_ENCODING], "br");
            assert!(brotli.len() <= plain.len(), "{}", file.name);
        }
    }
}
