//! Puts the console into the server. npm builds it in the target folder, where the result is kept by the hash of its
//! inputs, so that each profile takes the same one and nothing is built when nothing has changed.

use std::{
    collections::hash_map::DefaultHasher,
    env, fs,
    hash::Hasher,
    io,
    path::{Path, PathBuf},
};

use crate::npm;

/// The console, and what it is made from besides, as places of the repository.
const CONSOLE: &str = "web/console";
const INPUTS: &[&str] = &[CONSOLE, "sdks/typescript/client", "schema.graphql"];
/// Folders that are made from the inputs.
const MADE: &[&str] = &["node_modules", "dist", "generated"];
/// Packages of the server set it: then a build without the console is an error.
const REQUIRED: &str = "REQUIRE_EMBEDDED_CONSOLE";
/// A folder with a finished console, for whoever packages the server without npm.
const FINISHED: &str = "TAKEOFF_CONSOLE_DIST";
/// Results that are kept.
const KEPT: usize = 4;

/// Builds the console, if that was not done before, and writes the list of its files. Returns false where the build has
/// to stop.
pub(super) fn embed(out: &Path) -> bool {
    println!("cargo::rerun-if-env-changed={REQUIRED}");
    println!("cargo::rerun-if-env-changed={FINISHED}");
    let found = match env::var_os(FINISHED) {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => built(out),
    };
    let made = found.and_then(|folder| listed(&folder));
    let list = match made {
        Ok(list) => list,
        Err(reason) => {
            println!("cargo::warning=the server is built without its console: {reason}");
            if env::var_os(REQUIRED).is_some() {
                println!(
                    "cargo::error={REQUIRED} is set, and the console could not be built: {reason}"
                );
                return false;
            }
            "Console { page: None, files: &[] }\n".to_owned()
        }
    };
    let written = fs::write(out.join("console_files.rs"), list);
    if let Err(error) = &written {
        println!("cargo::error=the console cannot be embedded: {error}");
    }
    written.is_ok()
}

/// The folder with the finished console.
fn built(out: &Path) -> Result<PathBuf, String> {
    let mut inputs = Vec::new();
    for input in INPUTS {
        collect(Path::new(input), &mut inputs).map_err(told)?;
    }
    inputs.sort();
    let mut hasher = DefaultHasher::new();
    for path in &inputs {
        println!("cargo::rerun-if-changed={}", path.display());
        hasher.write(path.to_string_lossy().as_bytes());
        hasher.write(&fs::read(path).map_err(told)?);
    }
    let place = target(out).join("console");
    fs::create_dir_all(&place).map_err(told)?;
    // Builds of several profiles may run at the same time.
    let lock = fs::File::create(place.join("lock")).map_err(told)?;
    lock.lock().map_err(told)?;
    let finished = place.join(format!("{:016x}", hasher.finish()));
    if !finished.is_dir() {
        let work = place.join("work");
        let dist = build(&work, &inputs)?;
        fs::rename(dist, &finished).map_err(told)?;
        forget_old(&place).map_err(told)?;
    }
    Ok(finished)
}

/// Copies the inputs and builds there; the packages are left for the next time. Returns the folder of the result.
fn build(work: &Path, inputs: &[PathBuf]) -> Result<PathBuf, String> {
    let console = work.join(CONSOLE);
    for made in ["src", "dist", "scripts"] {
        remove(&console.join(made)).map_err(told)?;
    }
    for path in inputs {
        let copy = work.join(path);
        let folder = copy.parent().unwrap_or(work);
        fs::create_dir_all(folder).map_err(told)?;
        fs::copy(path, copy).map_err(told)?;
    }
    let lock = fs::read(console.join("package-lock.json")).map_err(told)?;
    let installed = console.join("node_modules/.installed");
    if fs::read(&installed).ok().as_ref() != Some(&lock) {
        npm::run(&console, npm::INSTALL)?;
        fs::write(&installed, &lock).map_err(told)?;
    }
    npm::run(&console, &["run", "build", "--loglevel", "error"])?;
    Ok(console.join("dist"))
}

/// The list of the files of a finished console, as the server includes it.
fn listed(dist: &Path) -> Result<String, String> {
    let place = |name: &str| match fs::canonicalize(dist.join(name)) {
        Ok(path) => Ok(path.to_string_lossy().into_owned()),
        Err(error) => Err(format!("{name}: {error}")),
    };
    let page = place("index.html")?;
    let mut list = vec![format!(
        "Console {{ page: Some(include_str!({page:?})), files: &[\n"
    )];
    let assets = fs::read_dir(dist.join("assets")).map_err(told)?;
    let mut names = Vec::new();
    for asset in assets {
        let name = asset.map_err(told)?.file_name();
        names.extend(
            name.to_string_lossy()
                .strip_suffix(".br")
                .map(str::to_owned),
        );
    }
    names.sort();
    for name in names {
        let brotli = place(&format!("assets/{name}.br"))?;
        let gzip = place(&format!("assets/{name}.gz"))?;
        list.push(format!(
            "    File {{ name: {name:?}, brotli: include_bytes!({brotli:?}), gzip: include_bytes!({gzip:?}) }},\n"
        ));
    }
    list.push("] }\n".to_owned());
    Ok(list.concat())
}

/// All files below a place that are not made from others. A place that is not there has none.
fn collect(path: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_file() {
        into.push(path.to_owned());
    } else if path.is_dir() {
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default();
            if !MADE.iter().any(|made| name == *made) {
                collect(&path, into)?;
            }
        }
    }
    Ok(())
}

/// cargo's target folder, or the build folder where it is not known.
fn target(out: &Path) -> &Path {
    let is_target = |folder: &&Path| folder.join("CACHEDIR.TAG").is_file();
    out.ancestors().find(is_target).unwrap_or(out)
}

/// Removes the results but the newest.
fn forget_old(place: &Path) -> io::Result<()> {
    let mut results = Vec::new();
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        if entry.path().join("index.html").is_file() {
            results.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    results.sort();
    let old = results.len().saturating_sub(KEPT);
    results
        .iter()
        .take(old)
        .try_for_each(|(_, path)| fs::remove_dir_all(path))
}

fn remove(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn told(error: io::Error) -> String {
    error.to_string()
}
