//! The house stands as `app/docs/architecture.md` says: no crate imports from a floor above it, and no two files of a
//! crate import each other, but for a module and what is inside it.

use crate::harness::workspace;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};

/// Each crate with those of ours that it may depend on. Tests and benches may use everything.
const FLOORS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("core/math", &["core"]),
    ("core/onnx", &["core"]),
    // PlaneSpot slices the plane that UMAP lays out.
    ("plugins/discovery", &["core", "core/math", "plugins/projection"]),
    ("plugins/*", &["core", "core/math", "core/onnx"]),
    ("plugins/all", &["core", "plugins/*"]),
    ("app/viz", &[]),
    ("app/config", &["core", "core/math"]),
    ("app/store", &["core", "app/config"]),
    ("app/images", &["core", "app/config"]),
    ("app/engine", &["core", "core/math", "core/onnx", "app/config", "app/images", "app/store"]),
    ("app/demo", &["core", "core/onnx", "app/store", "app/engine"]),
    ("app/vectors", &["core", "app/config", "app/images", "app/store", "app/engine"]),
    ("app/bench", &["core", "core/math", "app/config", "app/images", "app/store", "app/engine"]),
    (
        "app/report",
        &["core", "core/math", "app/config", "app/images", "app/store", "app/engine", "app/bench", "app/viz"],
    ),
    ("app/ui", &[]),
    ("app/desktop", &["core", "app/config", "app/store", "app/engine", "app/demo", "app/report", "app/ui", "app/viz"]),
    (
        "app",
        &[
            "core",
            "core/onnx",
            "plugins/all",
            "app/config",
            "app/images",
            "app/store",
            "app/engine",
            "app/demo",
            "app/vectors",
            "app/bench",
            "app/report",
            "app/desktop",
            "app/viz",
        ],
    ),
];

/// Lines of Rust in a crate without its tests.
const MAX_LINES: usize = 13_000;

/// A crate of the workspace: its folder, as `app/engine`, and the folders of our own crates that it depends on.
struct Crate {
    folder: String,
    depends_on: BTreeSet<String>,
}

/// Every crate of the workspace but tests and benches.
fn crates() -> Vec<Crate> {
    let root: toml::Table = read(&workspace().join("Cargo.toml")).parse().expect("a manifest");
    let paths: BTreeMap<&str, &str> = root["workspace"]["dependencies"]
        .as_table()
        .expect("a table")
        .iter()
        .filter_map(|(name, dependency)| Some((name.as_str(), dependency.get("path")?.as_str()?)))
        .collect();
    let mut crates = Vec::new();
    for folder in paths.values() {
        let manifest: toml::Table = read(&workspace().join(folder).join("Cargo.toml"))
            .parse()
            .unwrap_or_else(|error| panic!("{folder}: {error}"));
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table).into_iter().flatten();
        let ours = dependencies.filter_map(|(name, _)| paths.get(name.as_str())).map(|path| (*path).to_owned());
        crates.push(Crate { folder: (*folder).to_owned(), depends_on: ours.collect() });
    }
    assert!(crates.len() > 20, "only {} crates were found", crates.len());
    crates
}

/// Whether a crate's folder is what a line of [`FLOORS`] names.
fn is_named(folder: &str, name: &str) -> bool {
    match name.strip_suffix("/*") {
        Some(parent) => {
            folder.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/')) && folder != "plugins/all"
        }
        None => folder == name,
    }
}

#[test]
fn no_crate_imports_from_a_floor_above_it() {
    for Crate { folder, depends_on } in crates() {
        let (_, allowed) = FLOORS.iter().find(|(name, _)| is_named(&folder, name)).unwrap_or_else(|| {
            panic!("{folder} has no floor: give it a line in FLOORS and in app/docs/architecture.md")
        });
        for used in &depends_on {
            assert!(allowed.iter().any(|name| is_named(used, name)), "{folder} must not depend on {used}");
        }
    }
}

#[test]
fn no_two_files_of_a_crate_import_each_other() {
    let mut circles = Vec::new();
    for Crate { folder, .. } in crates() {
        let files = Files::read(&workspace().join(&folder).join("src"));
        circles.extend(files.circles().into_iter().map(|circle| format!("{folder}: {}", circle.join(" ↔ "))));
    }
    assert!(circles.is_empty(), "files that import each other:\n{}", circles.join("\n"));
}

#[test]
fn no_crate_outgrows_its_floor() {
    for Crate { folder, .. } in crates() {
        let mut lines = 0;
        for_each_file(&workspace().join(&folder).join("src"), &mut |file| {
            let is_test = file.iter().any(|part| part == "tests" || part == "tests.rs" || part == "testing");
            lines += if is_test { 0 } else { read(file).lines().count() };
        });
        assert!(lines < MAX_LINES, "{folder} has {lines} lines of Rust, more than {MAX_LINES}");
    }
}

/// A circle is found where there is one, through re-exports too, and a module may use what is inside it.
#[test]
fn circles_are_found() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |file: &str, text: &str| {
        let file = dir.path().join(file);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, text).expect("written");
    };
    write("lib.rs", "mod a; mod b; mod c; pub use b::Shown;");
    write("a.rs", "use crate::Shown; pub struct A;");
    write("b.rs", "pub struct Shown; fn f() { let _ = super::a::A; }");
    write("c/mod.rs", "mod inner; use inner::Inner; pub struct C;");
    write(
        "c/inner.rs",
        "use super::C; pub struct Inner; #[cfg(test)] mod tests { use super::Inner; use crate::a::A; }",
    );
    assert_eq!(Files::read(dir.path()).circles(), [["a", "b"]]);
    write("b.rs", "pub struct Shown;");
    assert!(Files::read(dir.path()).circles().is_empty());
}

/// The modules of a crate that are files, by their path (`["model", "list"]`), with the paths that each of them names.
struct Files {
    files: BTreeMap<Vec<String>, Paths>,
}

/// What a file names.
#[derive(Default)]
struct Paths {
    /// Absolute paths within the crate, as written: `["model", "Changes"]`.
    used: BTreeSet<Vec<String>>,
    /// Names that the file imports, with the path that each stands for: what `super::Name` of a child finds.
    imports: BTreeMap<String, Vec<String>>,
}

impl Files {
    fn read(src: &Path) -> Self {
        let mut found: BTreeMap<Vec<String>, PathBuf> = BTreeMap::new();
        for_each_file(src, &mut |file| {
            let inside = file.strip_prefix(src).expect("inside").with_extension("");
            let mut module: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            module.pop_if(|last| ["lib", "main", "mod"].contains(&last.as_str()));
            found.insert(module, file.to_owned());
        });
        let modules: BTreeSet<&Vec<String>> = found.keys().collect();
        let mut files = BTreeMap::new();
        for (module, file) in &found {
            let syntax = syn::parse_file(&read(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let mut reader =
                Reader { modules: &modules, module: module.clone(), inline: Vec::new(), paths: Paths::default() };
            reader.visit_file(&syntax);
            files.insert(module.clone(), reader.paths);
        }
        Self { files }
    }

    /// The file that defines what a path names.
    fn file_of(&self, path: &[String], depth: usize) -> Vec<String> {
        let mut module = Vec::new();
        for (i, name) in path.iter().enumerate() {
            module.push(name.clone());
            if self.files.contains_key(&module) {
                continue;
            }
            module.pop();
            // A name that the module only passes on.
            if let Some(import) = self.files.get(&module).and_then(|paths| paths.imports.get(name))
                && depth < 8
                && import.as_slice() != &path[..=i]
            {
                let rest = [import.as_slice(), &path[i + 1..]].concat();
                return self.file_of(&rest, depth + 1);
            }
            break;
        }
        module
    }

    /// Groups of files of which each imports, directly or by others, each other.
    fn circles(&self) -> Vec<Vec<String>> {
        let is_family = |a: &[String], b: &[String]| a.starts_with(b) || b.starts_with(a);
        let mut reach: BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
        for (module, paths) in &self.files {
            let files = paths.used.iter().map(|path| self.file_of(path, 0));
            reach.insert(module, files.filter(|file| !is_family(file, module)).collect());
        }
        loop {
            let before: usize = reach.values().map(BTreeSet::len).sum();
            for module in self.files.keys() {
                let further: BTreeSet<Vec<String>> =
                    reach[module].iter().filter_map(|file| reach.get(file)).flatten().cloned().collect();
                reach.entry(module).or_default().extend(further);
            }
            if reach.values().map(BTreeSet::len).sum::<usize>() == before {
                break;
            }
        }
        let mut circles = BTreeSet::new();
        for (module, reached) in &reach {
            let circle: BTreeSet<String> = reached
                .iter()
                .filter(|file| reach.get(file).is_some_and(|back| back.contains(*module)))
                .map(|file| file.join("/"))
                .collect();
            if !circle.is_empty() {
                circles.insert(circle.into_iter().collect::<Vec<_>>());
            }
        }
        circles.into_iter().collect()
    }
}

/// Collects the paths of one file.
struct Reader<'a> {
    modules: &'a BTreeSet<&'a Vec<String>>,
    /// The file's own path.
    module: Vec<String>,
    /// Modules that are written inside the file, around the present place.
    inline: Vec<String>,
    paths: Paths,
}

impl Reader<'_> {
    /// The path from the crate's root; `None` for what belongs to another crate, or stays in this file.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let mut at = [self.module.as_slice(), self.inline.as_slice()].concat();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => {
                at.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|name| name == "super") {
                    at.pop()?;
                    rest = &rest[1..];
                }
            }
            name => {
                // A child module by its bare name, or a name of this file.
                let child = [at.as_slice(), &[name.to_owned()]].concat();
                if !self.modules.contains(&child) {
                    return None;
                }
            }
        }
        at.extend(rest.iter().cloned());
        Some(at)
    }

    fn tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let mut path = before.to_vec();
        match tree {
            syn::UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.tree(&path, &part.tree);
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(&path, tree)),
            syn::UseTree::Glob(_) => self.used(&path),
            syn::UseTree::Name(part) => self.import(path, &part.ident, &part.ident),
            syn::UseTree::Rename(part) => self.import(path, &part.ident, &part.rename),
        }
    }

    fn import(&mut self, mut path: Vec<String>, name: &syn::Ident, known_as: &syn::Ident) {
        if name != "self" {
            path.push(name.to_string());
        }
        self.used(&path);
        if let (Some(absolute), true) = (self.absolute(&path), self.inline.is_empty()) {
            self.paths.imports.insert(known_as.to_string(), absolute);
        }
    }

    fn used(&mut self, path: &[String]) {
        self.paths.used.extend(self.absolute(path));
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&[], &item.tree);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        // A file's own tests are like a module inside it, whether they stand in a file of theirs or not.
        if item.attrs.iter().any(|attribute| attribute.path().is_ident("cfg")) {
            return;
        }
        self.inline.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.inline.pop();
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if names.len() > 1 {
            self.used(&names);
        }
        visit::visit_path(self, path);
    }
}

fn for_each_file(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            for_each_file(&entry, visit);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            visit(&entry);
        }
    }
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
