//! A commented configuration, made from the help of the sections and of the plugins.

use super::sections::{
    AttributionSection, ColumnsSection, DataSection, FeaturesSection, ModelSection, OutputSection, PluginSection,
    PreprocessSection, RunSection, SlicingSection,
};
use crate::host::PluginHost;
use crate::sections::SpreadSettings;
use crate::sections::{MasksSection, RepairSection};
use ascan_core::params::{ParamMap, Params, resolve};
use ascan_core::{Error, Kind, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Column at which a long comment goes on in the next line.
const WIDTH: usize = 100;

/// What a new configuration says; every other key is written as a comment with its default.
#[derive(Debug, Clone, Default)]
pub struct Template {
    /// Comment lines at the top.
    pub header: Vec<String>,
    values: BTreeMap<String, (Value, Option<String>)>,
}

impl Template {
    /// Sets `section.key`; `why` becomes a comment above it, if there is something to say.
    pub fn set(&mut self, key: &str, value: impl Into<Value>, why: Option<String>) {
        self.values.insert(key.to_owned(), (value.into(), why));
    }

    /// Whether a value was set for `section.key`.
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// The text of the configuration.
    ///
    /// # Errors
    /// `UnknownName` if a plugin that it names is not there; `Param` for a value that TOML cannot express.
    pub fn to_toml(&self, host: &PluginHost) -> Result<String> {
        let mut text = String::new();
        for line in &self.header {
            comment(&mut text, line);
        }
        self.section::<DataSection>(&mut text, "data")?;
        self.section::<ColumnsSection>(&mut text, "data.columns")?;
        self.section::<ModelSection>(&mut text, "model")?;
        self.section::<OutputSection>(&mut text, "model.output")?;
        self.section::<PreprocessSection>(&mut text, "model.preprocess")?;
        self.section::<AttributionSection>(&mut text, "attribution")?;
        self.plugin(&mut text, host, Kind::Attributor, "attribution", "grad_cam")?;
        self.section::<FeaturesSection>(&mut text, "features")?;
        self.section::<PluginSection>(&mut text, "projection")?;
        self.plugin(&mut text, host, Kind::Projector, "projection", "pca")?;
        self.section::<SlicingSection>(&mut text, "slicing")?;
        self.plugin(&mut text, host, Kind::Slicer, "slicing", "kmeans")?;
        self.section::<SpreadSettings>(&mut text, "spread")?;
        self.section::<RepairSection>(&mut text, "repair")?;
        self.section::<MasksSection>(&mut text, "repair.masks")?;
        // Nothing is repaired unless it is asked for: a host without regularizers can scan all the same.
        let regularizer = RepairSection::default().plugin;
        if host.names(Kind::Regularizer).contains(&regularizer.as_str()) {
            self.plugin(&mut text, host, Kind::Regularizer, "repair", &regularizer)?;
        }
        self.section::<RunSection>(&mut text, "run")?;
        Ok(text)
    }

    fn section<P: Params>(&self, text: &mut String, name: &str) -> Result<()> {
        let defaults = resolve::<P>(&ParamMap::new()).params;
        self.table(text, name, &defaults, P::HELP.iter().copied())
    }

    fn plugin(&self, text: &mut String, host: &PluginHost, kind: Kind, section: &str, default: &str) -> Result<()> {
        let key = format!("{section}.plugin");
        let name = self.values.get(&key).and_then(|(value, _)| value.as_str()).unwrap_or(default);
        let resolved = host.resolve(kind, name, &ParamMap::new())?;
        let help = resolved.help.iter().map(|(key, text)| (key.as_str(), text.as_str()));
        self.table(text, &format!("{section}.params"), &resolved.params, help)
    }

    /// One table: each key with its help; those that are not set are comments.
    fn table<'a>(
        &self,
        text: &mut String,
        name: &str,
        defaults: &ParamMap,
        help: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<()> {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n[{name}]");
        for (key, help) in help {
            let path = format!("{name}.{key}");
            // Tables with a header of their own.
            if ["data.columns", "model.output", "model.preprocess", "repair.masks"].contains(&&*path) || key == "params"
            {
                continue;
            }
            comment(text, help);
            match (self.values.get(&path), defaults.get(key)) {
                (Some((value, why)), _) => {
                    why.iter().for_each(|why| comment(text, &format!("-> {why}")));
                    let _ = writeln!(text, "{key} = {}", toml_text(&path, value)?);
                }
                (None, Some(Value::Null) | None) => drop(writeln!(text, "#{key} =")),
                (None, Some(default)) => drop(writeln!(text, "#{key} = {}", toml_text(&path, default)?)),
            }
        }
        Ok(())
    }
}

/// A comment, broken into lines between words.
fn comment(text: &mut String, words: &str) {
    let mut line = String::from("#");
    for word in words.split_whitespace() {
        if line.len() + word.len() > WIDTH && line.len() > 1 {
            text.push_str(&line);
            text.push('\n');
            line = String::from("#  ");
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

/// A JSON value as TOML on one line.
fn toml_text(key: &str, value: &Value) -> Result<String> {
    let value = toml::Value::try_from(value).map_err(|error| Error::param(key, error.to_string(), ""))?;
    Ok(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_comments_are_broken_between_words() {
        let mut text = String::new();
        comment(&mut text, &"word ".repeat(40));
        assert!(text.lines().count() > 1 && text.lines().all(|line| line.len() <= WIDTH + 4 && line.starts_with('#')));
        assert_eq!(text.matches("word").count(), 40);
    }

    #[test]
    fn values_stay_on_one_line() {
        let table = serde_json::json!({"a b": 1, "c": 2});
        assert_eq!(toml_text("k", &table).unwrap(), "{ \"a b\" = 1, c = 2 }");
        assert_eq!(toml_text("k", &serde_json::json!(["x", "y"])).unwrap(), "[\"x\", \"y\"]");
        assert_eq!(toml_text("k", &"a\"\\b".into()).unwrap().lines().count(), 1);
    }
}
