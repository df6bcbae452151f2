//! Tests of the whole program, one binary.

mod bad_input;
mod bench;
mod boundary;
mod command_line;
mod conformance;
mod example_plugins;
mod golden;
mod harness;
mod real_data;
mod resume;
mod verdicts;
