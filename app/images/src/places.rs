//! Where the image is that a table names: paths of other systems and other machines, ids without an ending.

use crate::archive::{member_name, member_uri};
use crate::folder::Walk;
use crate::names;
use crate::sample::Source;
use ascan_core::Result;
use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// Rows that are looked for before the folder is searched.
const N_PROBES: usize = 16;

/// The images that a table may name.
pub(crate) struct Places<'a> {
    root: &'a Path,
    root_map: &'a BTreeMap<String, PathBuf>,
    /// The archive and its members by name.
    members: Option<(&'a Path, HashMap<&'a str, &'a Source>)>,
    index: OnceCell<Index>,
    /// Whether some of the first paths lead nowhere, so that each is worth a look.
    is_searched: bool,
    n_found: Cell<usize>,
    first_found: OnceCell<(String, String)>,
}

impl<'a> Places<'a> {
    pub fn new(
        root: &'a Path,
        root_map: &'a BTreeMap<String, PathBuf>,
        members: Option<(&'a Path, HashMap<&'a str, &'a Source>)>,
        cells: &[&str],
    ) -> Self {
        let mut places = Self {
            root,
            root_map,
            members,
            index: OnceCell::new(),
            is_searched: false,
            n_found: Cell::new(0),
            first_found: OnceCell::new(),
        };
        let step = (cells.len() / N_PROBES).max(1);
        places.is_searched = cells.iter().step_by(step).any(|cell| !places.exists(&mended(cell)));
        places
    }

    /// The uri and the bytes of the image that a cell names.
    pub fn of(&self, cell: &str) -> (String, Source) {
        let path = mended(cell);
        if self.is_searched && !path.is_empty() && !self.exists(&path) {
            let index = self.index.get_or_init(|| Index::of(self.names()));
            match index.find(&path) {
                [] => {}
                [only] => {
                    self.n_found.set(self.n_found.get() + 1);
                    self.first_found.get_or_init(|| (path.clone(), only.clone()));
                    return self.at(only);
                }
                several => {
                    let why = format!("may be any of {} images: {}, …", several.len(), several[..2].join(", "));
                    return (path, Source::Missing(why));
                }
            }
        }
        self.at(&path)
    }

    /// What was found in another place than the table says.
    pub fn note(&self) -> Option<String> {
        let (cell, place) = self.first_found.get()?;
        let n = self.n_found.get();
        Some(format!("{n} images were found by their id or their name alone (the first: `{cell}` is `{place}`)"))
    }

    fn at(&self, path: &str) -> (String, Source) {
        match &self.members {
            None => (path.to_owned(), Source::File(self.file(path))),
            Some((archive, members)) => {
                let name = member_name(path);
                let missing = || Source::Missing("is named by the manifest but is not in the archive".into());
                (member_uri(archive, &name), members.get(name.as_str()).map_or_else(missing, |&source| source.clone()))
            }
        }
    }

    /// The file that a path means on this machine.
    fn file(&self, path: &str) -> PathBuf {
        for (prefix, folder) in self.root_map {
            let prefix = mended(prefix);
            let rest = path.strip_prefix(prefix.trim_end_matches('/'));
            // A whole folder: `/data` is no beginning of `/database/1.png`.
            if let Some(rest) = rest.filter(|rest| rest.starts_with('/') || prefix.is_empty()) {
                return folder.join(rest.trim_start_matches('/'));
            }
        }
        self.root.join(path)
    }

    fn exists(&self, path: &str) -> bool {
        match &self.members {
            None => self.file(path).is_file(),
            Some((_, members)) => members.contains_key(member_name(path).as_str()),
        }
    }

    /// Paths of all images that there are.
    fn names(&self) -> Vec<String> {
        match &self.members {
            None => {
                // A table in the working folder has no folder in its path.
                let root = if self.root.as_os_str().is_empty() { Path::new(".") } else { self.root };
                let walk: Result<Walk> = Walk::of(root);
                walk.map_or_else(|_| vec![], |walk| walk.found.iter().map(|found| found.path.join("/")).collect())
            }
            Some((_, members)) => {
                let mut names: Vec<String> = members.keys().map(|&name| name.to_owned()).collect();
                names.sort();
                names
            }
        }
    }
}

/// The path with forward slashes: a backslash separates folders where the table was written.
fn mended(cell: &str) -> String {
    cell.replace('\\', "/")
}

/// Images by the last part of their path, with its ending and without.
struct Index(HashMap<String, Vec<String>>);

impl Index {
    fn of(paths: Vec<String>) -> Self {
        let mut index: HashMap<String, Vec<String>> = HashMap::new();
        for path in paths {
            let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
            let stem = names::stem(&name).to_owned();
            if stem != name {
                index.entry(stem).or_default().push(path.clone());
            }
            index.entry(name).or_default().push(path);
        }
        Self(index)
    }

    /// The images that a path or an id may mean: those that end as it does.
    fn find(&self, path: &str) -> &[String] {
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(found) = self.0.get(name) else { return &[] };
        let fits = |found: &String| {
            let inside = found.rsplit_once('/').map_or("", |(inside, _)| inside);
            folders.is_empty() || inside == folders || inside.ends_with(&format!("/{folders}"))
        };
        // All or nothing but one: a list of what fits would have to be built for each row.
        match found.iter().filter(|found| fits(found)).count() {
            0 => &[],
            1 => {
                let at = found.iter().position(fits).unwrap_or(0);
                &found[at..=at]
            }
            _ => found,
        }
    }
}
