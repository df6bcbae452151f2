//! The flags of every command, and what they stand for: plugins, and overrides of the configuration.

use crate::said::{self, Form};
use ascan_config::host::PluginHost;
use ascan_config::{ConfigErrors, LoadedConfig, RunConfig};
use ascan_core::abi::EntryPoint;
use ascan_core::{Error, Level};
use clap::Args;
use std::path::{Path, PathBuf};

/// Plugins inside the executable; without the feature all of them are libraries.
fn static_plugins() -> Vec<EntryPoint> {
    #[cfg(feature = "static-plugins")]
    return ascan_plugins::LIBRARIES.iter().map(|&(_, entry)| entry).collect();
    #[cfg(not(feature = "static-plugins"))]
    Vec::new()
}

/// Flags of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// A folder of plugin libraries; may be given several times
    #[arg(long, global = true, value_name = "DIR")]
    pub plugin_dir: Vec<PathBuf>,
    /// Seed of everything random (run.seed)
    #[arg(long, global = true)]
    pub seed: Option<u64>,
    /// Where the model runs: cpu, wgpu, cuda, openvino, … (model.device)
    #[arg(long, global = true)]
    pub device: Option<String>,
    /// Images per call of the model (run.batch_size)
    #[arg(long, global = true, value_name = "N")]
    pub batch_size: Option<usize>,
    /// Worker threads; 0: one per core (run.n_threads)
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<usize>,
    /// Override a value of the configuration; may be given several times
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Let settings that came with a scan start programs and load libraries, for this run
    #[arg(long, global = true)]
    pub trust: bool,
    /// Print JSON, and nothing else, on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Print no progress and no notes
    #[arg(long, global = true)]
    pub quiet: bool,
    /// How progress, notes and errors are told on standard error; json: one object per line, for programs
    #[arg(long, global = true, value_enum, value_name = "FORM", default_value = "text", hide_default_value = true)]
    pub progress: Form,
}

impl Globals {
    /// All flags that override the configuration, as `key=value`; `--set` wins over its short forms.
    pub fn overrides(&self) -> Vec<String> {
        let short = [
            self.seed.map(|seed| format!("run.seed={seed}")),
            self.device.as_ref().map(|device| format!("model.device={device}")),
            self.batch_size.map(|n| format!("run.batch_size={n}")),
            self.threads.map(|n| format!("run.n_threads={n}")),
        ];
        short.into_iter().flatten().chain(self.set.iter().cloned()).collect()
    }

    /// Refuses a `--set` that would change nothing.
    ///
    /// # Errors
    /// `Param` for a key outside the sections that the command reads.
    pub fn check_set(&self, command: &str, sections: &[&str]) -> Result<(), Error> {
        let is_read =
            |text: &&String| sections.iter().any(|section| text.trim_start().starts_with(&format!("{section}.")));
        let Some(text) = self.set.iter().find(|text| !is_read(text)) else { return Ok(()) };
        let hint = match sections {
            [] => format!("`ascan {command}` reads no configuration here: leave `--set` out"),
            some => format!("`ascan {command}` reads only [{}]", some.join("], [")),
        };
        Err(Error::param("--set", format!("`{text}` would change nothing"), hint))
    }

    /// The plugins of this program.
    ///
    /// # Errors
    /// `Plugin` if one that is built in breaks the contract.
    pub fn host(&self) -> Result<PluginHost, Error> {
        let host = PluginHost::with_static(&static_plugins())?.search(&self.plugin_dir);
        if self.trust {
            host.permits().give_all();
        }
        // A result by the wrong one of two plugins would look like any other; without any, the errors that follow look like typos.
        host.warnings().iter().for_each(|text| said::message(Level::Warning, text));
        Ok(host)
    }

    /// A configuration with all overrides; `extra` are those of the command itself.
    ///
    /// # Errors
    /// Everything that is wrong with it, plugin parameters excepted.
    pub fn config(&self, path: &Path, extra: &[String]) -> Result<LoadedConfig, ConfigErrors> {
        RunConfig::load(path, &self.with_overrides(extra))
    }

    /// The configuration that a scan was made with. That its images and its model have moved away is no error: its slices, and
    /// all that is read from it, need neither.
    ///
    /// # Errors
    /// Everything else that is wrong with it.
    pub fn config_of(&self, scan: &Path) -> Result<LoadedConfig, ConfigErrors> {
        LoadedConfig::read(&scan.join("scan.toml"), &self.overrides())?.of_scan().finish()
    }

    /// As [`Self::config_of`], with the plugins of attribution, projection and slicing found and their parameters checked.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn resolved_config(
        &self,
        scan: &Path,
        extra: &[String],
        host: &PluginHost,
    ) -> Result<LoadedConfig, ConfigErrors> {
        let mut loaded = LoadedConfig::read(&scan.join("scan.toml"), &self.with_overrides(extra))?.of_scan();
        loaded.resolve_plugins(host);
        loaded.finish()
    }

    /// The overrides of a command, then those of the global flags.
    pub fn with_overrides(&self, extra: &[String]) -> Vec<String> {
        extra.iter().cloned().chain(self.overrides()).collect()
    }
}
