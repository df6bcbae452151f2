//! What can go wrong, in a form that survives the plugin boundary.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The result of every call in the contract.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, what was expected, and what to do about it.
///
/// Variants carry the facts (what was asked, what exists); the application adds
/// the place: the configuration file, the line, the image. Through the plugin boundary the facts
/// go as JSON, by the names below: `{"not_finite": {"what": "images"}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Error {
    /// A parameter has a wrong type or value, or does not exist.
    #[error("`{key}`: {message}")]
    Param {
        /// The parameter, as written in the configuration (dotted when nested).
        key: String,
        /// What is wrong, with the value received and what is allowed.
        message: String,
        /// What to do; may be empty.
        hint: String,
    },
    /// A name that nothing answers to.
    #[error("unknown {kind} `{name}`")]
    UnknownName {
        /// What was looked for: `slicer`, `layer`, `column`, …
        kind: String,
        /// The name that was asked for.
        name: String,
        /// The names that exist.
        available: Vec<String>,
    },
    /// A capability this backend, model or plugin does not have.
    #[error("{what}")]
    Unsupported {
        /// What is not supported, by whom.
        what: String,
        /// What to use instead; may be empty.
        hint: String,
    },
    /// An ONNX operator that an engine cannot execute.
    #[error("operator `{operator}` of node `{node}` in {model} is not supported: {why}")]
    UnsupportedOperator {
        /// Operator type, with its domain when it is not ONNX's own.
        operator: String,
        /// Node name, or the name of its first output.
        node: String,
        /// File of the model.
        model: String,
        /// The form that is missing.
        why: String,
    },
    /// A tensor of another shape, rank or length than the contract says.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// Which tensor.
        what: String,
        /// The shape in the contract.
        expected: String,
        /// The shape received.
        got: String,
    },
    /// NaN or infinity where numbers are needed.
    #[error("{what} holds a value that is not finite (NaN or infinity)")]
    NotFinite {
        /// Which tensor, of which image if known.
        what: String,
    },
    /// A file that cannot be read, understood or written.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
        /// What to do; may be empty.
        hint: String,
    },
    /// The caller asked to stop; not a failure.
    #[error("stopped on request")]
    Cancelled,
    /// A plugin that cannot be loaded, broke the contract or crashed.
    #[error("plugin `{plugin}`: {message}")]
    Plugin {
        /// Plugin name or library file.
        plugin: String,
        /// What happened.
        message: String,
        /// What to do; may be empty.
        hint: String,
    },
    /// An error that came through the plugin boundary without its facts: from a plugin that does not send them.
    #[error("{}", .0.message)]
    #[serde(skip)]
    Foreign(Box<PlainError>),
}

/// The kinds of [`Error`], as numbers that never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum ErrorCode {
    /// A parameter is wrong.
    Param = 1,
    /// A name is unknown.
    UnknownName = 2,
    /// A capability is missing.
    Unsupported = 3,
    /// An ONNX operator is missing.
    UnsupportedOperator = 4,
    /// A tensor has another shape.
    Shape = 5,
    /// NaN or infinity.
    NotFinite = 6,
    /// A file is unreadable or unwritable.
    File = 7,
    /// Stopped on request.
    Cancelled = 8,
    /// The plugin failed.
    Plugin = 9,
}

impl ErrorCode {
    /// The code with this number; anything unknown is a plugin failure.
    pub fn from_u32(code: u32) -> Self {
        match code {
            1 => Self::Param,
            2 => Self::UnknownName,
            3 => Self::Unsupported,
            4 => Self::UnsupportedOperator,
            5 => Self::Shape,
            6 => Self::NotFinite,
            7 => Self::File,
            8 => Self::Cancelled,
            _ => Self::Plugin,
        }
    }
}

/// The form in which an [`Error`] crosses the plugin boundary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainError {
    /// Its kind.
    pub code: ErrorCode,
    /// One sentence for a person.
    pub message: String,
    /// The parameter it is about, if any.
    pub key: Option<String>,
    /// What to do, if known.
    pub hint: Option<String>,
    /// The fields of the [`Error`] as JSON; empty where they are not known.
    pub facts: String,
}

impl Error {
    /// A wrong parameter, with what to do about it.
    pub fn param(key: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Param { key: key.into(), message: message.into(), hint: hint.into() }
    }

    /// An unknown name, with the names that exist (sorted for the reader).
    pub fn unknown_name<S: Into<String>>(
        kind: impl Into<String>,
        name: impl Into<String>,
        available: impl IntoIterator<Item = S>,
    ) -> Self {
        let mut available: Vec<String> = available.into_iter().map(Into::into).collect();
        available.sort();
        Self::UnknownName { kind: kind.into(), name: name.into(), available }
    }

    /// A missing capability, with what to use instead.
    pub fn unsupported(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into(), hint: hint.into() }
    }

    /// A tensor of the wrong shape.
    pub fn shape(what: impl Into<String>, expected: impl Into<String>, got: impl std::fmt::Debug) -> Self {
        Self::Shape { what: what.into(), expected: expected.into(), got: format!("{got:?}") }
    }

    /// A file that cannot be used.
    pub fn file(path: impl Into<PathBuf>, message: impl std::fmt::Display, hint: impl Into<String>) -> Self {
        Self::File { path: path.into(), message: message.to_string(), hint: hint.into() }
    }

    /// A plugin that failed.
    pub fn plugin(plugin: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Plugin { plugin: plugin.into(), message: message.into(), hint: hint.into() }
    }

    /// The kind of this error.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Param { .. } => ErrorCode::Param,
            Self::UnknownName { .. } => ErrorCode::UnknownName,
            Self::Unsupported { .. } => ErrorCode::Unsupported,
            Self::UnsupportedOperator { .. } => ErrorCode::UnsupportedOperator,
            Self::Shape { .. } => ErrorCode::Shape,
            Self::NotFinite { .. } => ErrorCode::NotFinite,
            Self::File { .. } => ErrorCode::File,
            Self::Cancelled => ErrorCode::Cancelled,
            Self::Plugin { .. } => ErrorCode::Plugin,
            Self::Foreign(plain) => plain.code,
        }
    }

    /// The parameter this error is about, if it is about one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Param { key, .. } => Some(key),
            Self::Foreign(plain) => plain.key.as_deref(),
            _ => None,
        }
    }

    /// What to do about it, if anything is known.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Param { hint, .. }
            | Self::Unsupported { hint, .. }
            | Self::File { hint, .. }
            | Self::Plugin { hint, .. } => hint.clone(),
            Self::UnknownName { available, .. } if available.is_empty() => "there are none".to_owned(),
            Self::UnknownName { available, .. } => format!("available: {}", available.join(", ")),
            Self::UnsupportedOperator { .. } => {
                "try another backend (`model.backend`), or export the model without this operator".to_owned()
            }
            Self::Foreign(plain) => plain.hint.clone().unwrap_or_default(),
            Self::Shape { .. } | Self::NotFinite { .. } | Self::Cancelled => String::new(),
        };
        (!hint.is_empty()).then_some(hint)
    }

    /// The form for the plugin boundary.
    pub fn to_plain(&self) -> PlainError {
        if let Self::Foreign(plain) = self {
            return (**plain).clone();
        }
        PlainError {
            code: self.code(),
            message: self.to_string(),
            key: self.key().map(str::to_owned),
            hint: self.hint(),
            // A path that is no text has none.
            facts: serde_json::to_string(self).unwrap_or_default(),
        }
    }
}

impl From<PlainError> for Error {
    fn from(plain: PlainError) -> Self {
        match (plain.code, serde_json::from_str::<Self>(&plain.facts)) {
            (ErrorCode::Cancelled, _) => Self::Cancelled,
            (code, Ok(error)) if error.code() == code => error,
            _ => Self::Foreign(Box::new(plain)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_crosses_with_its_fields() {
        for error in [
            Error::param("at", "too low", "raise it"),
            Error::unknown_name("layer", "conv9", ["conv1", "conv2"]),
            Error::unsupported("no gradients", "use another"),
            Error::UnsupportedOperator {
                operator: "Det".into(),
                node: "det".into(),
                model: "a.onnx".into(),
                why: "no kernel".into(),
            },
            Error::shape("images", "[n, 3, 8, 6]", [1, 2]),
            Error::NotFinite { what: "images".into() },
            Error::file("a/b", "is not there", "look"),
            Error::Cancelled,
            Error::plugin("p", "crashed", ""),
        ] {
            assert_eq!(Error::from(error.to_plain()), error);
        }
    }

    #[test]
    fn an_error_without_facts_or_with_those_of_another_keeps_its_words() {
        let plain = |facts: &str| PlainError {
            code: ErrorCode::UnknownName,
            message: "unknown layer `x`".into(),
            key: Some("layer".into()),
            hint: None,
            facts: facts.into(),
        };
        for facts in ["", "no JSON", r#"{"not_finite": {"what": "images"}}"#, r#"{"unknown_name": {"kind": 3}}"#] {
            let error = Error::from(plain(facts));
            assert_eq!((error.code(), error.key()), (ErrorCode::UnknownName, Some("layer")), "{facts}");
            assert_eq!(error.to_string(), "unknown layer `x`");
            assert_eq!(error.to_plain(), plain(facts));
        }
    }
}
