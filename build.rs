//! Puts GraphiQL and the console into the server. GraphiQL: with npm the packages of `web/graphiql/package-lock.json`,
//! without it a page that loads the same versions from a CDN. The console: `build/console.rs`. Nothing is written outside
//! of the target folder.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to a build script by its environment"
)]

use std::{
    collections::hash_map::DefaultHasher,
    env, fs,
    hash::Hasher,
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

#[path = "build/console.rs"]
mod console;
#[path = "build/npm.rs"]
mod npm;

/// The folder of the page and of the list of its packages.
const PAGE: &str = "web/graphiql";
/// Files of the packages: what the page calls each, and where npm puts it.
const PACKAGED: &[(&str, &str)] = &[
    ("react.js", "react/umd/react.production.min.js"),
    ("react-dom.js", "react-dom/umd/react-dom.production.min.js"),
    ("graphql-ws.js", "graphql-ws/umd/graphql-ws.min.js"),
    ("graphiql.js", "graphiql/graphiql.min.js"),
    ("explorer.js", "@graphiql/plugin-explorer/dist/index.umd.js"),
    ("graphiql.css", "graphiql/graphiql.min.css"),
    ("explorer.css", "@graphiql/plugin-explorer/dist/style.css"),
    ("oauth.js", "oauth4webapi/build/index.js"),
];
/// Files of the project's own.
const OWN: &[&str] = &[
    "login.js",
    "caller.js",
    "page.js",
    "page.css",
    "tour.graphql",
];
/// Packages of the server set it: then a page that needs a CDN is an error.
const REQUIRED: &str = "REQUIRE_EMBEDDED_GRAPHIQL";

fn main() -> ExitCode {
    let packages = ["package.json", "package-lock.json"];
    for file in packages.iter().chain(OWN) {
        println!("cargo::rerun-if-changed={PAGE}/{file}");
    }
    for file in ["build.rs", "build/console.rs", "build/npm.rs"] {
        println!("cargo::rerun-if-changed={file}");
    }
    println!("cargo::rerun-if-env-changed={REQUIRED}");
    let Some(out) = env::var_os("OUT_DIR").map(PathBuf::from) else {
        return ExitCode::FAILURE;
    };
    let installed = install(&out);
    if let Err(reason) = &installed {
        println!("cargo::warning=the page /graphiql loads GraphiQL from a CDN: {reason}");
        if env::var_os(REQUIRED).is_some() {
            println!(
                "cargo::error={REQUIRED} is set, and GraphiQL could not be installed: {reason}"
            );
            return ExitCode::FAILURE;
        }
    }
    match generate(&out, installed.is_ok()) {
        Ok(()) if console::embed(&out) => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            println!("cargo::error=the page /graphiql cannot be made: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Installs by lock file, keeps the files that the page needs, and removes the rest.
fn install(out: &Path) -> Result<(), String> {
    let work = out.join("npm");
    let told = |error: io::Error| error.to_string();
    fs::create_dir_all(&work).map_err(told)?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(Path::new(PAGE).join(file), work.join(file)).map_err(told)?;
    }
    npm::run(&work, npm::INSTALL)?;
    for (name, place) in PACKAGED {
        let from = work.join("node_modules").join(place);
        fs::copy(&from, out.join(name)).map_err(|e| format!("{place}: {e}"))?;
    }
    fs::remove_dir_all(&work).map_err(told)
}

/// Writes the list of files that the server includes.
fn generate(out: &Path, is_embedded: bool) -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let own = OWN.iter().map(|name| (*name, root.join(PAGE).join(name)));
    let packaged = PACKAGED.iter().map(|(name, _)| (*name, out.join(name)));
    let packaged: Vec<_> = packaged.filter(|_| is_embedded).collect();
    let mut list = vec!["&[\n".to_owned()];
    for (name, path) in packaged.into_iter().chain(own) {
        let mut hasher = DefaultHasher::new();
        hasher.write(&fs::read(&path)?);
        let hash = format!("{:016x}", hasher.finish());
        let path = path.to_string_lossy();
        list.push(format!(
            "    File {{ name: {name:?}, hash: {hash:?}, body: include_bytes!({path:?}) }},\n"
        ));
    }
    list.push("]\n".to_owned());
    fs::write(out.join("graphiql_files.rs"), list.concat())
}
