//! The `ascan` command: its flags and what each command does. What it does it with are the crates below.

pub mod cli;
mod commands;
mod globals;
mod progress;
mod said;
mod table;

use clap::Parser;
use std::process::ExitCode;

/// Runs the command that was typed.
pub fn main() -> ExitCode {
    cli::Cli::parse().run().unwrap_or_else(|failure| {
        if said::is_json() {
            said::object(&failure.to_json());
        } else {
            // Coloured where standard error is a terminal that wants it, plain elsewhere.
            anstream::eprintln!("{failure:#}");
        }
        failure.exit_code()
    })
}
