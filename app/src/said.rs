//! What the program says on standard error: words for people, or with `--progress json` one JSON object per line for
//! programs.
//!
//! | `type` | further fields |
//! |---|---|
//! | `progress` | `stage`, `done`, `total` |
//! | `message` | `level` (`info`, `warning`), `text` |
//! | `error` | `message`, `key`, `hint`; `errors`: of a configuration each one, with its place |

use crate::table::plain_lines;
use ascan_core::Level;
use clap::ValueEnum;
use serde_json::{Value, json};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// The form of what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Form {
    /// Words, and on a terminal a bar
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

/// One process says everything in one form.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// From now on everything is said in this form.
pub fn choose(form: Form) {
    IS_JSON.store(form == Form::Json, Ordering::Relaxed);
}

/// Whether programs are told, and not people.
pub fn is_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

/// Says a sentence or a few.
pub fn message(level: Level, text: &str) {
    let is_warning = level == Level::Warning;
    if is_json() {
        let level = if is_warning { "warning" } else { "info" };
        object(&json!({ "type": "message", "level": level, "text": text }));
        return;
    }
    let prefix = if is_warning { "warning: " } else { "" };
    // If the terminal is gone, nobody can be told.
    let _ = writeln!(std::io::stderr(), "{prefix}{}", plain_lines(text));
}

/// One JSON object on a line of its own; whether anybody could take it.
pub fn object(value: &Value) -> bool {
    // In one piece: threads do not write into each other's lines.
    std::io::stderr().lock().write_all(format!("{value}\n").as_bytes()).is_ok()
}
