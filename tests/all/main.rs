//! Tests of the whole program, one binary.

mod attributions;
mod bad_input;
mod bench;
mod boundary;
mod command_line;
mod conformance;
mod desktop;
mod desktop_golden;
mod desktop_keyboard;
mod desktop_model;
mod desktop_smoke;
mod desktop_waterbirds;
mod example_plugins;
mod faithfulness;
mod golden;
mod guess;
mod harness;
mod house;
mod new_slicer;
mod painted;
mod real_data;
mod repair;
mod repair_numerics;
mod resume;
mod suggest;
mod verdicts;
