//! What settings may run. A parameter of some plugins names a program to start or a library to load
//! ([`ascan_core::Params::RUNS`]). It counts where the user gave it: by a flag, or in a configuration that the user named.
//! In a scan it may be somebody else's, so there it counts only if the scan was made here, by this user, with that very
//! value, or if the user says so (`--trust`).
//!
//! A plugin host refuses what it has no permit for: code that forgets to ask is refused, not trusted.

use ascan_core::params::Resolved;
use ascan_core::{Error, Kind, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Something that a parameter wants to run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wish {
    /// Kind and name of the plugin.
    plugin: String,
    /// Its parameter.
    pub key: String,
    /// The value, as JSON.
    value: String,
}

impl Wish {
    /// All that the parameters of a plugin want to run.
    pub fn all(kind: Kind, plugin: &str, resolved: &Resolved) -> Vec<Self> {
        let is_nothing = |value: &Value| match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(parts) => parts.is_empty(),
            Value::Object(parts) => parts.is_empty(),
            _ => false,
        };
        let values = resolved.runs.iter().filter_map(|key| Some((key, resolved.params.get(key)?)));
        let wish = |(key, value): (&String, &Value)| Self {
            plugin: format!("{kind} `{plugin}`"),
            key: key.clone(),
            value: value.to_string(),
        };
        values.filter(|(_, value)| !is_nothing(value)).map(wish).collect()
    }

    /// The answer to a scan that may not have it.
    pub fn refusal(&self) -> Error {
        Error::param(&self.key, self.to_string(), HINT)
    }

    /// The file that says that a scan was made here with this wish; `None` where a user has no folder for data.
    fn file(&self, scan: &Path) -> Option<PathBuf> {
        let scan = scan.canonicalize().ok()?;
        let mut hash = blake3::Hasher::new();
        for part in
            [scan.as_os_str().as_encoded_bytes(), self.plugin.as_bytes(), self.key.as_bytes(), self.value.as_bytes()]
        {
            // The length keeps neighbouring parts apart.
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Some(dirs::data_dir()?.join("ascan").join("trusted").join(hash.finalize().to_hex().as_str()))
    }

    /// Whether this user made the scan in this folder with this wish.
    pub fn is_remembered(&self, scan: &Path) -> bool {
        self.file(scan).is_some_and(|file| file.is_file())
    }
}

/// What a user reads: `this scan, which was not made here, wants the slicer `process` to run ["sh"]`.
impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this scan, which was not made here, wants the {} to run {}", self.plugin, self.value)
    }
}

/// How it is allowed.
pub const HINT: &str = "if you trust it, give `--trust`; or give the value yourself with `--set`";

/// What may be run. Clones share their permits.
#[derive(Debug, Clone, Default)]
pub struct Permits(Arc<Mutex<Given>>);

#[derive(Debug, Default)]
struct Given {
    everything: bool,
    wishes: BTreeSet<Wish>,
}

impl Permits {
    fn given(&self) -> MutexGuard<'_, Given> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Permits everything.
    pub fn give_all(&self) {
        self.given().everything = true;
    }

    /// Permits what the user asked for.
    pub fn give(&self, wish: Wish) {
        self.given().wishes.insert(wish);
    }

    /// Permits what a scan asks for, if that scan was made here with it.
    ///
    /// # Errors
    /// `Param`: what the scan wants, and how to allow it.
    pub fn ask(&self, wish: Wish, scan: &Path) -> Result<()> {
        if self.allows(&wish) {
            return Ok(());
        }
        if !wish.is_remembered(scan) {
            return Err(wish.refusal());
        }
        self.give(wish);
        Ok(())
    }

    /// Whether a wish is permitted.
    pub fn allows(&self, wish: &Wish) -> bool {
        let given = self.given();
        given.everything || given.wishes.contains(wish)
    }

    /// Remembers that the scan in this folder was made with what the user has asked for. Where nothing can be written,
    /// the user is asked again.
    pub fn remember(&self, scan: &Path) {
        for wish in &self.given().wishes {
            let Some(file) = wish.file(scan) else { continue };
            let folder = file.parent().map(std::fs::create_dir_all);
            if folder.is_some_and(|made| made.is_ok()) {
                // Only that it is there counts; the text is for people.
                let _ = std::fs::write(file, format!("{}: {}\n", scan.display(), wish.value));
            }
        }
    }
}

/// The scan that a configuration came with: the folder of a file that has the plan of a scan beside it.
pub fn scan_of(config: &Path) -> Option<PathBuf> {
    let folder = config.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    folder.join("plan.json").symlink_metadata().is_ok().then(|| folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wishes(params: Value) -> Vec<Wish> {
        let params = params.as_object().unwrap().clone();
        Wish::all(Kind::Slicer, "process", &Resolved { params, runs: vec!["command".into()], ..Resolved::default() })
    }

    #[test]
    fn only_what_runs_something_is_a_wish() {
        assert!(wishes(json!({ "command": [], "maps": true })).is_empty());
        assert!(wishes(json!({ "command": {}, "maps": true })).is_empty());
        let wish = wishes(json!({ "command": ["sh", "-c", "\u{1b}[2J"], "maps": true })).remove(0);
        let said = wish.refusal().to_string();
        // What it says is for a terminal.
        assert!(said.contains(r#"the slicer `process` to run ["sh","-c","\u001b[2J"]"#), "{said}");
    }

    #[test]
    fn a_permit_is_for_one_value() {
        let permits = Permits::default();
        let [a, b] = [["a"], ["b"]].map(|command| wishes(json!({ "command": command })).remove(0));
        permits.give(a.clone());
        assert!(permits.clone().allows(&a) && !permits.allows(&b));
        let scan = tempfile::tempdir().unwrap();
        assert!(permits.ask(b.clone(), scan.path()).is_err());
        permits.give_all();
        assert!(permits.allows(&b));
    }

    #[test]
    fn a_configuration_beside_a_plan_came_with_a_scan() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("any.toml");
        assert_eq!(scan_of(&config), None);
        std::fs::write(folder.path().join("plan.json"), "").unwrap();
        assert_eq!(scan_of(&config), Some(folder.path().to_owned()));
    }
}
