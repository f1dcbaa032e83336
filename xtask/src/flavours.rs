//! The flavours of the binary: one module alone, the gateway alone, and mixes. Each has to compile, and has to be built
//! without what it is not.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::cargo::{cargo, root, store_binary};
use crate::process;

/// What a binary can have inside, each a feature of the root package.
const PARTS: [&str; 5] = ["gateway", "user", "product", "cart", "order"];

/// Two that go together in ways that no single one shows: a gateway beside a module, and siblings in one process.
const MIXES: [&str; 2] = ["gateway,user", "cart,order"];

/// What a binary without a module has no use for.
const DATABASE: [&str; 4] = ["database", "diesel", "pq-sys", "r2d2"];

/// Those that are built and looked into: one without and one with a database.
const BUILT: [&str; 2] = ["gateway", "cart"];

/// Lints all flavours, and looks at what each is made of.
pub(crate) fn check() -> Result<(), String> {
    for flavour in PARTS.into_iter().chain(MIXES) {
        let mut lint = of_flavour(cargo("clippy"), flavour);
        lint.args(["--lib", "--bins", "--", "--deny", "warnings"]);
        process::check_shown(&mut lint)?;
    }
    PARTS.into_iter().try_for_each(check_tree)?;
    BUILT.into_iter().try_for_each(check_binary)
}

/// Cargo for the binary with these parts alone.
fn of_flavour(mut command: Command, flavour: &str) -> Command {
    command.args(["--locked", "--package", "bodega", "--no-default-features"]);
    command.args(["--features", flavour]);
    command
}

/// Whether a binary with one part is built from that part, and from nothing of the others.
fn check_tree(part: &str) -> Result<(), String> {
    let mut tree = of_flavour(cargo("tree"), part);
    tree.args(["--edges", "normal,build", "--prefix", "none"]);
    let tree = process::output(&mut tree)?;
    let crates: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    let others = PARTS.into_iter().filter(|other| *other != part);
    let banned = others.chain(DATABASE.into_iter().filter(|_| part == "gateway"));
    if !crates.contains(&part) {
        return Err(format!("the binary with `{part}` alone is not built from it"));
    }
    match banned.into_iter().find(|name| crates.contains(name)) {
        Some(name) => Err(format!("the binary with `{part}` alone is built from `{name}`")),
        None => Ok(()),
    }
}

/// Builds a binary with one part, and looks for code and migrations of the others in it.
fn check_binary(part: &str) -> Result<(), String> {
    let mut build = of_flavour(cargo("build"), part);
    process::check_shown(build.args(["--bin", "bodega"]))?;
    let binary = store_binary("debug")?;
    for other in PARTS {
        for trace in traces(other)? {
            // Whatever is there of the part itself shows that its absence in another means something.
            match (contains(&binary, &trace)?, other == part) {
                (true, true) | (false, false) => (),
                (true, false) => return Err(format!("the binary with `{part}` alone has `{trace}` of `{other}`")),
                (false, true) => return Err(format!("the binary with `{part}` alone does not even show `{trace}`")),
            }
        }
    }
    Ok(())
}

/// Text that is in every debug build with this part: the names of its source files, and what its migrations create.
fn traces(part: &str) -> Result<Vec<String>, String> {
    let mut traces = vec![format!("modules/{part}/src/")];
    let migrations = root().join("migrations").join(part);
    for entry in fs::read_dir(&migrations).into_iter().flatten().flatten() {
        let up = entry.path().join("up.sql");
        let text = fs::read_to_string(&up).map_err(process::failed("read", &up))?;
        let created = text.lines().find(|line| line.starts_with("CREATE TABLE "));
        traces.extend(created.map(str::to_owned));
    }
    Ok(traces)
}

fn contains(binary: &Path, text: &str) -> Result<bool, String> {
    let mut search = Command::new("grep");
    search
        .args(["--quiet", "--text", "--fixed-strings", "-e", text])
        .arg(binary);
    let status = search
        .status()
        .map_err(|error| format!("could not run grep: {error}"))?;
    match status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(format!("`{}` failed: {status}", process::shown(&search))),
    }
}
