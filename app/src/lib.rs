//! Attribution Scanner: find the groups of images on which a classifier fails, and see why.
//! The parts of the `ascan` command.

pub mod cli;
pub mod commands;
pub mod desktop;
pub mod progress;

use clap::Parser;
use std::process::ExitCode;

/// Runs the command that was typed.
pub fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    commands::run(cli.command, &cli.globals).unwrap_or_else(|failure| {
        eprintln!("{failure}");
        failure.exit_code()
    })
}
