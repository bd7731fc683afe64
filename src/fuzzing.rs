//! Targets of fuzzing: code that reads what comes from outside, each with the promises that must hold for whatever
//! comes. Part of no server: it is compiled for tests, which run over `fuzz/corpus`, and for `scripts/fuzz`.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Display,
    str::FromStr,
    sync::OnceLock,
};

use serde_json::value::RawValue;

use crate::{
    content::{Digest, Link, Signer},
    model::{
        ArtifactId, Cursor, EventId, ExecutionId, IntentId, KeyId, KeyRing, MaterializationId,
        NodeId, SessionId, TenantId, UploadId,
    },
    solutions::content::parsing::{ParseOptions, parse, profile},
};

/// Takes any bytes, and panics where a promise is broken.
pub type Target = fn(&[u8]);

/// All targets by their names, which are those of the folders of the corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("csv", csv),
    ("cursors", cursors),
    ("gate", crate::graphql::fuzzing::gate),
    ("ids", ids),
    ("json", json),
    ("jwt", crate::auth::fuzzing::jwt),
    ("links", links),
    ("socket", crate::graphql::fuzzing::socket),
];

/// What is read is written in a way that is read as the same.
fn read_back<T: FromStr + Display + PartialEq>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        let again = read.to_string().parse::<T>();
        assert!(again.is_ok_and(|again| again == read), "{text:?} is {read}");
    }
}

fn ids(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    read_back::<ArtifactId>(text);
    read_back::<EventId>(text);
    read_back::<ExecutionId>(text);
    read_back::<IntentId>(text);
    read_back::<KeyId>(text);
    read_back::<MaterializationId>(text);
    read_back::<NodeId>(text);
    read_back::<SessionId>(text);
    read_back::<UploadId>(text);
    read_back::<TenantId>(text);
    read_back::<Digest>(text);
    crate::graphql::fuzzing::ids(text);
}

fn cursors(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    read_back::<Cursor>(text);
    crate::graphql::fuzzing::cursors(text);
}

fn signer() -> &'static Signer {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    SIGNER.get_or_init(|| {
        let ring = KeyRing::single("0123456789abcdefghijklmnopqrstuvwxyz");
        #[expect(clippy::expect_used, reason = "the secret is long enough")]
        Signer::new(&ring.expect("a ring of keys"))
    })
}

/// A path with a query, as of a signed link: no link is good that the server has not made.
fn links(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let query: HashMap<String, String> = pairs.into_owned().collect();
    let of = |name: &str| query.get(name).cloned().unwrap_or_default();
    let mut link = Link {
        tenant: of("tenant"),
        expires_at_s: of("expires").parse().unwrap_or_default(),
        key: of("key"),
        signature: of("signature"),
    };
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match parts.as_slice() {
        ["uploads", id] => assert!(signer().verify_upload(id, &link, 0).is_err(), "{text}"),
        ["content", tenant, digest] => {
            (*tenant).clone_into(&mut link.tenant);
            if let Ok(digest) = digest.parse::<Digest>() {
                let name = of("name");
                let verified = signer().verify_download(&digest, Some(&name), &link, 0);
                assert!(verified.is_err(), "{text}");
            }
        }
        _ => {}
    }
}

/// The options come first, as JSON, to the end of the line.
fn csv(data: &[u8]) {
    rows(data, "a.csv");
}

fn json(data: &[u8]) {
    rows(data, "a.json");
}

/// Whatever was read as rows is one JSON object a line, as many as were counted, and can be described.
fn rows(data: &[u8], file_name: &str) {
    let (options, content) = match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (serde_json::from_slice(&data[..end]).ok(), &data[end + 1..]),
        None => (None, data),
    };
    let (options, content): (ParseOptions, &[u8]) = match options {
        Some(options) => (options, content),
        None => (ParseOptions::default(), data),
    };
    let Ok(parsed) = parse(content, Some(file_name), &options) else {
        return;
    };
    #[expect(clippy::expect_used, reason = "what was packed can be unpacked")]
    let rows = parsed.rows.unpack().expect("the rows");
    let mut count = 0;
    for line in rows.split_inclusive(|byte| *byte == b'\n') {
        count += 1;
        let row = serde_json::from_slice::<BTreeMap<String, &RawValue>>(line);
        assert!(row.is_ok(), "{:?}", String::from_utf8_lossy(line));
    }
    assert_eq!(count, parsed.record_count);
    let described = profile(&parsed.columns, &rows);
    assert!(described.is_ok(), "{described:?}");
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn corpus(target: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus")
            .join(target);
        let files = fs::read_dir(folder).unwrap();
        files
            .map(|file| fs::read(file.unwrap().path()).unwrap())
            .collect()
    }

    /// Each file, the same cut off in the middle, and the same with one byte that is another.
    #[test]
    fn the_targets_take_what_is_in_the_corpus() {
        for (name, target) in TARGETS {
            let files = corpus(name);
            assert!(files.len() >= 5, "{name}: {} files", files.len());
            for file in files {
                target(&file);
                target(&file[..file.len() / 2]);
                for at in (0..file.len()).step_by(7) {
                    let mut other = file.clone();
                    other[at] ^= 1 << (at % 8);
                    target(&other);
                }
            }
        }
    }

    #[test]
    fn every_folder_of_the_corpus_has_a_target() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        let folders = fs::read_dir(folder).unwrap();
        let mut folders: Vec<String> = folders
            .map(|one| one.unwrap().file_name().into_string().unwrap())
            .collect();
        folders.sort();
        let targets: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        assert_eq!(folders, targets);
    }

    #[test]
    fn the_script_that_fuzzes_names_every_target() {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/fuzz");
        let script = fs::read_to_string(script).unwrap();
        let list = script.lines().find_map(|line| line.strip_prefix("all=("));
        let names = list.and_then(|list| list.strip_suffix(')')).unwrap();
        let targets: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.split(' ').collect::<Vec<_>>(), targets);
    }
}
