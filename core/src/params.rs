//! Parameters of a plugin: plain serde structs whose defaults, checks and help travel as JSON.

use crate::{Error, PlainError, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A JSON object of parameters, as the configuration gives them.
pub type ParamMap = Map<String, Value>;

/// The parameters of a plugin.
///
/// A plain struct with `#[derive(Serialize, Deserialize)] #[serde(default)]` and a
/// `Default` in which every field is present; its field names are the config keys.
pub trait Params: Default + Serialize + DeserializeOwned {
    /// One line of help for each key, in the order in which a user should read them.
    const HELP: &'static [(&'static str, &'static str)];

    /// Keys whose values name a program to start or a library to load. From a scan that somebody else made they count
    /// only if the user says so.
    const RUNS: &'static [&'static str] = &[];

    /// Adds every value that is out of range to `problems`.
    fn check(&self, problems: &mut Problems);
}

/// Parameters of a plugin that has none.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct NoParams {}

impl Params for NoParams {
    const HELP: &'static [(&'static str, &'static str)] = &[];

    fn check(&self, _problems: &mut Problems) {}
}

/// Errors found while checking parameters, all of them at once.
#[derive(Debug, Default)]
pub struct Problems(Vec<Error>);

impl Problems {
    /// Adds a problem unless `ok`. `message` says the value received and what is allowed.
    pub fn require(&mut self, ok: bool, key: &str, message: impl Into<String>, hint: &str) {
        if !ok {
            self.0.push(Error::param(key, message, hint));
        }
    }

    /// Adds a problem if `value` is below `low` or above `high`, or is not a number.
    pub fn range<T: PartialOrd + std::fmt::Display>(&mut self, key: &str, value: T, low: T, high: T) {
        let ok = value >= low && value <= high;
        self.require(ok, key, format!("must be between {low} and {high}, got {value}"), "");
    }

    /// The problems found.
    pub fn into_errors(self) -> Vec<Error> {
        self.0
    }
}

/// What a plugin says to a set of parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Resolved {
    /// Every parameter with its value, defaults written out.
    pub params: ParamMap,
    /// Every problem; none means the parameters can be used.
    pub problems: Vec<ParamProblem>,
    /// One line of help for each key.
    pub help: Vec<(String, String)>,
    /// More about the plugin, plain text; see [`crate::Plugin::detail`].
    #[serde(default)]
    pub detail: String,
    /// The keys that run what they name; see [`Params::RUNS`].
    #[serde(default)]
    pub runs: Vec<String>,
}

impl Resolved {
    /// The parameters in the order of the help, then the rest; each with its help, which may be empty.
    pub fn in_order(&self) -> Vec<(&String, &Value, &str)> {
        let place = |key: &str| self.help.iter().position(|(known, _)| known == key);
        let help = |key: &str| place(key).map_or("", |place| self.help[place].1.as_str());
        let mut params: Vec<_> = self.params.iter().map(|(key, value)| (key, value, help(key))).collect();
        params.sort_by_key(|(key, ..)| place(key).unwrap_or(usize::MAX));
        params
    }
}

/// A problem with one parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParamProblem {
    /// The parameter.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl ParamProblem {
    fn from_error(error: &Error) -> Self {
        let PlainError { key, hint, .. } = error.to_plain();
        let message = match error {
            Error::Param { message, .. } => message.clone(),
            other => other.to_string(),
        };
        Self { key: key.unwrap_or_default(), message, hint: hint.unwrap_or_default() }
    }
}

/// Fills in the defaults of `P` and finds every unknown key, wrong type and value out of range.
pub fn resolve<P: Params>(given: &ParamMap) -> Resolved {
    let mut problems = Vec::new();
    let defaults = to_map(&P::default());
    let mut params = defaults.clone();
    for (key, value) in given {
        if !defaults.contains_key(key) {
            problems.push(unknown_key(key, defaults.keys()));
            continue;
        }
        // One key at a time, so that each wrong type is reported with its own key.
        let mut one = defaults.clone();
        one.insert(key.clone(), value.clone());
        match serde_json::from_value::<P>(Value::Object(one)) {
            Ok(_) => drop(params.insert(key.clone(), value.clone())),
            Err(error) => problems.push(ParamProblem {
                key: key.clone(),
                message: error.to_string(),
                hint: format!("the default is {}", defaults[key]),
            }),
        }
    }
    if let Ok(typed) = serde_json::from_value::<P>(Value::Object(params.clone())) {
        let mut found = Problems::default();
        typed.check(&mut found);
        problems.extend(found.into_errors().iter().map(ParamProblem::from_error));
        params = to_map(&typed);
    }
    let help = P::HELP.iter().map(|&(key, text)| (key.to_owned(), text.to_owned())).collect();
    let runs = P::RUNS.iter().map(|&key| key.to_owned()).collect();
    Resolved { params, problems, help, detail: String::new(), runs }
}

/// The typed parameters.
///
/// # Errors
/// The first problem that [`resolve`] finds, as `Param`.
pub fn parse<P: Params>(given: &ParamMap) -> Result<P> {
    let resolved = resolve::<P>(given);
    match resolved.problems.into_iter().next() {
        Some(problem) => Err(Error::param(problem.key, problem.message, problem.hint)),
        None => serde_json::from_value(Value::Object(resolved.params))
            .map_err(|error| Error::param("params", error.to_string(), "")),
    }
}

fn to_map<P: Serialize>(params: &P) -> ParamMap {
    match serde_json::to_value(params) {
        Ok(Value::Object(map)) => map,
        // A parameter struct is an object by the contract of `Params`.
        other => unreachable!("parameters serialise to {other:?}, not to an object"),
    }
}

fn unknown_key<'a>(key: &str, known: impl Iterator<Item = &'a String>) -> ParamProblem {
    let known: Vec<&str> = known.map(String::as_str).collect();
    let hint = if known.is_empty() {
        "this plugin has no parameters".to_owned()
    } else {
        format!("available: {}", known.join(", "))
    };
    ParamProblem { key: key.to_owned(), message: "unknown key".to_owned(), hint }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(default)]
    struct Example {
        n_slices: usize,
        init: String,
    }

    impl Default for Example {
        fn default() -> Self {
            Self { n_slices: 40, init: "k-means++".into() }
        }
    }

    impl Params for Example {
        const HELP: &'static [(&'static str, &'static str)] = &[("n_slices", "how many")];

        fn check(&self, problems: &mut Problems) {
            problems.range("n_slices", self.n_slices, 1, 1000);
        }
    }

    fn map(value: Value) -> ParamMap {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn defaults_are_written_out() {
        let resolved = resolve::<Example>(&map(json!({"n_slices": 7})));
        assert_eq!(Value::Object(resolved.params), json!({"n_slices": 7, "init": "k-means++"}));
        assert_eq!(resolved.problems, []);
    }

    #[test]
    fn every_problem_is_found_at_once() {
        let resolved = resolve::<Example>(&map(json!({"n_slices": 0, "init": 3, "n_slice": 1})));
        let keys: Vec<_> = resolved.problems.iter().map(|p| p.key.as_str()).collect();
        assert_eq!(keys, ["init", "n_slice", "n_slices"]);
        assert!(resolved.problems[1].hint.contains("n_slices"));
        assert!(resolved.problems[2].message.contains("between 1 and 1000, got 0"));
    }
}
