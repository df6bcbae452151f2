//! A reporter for tests of what a method says.

use crate::{Level, Reporter};
use std::sync::Mutex;

/// Keeps every message, of any level; stops nothing.
#[derive(Debug, Default)]
pub struct Memory(pub Mutex<Vec<String>>);

impl Reporter for Memory {
    fn log(&self, _level: Level, message: &str) {
        self.0.lock().expect("no test panics while it reports").push(message.to_owned());
    }

    fn progress(&self, _stage: &str, _done: u64, _total: u64) -> bool {
        true
    }
}
