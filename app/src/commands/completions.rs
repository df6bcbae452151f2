//! `ascan completions`: what a shell needs to complete commands and flags.

use super::{Result, print};
use ascan_core::Error;
use clap::{Args, Command};
use clap_complete::{Shell, generate};
use std::process::ExitCode;

/// `ascan completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell that reads the script
    pub shell: Shell,
}

/// Prints the script for `command`, the whole program.
pub(crate) fn run(args: CompletionsArgs, command: Command) -> Result {
    print(script(args.shell, command)?.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// The text that the shell reads.
///
/// # Errors
/// `Unsupported` if it is no text, which no name of ours can cause.
pub(crate) fn script(shell: Shell, mut command: Command) -> Result<String, Error> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(shell, &mut command, name, &mut script);
    String::from_utf8(script)
        .map_err(|error| Error::unsupported(format!("the script for {shell} is no text: {error}"), ""))
}
