//! `plugins/README.md` says where a method lies and which files a new slicer touches; here it is held to that.

use crate::harness::workspace;
use ascan_core::Kind;
use ascan_core::abi::Library;
use ascan_plugins::LIBRARIES;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A plugin of the workspace.
struct Method {
    kind: Kind,
    /// What configurations call it.
    name: String,
    /// The folder of its crate in `plugins/`.
    family: &'static str,
}

fn methods() -> Vec<Method> {
    let of_library = |&(stem, entry)| {
        let library = Library::from_static(entry).unwrap();
        let family = family(stem);
        let method = |plugin: &ascan_core::abi::LoadedPlugin| Method {
            kind: plugin.kind(),
            name: plugin.name().to_owned(),
            family,
        };
        library.plugins().iter().map(method).collect::<Vec<_>>()
    };
    LIBRARIES.iter().flat_map(of_library).collect()
}

fn family(stem: &'static str) -> &'static str {
    stem.strip_prefix("ascan_").expect("a stem of this workspace")
}

/// What `minibatch_kmeans`, `MiniBatchKMeans` and `minibatch-kmeans` have in common.
fn key(word: &str) -> String {
    word.replace(['_', '-'], "").to_lowercase()
}

/// The words of each Rust file and each manifest, by its path from the root of the workspace.
fn sources() -> BTreeMap<String, BTreeSet<String>> {
    let root = workspace();
    let mut sources = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            let is_manifest = name == "Cargo.toml";
            if entry.file_type().unwrap().is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if is_manifest || name.ends_with(".rs") {
                let is_word = |c: char| c.is_alphanumeric() || c == '_' || (c == '-' && is_manifest);
                let text = std::fs::read_to_string(&path).unwrap();
                let words = text.split(|c| !is_word(c)).map(key).collect();
                sources.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/"), words);
            }
        }
    }
    sources
}

/// How a path is written, so that those of several plugins are the same.
type Pattern = Box<dyn Fn(&str) -> String>;

/// The files that name more than half of what is looked for: what one more would have to be added to. Each is looked
/// for by a word, and has its own way to write a path, so that its own files are the same as those of the others.
fn name_most(wanted: &[(String, Pattern)]) -> BTreeSet<String> {
    let sources = sources();
    let mut counts = BTreeMap::<String, usize>::new();
    for (word, pattern) in wanted {
        let naming = sources.iter().filter(|(_, words)| words.contains(&key(word)));
        for path in naming.map(|(path, _)| pattern(path)).collect::<BTreeSet<_>>() {
            *counts.entry(path).or_default() += 1;
        }
    }
    counts.into_iter().filter(|(_, n)| 2 * n > wanted.len()).map(|(path, _)| path).collect()
}

/// A path in which the family's folder is called `FAMILY`.
fn of_any_family(family: &str, path: &str) -> String {
    match path.strip_prefix(&format!("plugins/{family}/")) {
        Some(rest) => format!("plugins/FAMILY/{rest}"),
        None => path.to_owned(),
    }
}

/// The paths of the lists on the page, one after the other.
fn listed() -> Vec<BTreeSet<String>> {
    let page = std::fs::read_to_string(workspace().join("plugins/README.md")).unwrap();
    let section = page.split("\n## Adding a slicer to this repository\n").nth(1).expect("the section on it");
    let section = section.split("\n# ").next().unwrap();
    let first_word = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let lists = section.split("```").skip(1).step_by(2);
    lists.map(|list| list.lines().skip(1).filter_map(first_word).collect()).collect()
}

#[test]
fn a_slicer_of_a_family_touches_what_the_page_lists() {
    let slicers = methods().into_iter().filter(|method| method.kind == Kind::Slicer && method.name != method.family);
    let wanted: Vec<_> = slicers
        .map(|Method { name, family, .. }| {
            let own = format!("plugins/{family}/src/{name}");
            let pattern = move |path: &str| match path.strip_prefix(&own) {
                Some(rest) if rest == ".rs" || rest.starts_with('/') => "plugins/FAMILY/src/SLICER.rs".to_owned(),
                _ => of_any_family(family, path),
            };
            (name, Box::new(pattern) as Pattern)
        })
        .collect();
    assert!(wanted.len() > 10, "{} slicers", wanted.len());
    assert_eq!(name_most(&wanted), listed()[0]);
}

#[test]
fn a_crate_of_slicers_touches_what_the_page_lists() {
    let slicers = methods().into_iter().filter(|method| method.kind == Kind::Slicer);
    let families: BTreeSet<&str> = slicers.map(|slicer| slicer.family).collect();
    let wanted: Vec<_> = families
        .into_iter()
        .map(|family| {
            let pattern = move |path: &str| of_any_family(family, path);
            (format!("ascan_{family}"), Box::new(pattern) as Pattern)
        })
        .collect();
    assert_eq!(name_most(&wanted), listed()[1]);
}

#[test]
fn every_method_lies_under_its_name() {
    let exists = |path: String| Path::exists(&workspace().join("plugins").join(path));
    for Method { name, family, .. } in methods() {
        let found = name == family
            || exists(format!("{family}/src/{name}.rs"))
            || exists(format!("{family}/src/{name}/mod.rs"));
        assert!(found, "plugins/{family}/src has neither {name}.rs nor {name}/");
    }
}

#[test]
fn every_crate_of_the_folder_is_in_the_list_of_libraries() {
    let folders = std::fs::read_dir(workspace().join("plugins")).unwrap().map(|entry| entry.unwrap().path());
    let crates = folders.filter(|folder| folder.join("Cargo.toml").exists());
    let crates: BTreeSet<String> =
        crates.map(|folder| folder.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    let libraries = LIBRARIES.iter().map(|&(stem, _)| family(stem).to_owned());
    assert_eq!(crates, libraries.chain(["all".to_owned()]).collect());
}
