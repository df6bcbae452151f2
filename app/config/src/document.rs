//! The text of a configuration and its `--set` flags as one JSON tree that knows where each key came from.

use super::errors::{ConfigError, ConfigErrors, Place, TextPlace};
use crate::trust;
use ascan_core::params::ParamMap;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// Keys from the root: `["slicing", "params", "n_slices"]`.
type KeyPath = Vec<String>;

/// A configuration as it was given, before it is checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    name: String,
    base: PathBuf,
    /// The scan that it came with.
    scan: Option<PathBuf>,
    values: ParamMap,
    origins: BTreeMap<KeyPath, Origin>,
}

/// Where one key came from.
#[derive(Debug, Clone, PartialEq)]
struct Origin {
    key: Place,
    value: Place,
    /// What a relative path in the value is relative to.
    base: PathBuf,
    /// The unquoted text of a flag's value, which may also be meant as a string.
    raw: Option<String>,
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, or is not TOML: every syntax error.
    pub fn read(path: &Path) -> Result<Self, ConfigErrors> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let hint = match error.kind() {
                std::io::ErrorKind::NotFound => "`ascan init MODEL DATA` writes a configuration",
                std::io::ErrorKind::InvalidData => "a configuration is a text file in TOML",
                _ => "",
            };
            ConfigError::new(&[], Place::File(name.clone()), format!("cannot read the configuration: {error}"), hint)
        })?;
        let base = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Self { scan: trust::scan_of(path), ..Self::parse(&name, &text, base)? })
    }

    /// Reads text; `name` is what errors call it, `base` what its paths are relative to.
    ///
    /// # Errors
    /// Every syntax error.
    pub fn parse(name: &str, text: &str, base: &Path) -> Result<Self, ConfigErrors> {
        let (name_of, base_of) = (name.to_owned(), base.to_owned());
        let (values, origins) = (ParamMap::new(), BTreeMap::new());
        let mut document = Self { name: name_of, base: base_of, scan: None, values, origins };
        let (table, syntax) = DeTable::parse_recoverable(text);
        let mut errors = ConfigErrors::default();
        let place = |span| Place::Text(TextPlace::new(name, text, span));
        for error in syntax {
            let place = error.span().map_or_else(|| Place::File(name.to_owned()), place);
            errors.push(ConfigError::new(&[], place, error.message(), ""));
        }
        document.values = document.table(table.get_ref(), &mut Vec::new(), &place, &mut errors);
        if errors.is_empty() { Ok(document) } else { Err(errors) }
    }

    fn table(
        &mut self,
        table: &DeTable,
        path: &mut KeyPath,
        place: &dyn Fn(std::ops::Range<usize>) -> Place,
        errors: &mut ConfigErrors,
    ) -> ParamMap {
        let mut map = ParamMap::new();
        for (key, value) in table {
            path.push(key.get_ref().to_string());
            let origin =
                Origin { key: place(key.span()), value: place(value.span()), base: self.base.clone(), raw: None };
            let json = match value.get_ref() {
                DeValue::Table(table) => Ok(Value::Object(self.table(table, path, place, errors))),
                other => to_json(other),
            };
            match json {
                Ok(json) => drop(map.insert(key.get_ref().to_string(), json)),
                Err(message) => errors.push(ConfigError::new(&[], origin.value.clone(), message, "")),
            }
            self.origins.insert(path.clone(), origin);
            path.pop();
        }
        map
    }

    /// Applies `key=value` flags; later ones win. Relative paths in them are relative to the working directory.
    ///
    /// Choosing another plugin drops the parameters that the file gives to the one it replaces.
    pub fn apply(&mut self, assignments: &[String]) -> ConfigErrors {
        let mut errors = ConfigErrors::default();
        let mut parsed = Vec::new();
        for text in assignments {
            match Assignment::parse(text) {
                Ok(assignment) => parsed.push(assignment),
                Err(message) => {
                    let hint = "for example --set slicing.params.n_slices=20";
                    errors.push(ConfigError::new(&[], Place::Flag(text.clone()), message, hint));
                }
            }
        }
        for assignment in &parsed {
            self.drop_params_of_replaced_plugin(assignment);
        }
        for assignment in parsed {
            let flag = Place::Flag(assignment.text.clone());
            if let Err(message) = self.set(assignment) {
                errors.push(ConfigError::new(&[], flag, message, ""));
            }
        }
        errors
    }

    fn drop_params_of_replaced_plugin(&mut self, assignment: &Assignment) {
        let [section, key] = &assignment.path[..] else { return };
        if !["plugin", "backend"].contains(&key.as_str()) || self.get(&[section, key]) == Some(&assignment.value) {
            return;
        }
        if let Some(Value::Object(section)) = self.values.get_mut(section) {
            section.remove("params");
        }
    }

    fn set(&mut self, assignment: Assignment) -> Result<(), String> {
        let Assignment { text, path, value, raw } = assignment;
        let (last, parents) = path.split_last().ok_or("the key is empty")?;
        let mut table = &mut self.values;
        for (depth, parent) in parents.iter().enumerate() {
            let entry = table.entry(parent.clone()).or_insert_with(|| Value::Object(ParamMap::new()));
            table = entry.as_object_mut().ok_or_else(|| format!("`{}` is not a table", path[..=depth].join(".")))?;
        }
        let place = Place::Flag(text);
        table.insert(last.clone(), value);
        // What was below the replaced value is gone, and so are its places.
        self.origins.retain(|known, _| !known.starts_with(&path));
        self.origins.insert(path, Origin { key: place.clone(), value: place, base: PathBuf::from("."), raw });
        Ok(())
    }

    /// The keys at the root.
    pub fn root(&self) -> &ParamMap {
        &self.values
    }

    /// The value at a path.
    pub fn get(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.values.get(*first)?, |value, key| value.get(key))
    }

    /// Where the key stands; where it is not given, the nearest table above it.
    pub fn place_of_key(&self, path: &[&str]) -> Place {
        self.nearest(path, |origin| &origin.key)
    }

    /// Where the value stands; where it is not given, the nearest table above it.
    pub fn place_of_value(&self, path: &[&str]) -> Place {
        self.nearest(path, |origin| &origin.value)
    }

    fn nearest(&self, path: &[&str], pick: fn(&Origin) -> &Place) -> Place {
        match self.origin(path) {
            Some(origin) => pick(origin).clone(),
            None if path.is_empty() => Place::File(self.name.clone()),
            None => self.nearest(&path[..path.len() - 1], |origin| &origin.key),
        }
    }

    /// The folder of the scan that a value came with; `None` for a flag's, and in a file that the user named.
    pub fn scan_of(&self, path: &[&str]) -> Option<PathBuf> {
        let is_flag = matches!(self.place_of_value(path), Place::Flag(_));
        self.scan.clone().filter(|_| !is_flag)
    }

    /// The folder that a relative path in this value is relative to.
    pub fn base_of(&self, path: &[&str]) -> &Path {
        match self.origin(path) {
            Some(origin) => &origin.base,
            None if path.is_empty() => &self.base,
            None => self.base_of(&path[..path.len() - 1]),
        }
    }

    /// What the user typed behind `key=`, where the value is a flag's that was read as a number or the like.
    pub fn raw(&self, path: &[&str]) -> Option<&str> {
        self.origin(path)?.raw.as_deref()
    }

    fn origin(&self, path: &[&str]) -> Option<&Origin> {
        let path: KeyPath = path.iter().map(|&key| key.to_owned()).collect();
        self.origins.get(&path)
    }
}

/// A `--set` flag.
struct Assignment {
    text: String,
    path: KeyPath,
    value: Value,
    raw: Option<String>,
}

impl Assignment {
    /// The value is TOML where it can be read so, else a string: `split=test` needs no quotes.
    fn parse(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or("expected key=value")?;
        let (path, value, raw) = (key.trim(), value.trim(), value.trim().to_owned());
        let path: KeyPath = path.split('.').map(|part| part.trim().to_owned()).collect();
        if path.iter().any(String::is_empty) {
            return Err(format!("`{}` is not a key", key.trim()));
        }
        let typed = DeValue::parse(value).ok().map(|value| from_toml(value.get_ref())).transpose()?;
        let (value, raw) = match typed {
            Some(Value::String(string)) => (Value::String(string), None),
            Some(other) => (other, Some(raw)),
            None => (Value::String(raw), None),
        };
        Ok(Self { text: text.to_owned(), path, value, raw })
    }
}

/// A TOML value that is not a table.
fn to_json(value: &DeValue) -> Result<Value, String> {
    Ok(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(integer) => {
            let parsed = i64::from_str_radix(integer.as_str(), integer.radix());
            Value::from(parsed.map_err(|_| format!("{integer} is too large for a whole number"))?)
        }
        DeValue::Float(float) => {
            let finite = float.as_str().parse().ok().and_then(serde_json::Number::from_f64);
            Value::Number(finite.ok_or_else(|| format!("expected a finite number, got {float}"))?)
        }
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(date) => Value::String(date.to_string()),
        DeValue::Array(items) => items.iter().map(|item| from_toml(item.get_ref())).collect::<Result<_, _>>()?,
        DeValue::Table(_) => return from_toml(value),
    })
}

/// Any TOML value.
fn from_toml(value: &DeValue) -> Result<Value, String> {
    match value {
        DeValue::Table(table) => {
            let entries = table.iter().map(|(key, value)| Ok((key.get_ref().to_string(), from_toml(value.get_ref())?)));
            entries.collect::<Result<ParamMap, String>>().map(Value::Object)
        }
        other => to_json(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(text: &str) -> Document {
        Document::parse("run.toml", text, Path::new("base")).unwrap()
    }

    #[test]
    fn every_syntax_error_is_found() {
        let errors = Document::parse("run.toml", "a = \nb = 1\nb = 2\n[c\n", Path::new(".")).unwrap_err();
        let lines: Vec<usize> = errors
            .iter()
            .map(|error| match &error.place {
                Place::Text(place) => place.line,
                other => panic!("no line: {other:?}"),
            })
            .collect();
        assert_eq!(lines, [1, 3, 4], "{errors}");
    }

    #[test]
    fn flags_win_and_keep_their_own_base() {
        let mut document = document("[model]\npath = \"a.onnx\"\n");
        let errors = document.apply(&["model.path=b.onnx".into(), "run.seed = 7".into(), "x.y=[1, 2]".into()]);
        assert!(errors.is_empty(), "{errors}");
        assert_eq!(document.get(&["model", "path"]), Some(&json!("b.onnx")));
        assert_eq!(document.get(&["run", "seed"]), Some(&json!(7)));
        assert_eq!(document.get(&["x", "y"]), Some(&json!([1, 2])));
        assert_eq!(document.base_of(&["model", "path"]), Path::new("."));
        assert_eq!(document.base_of(&["model", "device"]), Path::new("base"));
        assert_eq!(document.place_of_value(&["run", "seed"]), Place::Flag("run.seed = 7".into()));
    }

    #[test]
    fn a_flag_that_is_no_assignment_is_an_error_at_the_flag() {
        let mut document = document("[model]\npath = \"a.onnx\"\n");
        let errors = document.apply(&["model.path".into(), ".x=1".into(), "model.path.x=1".into()]);
        let messages: Vec<_> = errors.iter().map(|error| error.message.as_str()).collect();
        assert_eq!(messages, ["`.x` is not a key", "expected key=value", "`model.path` is not a table"]);
    }

    #[test]
    fn another_plugin_does_not_inherit_parameters() {
        let text = "[slicing]\nplugin = \"kmeans\"\nparams = { n_slices = 3 }\n";
        let mut same = document(text);
        same.apply(&["slicing.plugin=kmeans".into()]);
        assert_eq!(same.get(&["slicing", "params"]), Some(&json!({"n_slices": 3})));
        let mut other = document(text);
        other.apply(&["slicing.params.gamma=2".into(), "slicing.plugin=domino".into()]);
        assert_eq!(other.get(&["slicing", "params"]), Some(&json!({"gamma": 2})));
    }
}
