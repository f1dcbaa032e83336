//! What the structure promises, checked: the arrows between crates, and rules that no compiler knows.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

const MODULES: [&str; 4] = ["user", "product", "cart", "order"];

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    command.other_options(["--locked".to_owned()]).exec().unwrap()
}

/// The crates of the workspace, each with those that it depends on outside of its tests.
fn graph(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let members: BTreeSet<String> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let needs = |package: &&cargo_metadata::Package| {
        let normal = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal);
        normal
            .map(|dependency| dependency.name.clone())
            .filter(|name| members.contains(name))
            .collect()
    };
    let packages = metadata.workspace_packages();
    packages
        .iter()
        .map(|package| (package.name.to_string(), needs(package)))
        .collect()
}

/// The table in `modules/README.md`: what each crate may depend on.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let readme = fs::read_to_string(root().join("modules/README.md")).unwrap();
    let lines = readme.lines().filter_map(|line| line.split_once("->"));
    let mut arrows = BTreeMap::new();
    for (names, targets) in lines {
        for name in names.split(',').flat_map(|name| expand(name.trim())) {
            let allowed = targets
                .split(',')
                .flat_map(|target| allowed_by(target.trim(), &name))
                .collect();
            arrows.insert(name, allowed);
        }
    }
    arrows
}

fn expand(name: &str) -> Vec<String> {
    match name {
        "<m>-api" => MODULES.map(|module| format!("{module}-api")).to_vec(),
        name => vec![name.to_owned()],
    }
}

fn allowed_by(target: &str, name: &str) -> Vec<String> {
    let own_api = format!("{name}-api");
    match target.strip_prefix('+') {
        // What every module may, and more.
        Some(more) => ["kernel", "database", &own_api, more.trim()]
            .map(str::to_owned)
            .to_vec(),
        None => match target {
            "nothing of ours" | "no diesel" => Vec::new(),
            "their own api" => vec![own_api],
            target => vec![target.to_owned()],
        },
    }
}

#[test]
fn crates_depend_on_each_other_only_along_the_arrows() {
    let arrows = arrows();
    for (name, needs) in graph(&metadata()) {
        if name == "bodega" {
            continue;
        }
        let none = BTreeSet::new();
        let allowed = arrows.get(&name).unwrap_or(&none);
        let forbidden: Vec<&String> = needs.difference(allowed).collect();
        assert!(
            forbidden.is_empty(),
            "{name} must not depend on {forbidden:?}; see modules/README.md"
        );
    }
}

#[test]
fn the_arrows_are_drawn_for_every_crate() {
    let arrows = arrows();
    let crates = graph(&metadata());
    let missing: Vec<&String> = crates
        .keys()
        .filter(|name| *name != "xtask" && !arrows.contains_key(*name))
        .collect();
    assert!(missing.is_empty(), "modules/README.md says nothing of {missing:?}");
}

/// Everything that a crate is built from, itself included, outside of its tests.
fn tree(metadata: &Metadata, name: &str) -> BTreeSet<String> {
    let root = metadata
        .workspace_packages()
        .into_iter()
        .find(|package| package.name == name)
        .unwrap();
    let nodes: BTreeMap<&PackageId, _> = metadata
        .resolve
        .as_ref()
        .unwrap()
        .nodes
        .iter()
        .map(|node| (&node.id, node))
        .collect();
    let mut found: BTreeSet<&PackageId> = BTreeSet::new();
    let mut open = vec![&root.id];
    while let Some(id) = open.pop() {
        if !found.insert(id) {
            continue;
        }
        let built = nodes[id].deps.iter().filter(|dependency| {
            dependency
                .dep_kinds
                .iter()
                .any(|kind| kind.kind != DependencyKind::Development)
        });
        open.extend(built.map(|dependency| &dependency.pkg));
    }
    found.iter().map(|id| metadata[id].name.to_string()).collect()
}

#[test]
fn the_gateway_and_what_siblings_share_need_no_database() {
    let metadata = metadata();
    for name in [
        "kernel",
        "gateway",
        "user-api",
        "product-api",
        "cart-api",
        "cart-pricing",
        "order-api",
    ] {
        let tree = tree(&metadata, name);
        for banned in ["diesel", "pq-sys", "r2d2"] {
            assert!(!tree.contains(banned), "{name} is built from {banned}");
        }
    }
}

#[test]
fn only_the_gateway_links_the_one_crate_that_is_gpl() {
    let metadata = metadata();
    for name in graph(&metadata)
        .keys()
        .filter(|name| !["gateway", "bodega"].contains(&name.as_str()))
    {
        assert!(
            !tree(&metadata, name).contains("actix-governor"),
            "{name} links actix-governor"
        );
    }
}

/// IN-05
#[test]
fn no_regular_expression_can_be_made_to_take_long() {
    // These go back and try again, some for longer than anybody can wait; the crate `regex` does not.
    const BACKTRACKING: [&str; 7] = [
        "fancy-regex",
        "hyperscan",
        "onig",
        "onig_sys",
        "pcre",
        "pcre2",
        "regress",
    ];
    for package in metadata().packages {
        assert!(
            !BACKTRACKING.contains(&package.name.as_str()),
            "{} is in use",
            package.name
        );
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files of the binary and of the modules, with their text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for folder in ["src", "modules", "xtask/src"] {
        collect(&root().join(folder), &mut files);
    }
    files
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, String)>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path.strip_prefix(root()).unwrap().to_path_buf(), text));
        }
    }
}

#[test]
fn only_the_composition_knows_about_features() {
    for (path, text) in sources() {
        let knows = text
            .lines()
            .any(|line| line.contains("#[cfg") && line.contains("feature = "));
        assert!(
            !knows || path == Path::new("src/modules.rs"),
            "{} asks for a feature",
            path.display()
        );
    }
}

#[test]
fn no_statement_is_made_of_values() {
    for (path, text) in sources() {
        let squeezed: String = text.split_whitespace().collect();
        assert!(
            !squeezed.contains("sql_query(format!"),
            "{} puts values into SQL",
            path.display()
        );
        assert!(
            !squeezed.contains("sql_query(&format!"),
            "{} puts values into SQL",
            path.display()
        );
    }
}

#[test]
fn files_are_named_by_what_is_in_them() {
    for (path, _) in sources() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let empty = ["util", "utils", "helper", "helpers", "common", "misc"];
        assert!(!empty.contains(&name), "{} could hold anything", path.display());
    }
}

#[test]
fn the_modules_have_the_same_anatomy() {
    for module in MODULES {
        let folder = root().join("modules").join(module);
        for file in [
            "README.md",
            "api/src/lib.rs",
            "src/lib.rs",
            "src/http.rs",
            "src/service.rs",
            "src/domain.rs",
            "src/queries.rs",
            "src/schema.rs",
        ] {
            assert!(folder.join(file).is_file(), "modules/{module} has no {file}");
        }
    }
}

/// What diesel calls a migration. Two of the same name are silently one.
fn version(folder: &str) -> String {
    folder.split('_').next().unwrap_or(folder).replace('-', "")
}

/// The names of the folders in a folder.
fn folders(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders
        .map(|folder| folder.file_name().into_string().unwrap())
        .collect()
}

#[test]
fn no_two_migrations_of_a_schema_have_the_same_version() {
    let all = root().join("migrations");
    // A schema has those of the foundation in the same table as its own.
    let shared = folders(&all.join("foundation"));
    for schema in folders(&all) {
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        let foundation = shared.iter().filter(|_| schema != "foundation");
        for folder in folders(&all.join(&schema)).iter().chain(foundation) {
            let before = known.insert(version(folder), folder.clone());
            assert_eq!(before, None, "{folder} of {schema} has the version of another");
        }
        assert!(!known.is_empty(), "{schema} has no migrations");
    }
}
