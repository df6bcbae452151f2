//! Values that the user gives instead of having them guessed: `model.image_size=[64, 64]`.

use ascan_core::output::{OutputChoice, OutputKind};
use ascan_core::{Error, Result};
use serde_json::Value;

/// Values by dotted key, the last of each key.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub values: Vec<(String, Value)>,
}

impl Given {
    /// Reads `key=value` pairs; a value that is no TOML is a text.
    ///
    /// # Errors
    /// `Param` for one without `=`.
    pub fn parse(assignments: &[String]) -> Result<Self> {
        let mut values: Vec<(String, Value)> = Vec::new();
        for text in assignments {
            let Some((key, raw)) = text.split_once('=') else {
                return Err(Error::param(
                    "--set",
                    format!("`{text}` has no value"),
                    "for example model.image_size=[64, 64]",
                ));
            };
            let (key, raw) = (key.trim(), raw.trim());
            let parsed = toml::from_str::<serde_json::Map<String, Value>>(&format!("value = {raw}")).ok();
            let value = parsed.and_then(|mut table| table.remove("value")).unwrap_or_else(|| raw.into());
            values.retain(|(known, _)| known != key);
            values.push((key.to_owned(), value));
        }
        Ok(Self { values })
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.values.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// `model.image_size`.
    ///
    /// # Errors
    /// `Param` if it is not two numbers.
    pub fn image_size(&self) -> Result<Option<[usize; 2]>> {
        let Some(value) = self.get("model.image_size") else { return Ok(None) };
        serde_json::from_value(value.clone()).map(Some).map_err(|_| {
            Error::param("model.image_size", format!("is {value}"), "give height and width: model.image_size=[64, 64]")
        })
    }

    /// `[model.output]`.
    pub fn output(&self) -> OutputChoice {
        let text = |key: &str| self.get(key).and_then(Value::as_str);
        let name = text("model.output.name").filter(|&name| name != "auto").map(str::to_owned);
        OutputChoice { name, kind: text("model.output.kind").and_then(OutputKind::of_name) }
    }

    /// Checks that a configuration has each of the values.
    ///
    /// # Errors
    /// `Param`, naming the first that has no place in it.
    pub fn check_written(&self, text: &str) -> Result<()> {
        let written: Value = toml::from_str(text).unwrap_or_default();
        let found = |key: &str| key.split('.').try_fold(&written, |table, part| table.get(part)).is_some();
        match self.values.iter().find(|(key, _)| !found(key)) {
            Some((key, _)) => {
                Err(Error::param(key, "is no key of a configuration", "`ascan init` without --set lists the keys"))
            }
            None => Ok(()),
        }
    }
}
