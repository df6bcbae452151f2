//! A list of files inside the window, for systems that offer no file dialog.

use std::path::{Path, PathBuf};

/// More entries than this are not listed: a folder of a million images is chosen as a whole.
const MAX_ENTRIES: usize = 2000;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A folder.
    Folder,
    /// A file whose name ends in one of these; empty: any.
    File(&'static [&'static str]),
}

/// Something in the folder that is shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Files come after folders.
    pub is_file: bool,
    /// Its name.
    pub name: String,
}

/// A folder that is looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Browser {
    /// What the path is for.
    pub title: String,
    /// What is looked for.
    pub wanted: Wanted,
    /// The folder.
    pub folder: PathBuf,
    /// What is in it: folders, and files that fit, by name.
    pub entries: Vec<Entry>,
    /// What cannot be listed, and why.
    pub trouble: String,
}

impl Browser {
    /// Looks into the first folder on the way up from a path that is there.
    pub fn new(title: &str, wanted: Wanted, from: &Path) -> Self {
        let from = std::path::absolute(from).unwrap_or_else(|_| from.to_owned());
        let folder = from.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
        let title = title.to_owned();
        let mut browser =
            Self { title, wanted, folder: folder.to_owned(), entries: Vec::new(), trouble: String::new() };
        browser.list();
        browser
    }

    /// Goes into a folder of the list, or gives the file.
    pub fn enter(&mut self, index: usize) -> Option<PathBuf> {
        let entry = self.entries.get(index)?;
        let path = self.folder.join(&entry.name);
        if entry.is_file {
            return Some(path);
        }
        self.folder = path;
        self.list();
        None
    }

    /// Goes to the folder that holds this one.
    pub fn up(&mut self) {
        if self.folder.pop() {
            self.list();
        }
    }

    fn list(&mut self) {
        (self.entries, self.trouble) = (Vec::new(), String::new());
        let found = match std::fs::read_dir(&self.folder) {
            Ok(found) => found,
            Err(error) => {
                self.trouble = format!("{} cannot be listed: {error}", self.folder.display());
                return;
            }
        };
        for entry in found.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_file = !entry.path().is_dir();
            if name.starts_with('.') || is_file && !self.fits(&name) {
                continue;
            }
            if self.entries.len() == MAX_ENTRIES {
                self.trouble = format!("only the first {MAX_ENTRIES} entries are listed");
                break;
            }
            self.entries.push(Entry { is_file, name });
        }
        self.entries.sort();
    }

    fn fits(&self, name: &str) -> bool {
        match self.wanted {
            Wanted::Folder => false,
            Wanted::File(endings) => {
                let name = name.to_lowercase();
                endings.is_empty() || endings.iter().any(|ending| name.ends_with(ending))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_first_and_only_files_that_fit() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.onnx", "A.ONNX", "notes.txt", ".hidden.onnx"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        std::fs::create_dir_all(dir.path().join("models/deep")).unwrap();
        let mut browser = Browser::new("Model", Wanted::File(&[".onnx"]), &dir.path().join("gone/further"));
        let names = |browser: &Browser| browser.entries.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>();
        assert_eq!(
            (browser.folder.as_path(), names(&browser)),
            (dir.path(), vec!["models".into(), "A.ONNX".into(), "b.onnx".into()])
        );
        assert_eq!(browser.enter(2), Some(dir.path().join("b.onnx")));
        assert_eq!((browser.enter(0), names(&browser)), (None, vec!["deep".to_owned()]));
        browser.up();
        assert_eq!(browser.entries.len(), 3);
        assert_eq!(names(&Browser::new("Images", Wanted::Folder, dir.path())), ["models"]);
        assert_eq!(Browser::new("Any", Wanted::File(&[]), dir.path()).entries.len(), 4);
    }
}
