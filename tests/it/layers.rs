//! The layers point one way: a module of `src` uses only what its line here names.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Modules of the crate and what each may use. What has no line of its own uses nothing.
const MAY_USE: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "app",
            "auth",
            "clock",
            "config",
            "graphql",
            "model",
            "policy",
            "storage",
            "telemetry",
        ],
    ),
    (
        "app",
        &[
            "api",
            "artifact_registry",
            "auth",
            "clock",
            "config",
            "console",
            "content",
            "events",
            "executions",
            "graphql",
            "hot",
            "ids",
            "model",
            "policy",
            "quotas",
            "redis",
            "rest",
            "runtime",
            "services",
            "solutions",
            "state_surface",
            "storage",
            "telemetry",
            "uploads",
            "vault",
        ],
    ),
    (
        "graphql",
        &[
            "api",
            "artifact_registry",
            "auth",
            "events",
            "executions",
            "model",
            "quotas",
            "runtime",
            "services",
            "state_surface",
            "uploads",
        ],
    ),
    (
        "rest",
        &[
            "api",
            "artifact_registry",
            "auth",
            "executions",
            "model",
            "quotas",
            "runtime",
            "services",
            "state_surface",
            "uploads",
        ],
    ),
    ("console", &["api", "auth", "clock", "model"]),
    ("api", &["auth", "content", "model", "storage"]),
    ("auth", &["clock", "ids", "model", "storage"]),
    (
        "services",
        &[
            "api",
            "artifact_registry",
            "auth",
            "events",
            "executions",
            "model",
            "quotas",
            "runtime",
            "state_surface",
            "storage",
            "uploads",
        ],
    ),
    ("solutions", &["content", "model", "runtime"]),
    (
        "fuzzing",
        &["auth", "content", "graphql", "model", "solutions"],
    ),
    ("prelude", &["app", "config", "content", "model", "runtime"]),
    (
        "runtime",
        &[
            "artifact_registry",
            "clock",
            "content",
            "events",
            "executions",
            "ids",
            "model",
            "policy",
            "quotas",
            "state_surface",
            "storage",
            "telemetry",
            "vault",
        ],
    ),
    (
        "uploads",
        &[
            "api", "clock", "content", "ids", "model", "policy", "quotas", "storage",
        ],
    ),
    (
        "state_surface",
        &["content", "hot", "ids", "model", "storage"],
    ),
    ("artifact_registry", &["model", "policy", "storage"]),
    ("policy", &["model", "storage"]),
    ("executions", &["model", "storage"]),
    ("events", &["model", "redis", "storage", "telemetry"]),
    ("redis", &["hot", "model", "quotas", "storage"]),
    ("quotas", &["model", "storage"]),
    ("hot", &[]),
    ("vault", &["model", "storage"]),
    ("content", &["model"]),
    ("storage", &["model", "telemetry"]),
    ("telemetry", &["config", "model"]),
    ("ids", &["model"]),
    ("clock", &["model"]),
    ("config", &["model"]),
    ("model", &[]),
];

/// Crates that only one module may name.
const OWNED: &[(&str, &str)] = &[
    ("sea_orm", "storage"),
    ("entity", "storage"),
    ("migration", "storage"),
    ("async_graphql", "graphql"),
    ("utoipa", "rest"),
    ("object_store", "content"),
    ("indicatif", "cli"),
    ("cedar_policy", "policy"),
    ("croner", "runtime"),
    ("chrono_tz", "runtime"),
];

/// Calls that give the right to reach a tenant's data, and the places that may make them. Every other
/// `Principal::…(` and `TenantScope::…(` is a fault outside the file that defines them.
const RIGHTS: &[(&str, &[&str])] = &[
    (
        "Principal::development(",
        &["auth/authenticator.rs", "auth/mod.rs"],
    ),
    ("Principal::operator(", &["auth/mod.rs"]),
    (
        "Principal::proven(",
        &["auth/authenticator.rs", "auth/secrets.rs"],
    ),
    ("Principal::visitor(", &["auth/secrets.rs"]),
    ("Principal::on_behalf_of(", &["runtime/"]),
    (
        "Principal::of_schedule(",
        &["runtime/engine/schedules.rs", "runtime/submit/schedule.rs"],
    ),
    (
        "Principal::of_operation(",
        &["runtime/engine/operations.rs"],
    ),
    (
        "Principal::of_webhook(",
        &["runtime/engine/webhooks/round.rs"],
    ),
    ("TenantScope::of_link(", &["content/signing.rs"]),
    (
        "TenantScope::of_row(",
        &["storage/read/limits.rs", "storage/read/releases.rs"],
    ),
    ("auth::operator(", &["app/callers.rs"]),
    ("auth::program(", &["app/assemble.rs"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn module_of(root: &Path, path: &Path) -> String {
    let first = path
        .strip_prefix(root)
        .unwrap()
        .components()
        .next()
        .unwrap();
    Path::new(first.as_os_str())
        .file_stem()
        .unwrap()
        .to_string_lossy()
        .into_owned()
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
        || path.file_name().is_some_and(|name| name == "tests.rs")
}

/// The part of a file that is not its tests, without comments.
fn code_of(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The modules that `crate::…` paths name, those of a braced list included.
fn used(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (_, rest) in code
        .match_indices("crate::")
        .map(|(at, m)| (at, &code[at + m.len()..]))
    {
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 0 && (c.is_alphanumeric() || c == '_') {
                    name.push(c);
                } else if depth == 0 && c == ',' {
                    found.push(std::mem::take(&mut name));
                } else if c == ':' && depth == 0 && !name.ends_with('!') {
                    // Only the first name of each path counts; the rest of it is cut below.
                    name.push('!');
                }
            }
            found.push(name);
        } else {
            found.push(
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            );
        }
    }
    let first = |name: String| name.split('!').next().unwrap_or_default().to_owned();
    found
        .into_iter()
        .map(first)
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn no_file_is_longer_than_500_lines() {
    const MOST: usize = 500;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in [
        "benches",
        "build",
        "entity",
        "migration",
        "src",
        "tests/it",
        "tests/protocol",
    ] {
        sources(&root.join(folder), &mut files);
    }
    assert!(files.len() > 500, "{} files", files.len());
    let lines = |path: &PathBuf| fs::read_to_string(path).unwrap().lines().count();
    let long: Vec<_> = files.iter().filter(|path| lines(path) > MOST).collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn every_module_uses_only_what_is_to_its_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut faults = Vec::new();
    let mut edges = 0;
    for path in files.iter().filter(|path| !is_test(path)) {
        let module = module_of(&root, path);
        if module == "lib" {
            continue;
        }
        let code = code_of(path);
        for other in used(&code) {
            let is_module = allowed.contains_key(other.as_str());
            edges += usize::from(is_module && other != module);
            let fits = allowed
                .get(module.as_str())
                .is_some_and(|list| list.contains(&other.as_str()));
            if is_module && other != module && !fits {
                faults.push(format!("{} uses {other}", path.display()));
            }
        }
        for (name, owner) in OWNED {
            let names = |text: &str| code.contains(&format!("{text}{name}::"));
            if module != *owner && (names("use ") || names(" ") || names("(") || names("<")) {
                faults.push(format!("{} names {name}", path.display()));
            }
        }
        if module != "redis" && (code.contains("use ::redis") || code.contains("redis::aio")) {
            faults.push(format!("{} names redis", path.display()));
        }
    }
    assert!(edges > 100, "the imports were not found");
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn resolvers_and_routes_ask_the_services_and_not_the_database() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for layer in ["graphql", "rest"] {
        sources(&root.join(layer), &mut files);
    }
    let asks = |path: &&PathBuf| !is_test(path) && asks_the_database(&code_of(path));
    let faults: Vec<&PathBuf> = files.iter().filter(asks).collect();
    assert!(files.len() > 50, "the files were not found");
    assert_eq!(faults, Vec::<&PathBuf>::new());
    for code in [
        "services.storage.ping()",
        "services\n    .storage\n    .ping()",
    ] {
        assert!(asks_the_database(code), "{code}");
    }
    assert!(!asks_the_database("form.storage_type"));
}

/// Returns whether code reaches for the storage among the services.
fn asks_the_database(code: &str) -> bool {
    let mut fields = code.match_indices(".storage");
    fields.any(|(at, found)| {
        let next = code[at + found.len()..].chars().next();
        next.is_none_or(|c| !c.is_alphanumeric() && c != '_')
    })
}

#[test]
fn the_table_points_one_way() {
    let order: Vec<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    for start in order {
        let mut reached = vec![start];
        let mut next = 0;
        while let Some(module) = reached.get(next).copied() {
            next += 1;
            for other in allowed[module] {
                assert_ne!(*other, start, "{start} uses itself by {module}");
                if !reached.contains(other) {
                    reached.push(other);
                }
            }
        }
    }
}

/// Each call of a function of `kind` by its path, up to the parenthesis.
fn calls<'a>(code: &'a str, kind: &str) -> Vec<&'a str> {
    let begins = code.match_indices(kind).map(|(at, _)| &code[at..]);
    let call = |rest: &'a str| {
        let name = rest[kind.len()..].find(|c: char| !c.is_alphanumeric() && c != '_')?;
        let end = kind.len() + name;
        rest[end..].starts_with('(').then(|| &rest[..=end])
    };
    begins.filter_map(call).collect()
}

#[test]
fn the_right_to_a_tenants_data_is_made_where_it_is_checked() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let (mut faults, mut used) = (Vec::new(), Vec::new());
    for path in files.iter().filter(|path| !is_test(path)) {
        let place = path.strip_prefix(&root).unwrap().to_string_lossy();
        if place == "model/principal.rs" {
            continue;
        }
        let code = code_of(path);
        for (call, places) in RIGHTS {
            if code.contains(call) {
                used.push(*call);
                if !places.iter().any(|allowed| place.starts_with(allowed)) {
                    faults.push(format!("{place} calls {call}…)"));
                }
            }
        }
        for kind in ["Principal::", "TenantScope::"] {
            for call in calls(&code, kind) {
                if !RIGHTS.iter().any(|(known, _)| *known == call) {
                    faults.push(format!("{place} calls {call}…)"));
                }
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    for (call, _) in RIGHTS {
        assert!(used.contains(call), "nothing calls {call}…)");
    }
}
