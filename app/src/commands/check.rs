//! `ascan check`: validates everything and prints the plan, without running it.

use super::{NOT_BETTER, Result, print, print_json};
use crate::globals::Globals;
use crate::progress::Terminal;
use ascan_config::host::PluginHost;
use ascan_config::{ConfigErrors, LoadedConfig};
use ascan_core::{Level, Reporter};
use ascan_engine::plan::RunPlan;
use ascan_engine::sanity::{Candidate, Effort, Trial, trial};
use ascan_vectors::VectorPlan;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Where the other preprocessings would take longer, they are tried on fewer images.
const BUDGET: Duration = Duration::from_secs(120);

/// `ascan check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The configuration
    pub config: PathBuf,
    /// Run the model on N images, under every preprocessing, and say what speaks against the configuration
    #[arg(long = "try", value_name = "N", num_args = 0..=1, default_missing_value = "200")]
    pub n_tried: Option<usize>,
}

pub(crate) fn run(args: CheckArgs, globals: &Globals) -> Result {
    if let Ok(loaded) = LoadedConfig::read(&args.config, &globals.overrides())
        && loaded.config.features.source.is_some()
    {
        let plan = VectorPlan::compile(loaded, &globals.host()?)?;
        print(&plan.describe())?;
        return Ok(ExitCode::SUCCESS);
    }
    match plan(&args.config, &globals.overrides(), &globals.host()?) {
        Ok(plan) => checked(&plan, args.n_tried, globals),
        Err(errors) => {
            if globals.json {
                print_json(&json!({ "errors": errors.to_json() }))?;
            }
            Err(errors.into())
        }
    }
}

fn checked(plan: &RunPlan, n_tried: Option<usize>, globals: &Globals) -> Result {
    let terminal = Terminal::new(globals.quiet);
    let tried =
        n_tried.map(|n_images| trial(plan, Effort { n_images, enough: 1.0, budget: BUDGET }, &terminal)).transpose()?;
    let doubts = tried.as_ref().map(|tried| tried.doubts(&plan.class_names())).unwrap_or_default();
    if globals.json {
        let mut json = plan.to_json();
        if let (Some(fields), Some(tried)) = (json.as_object_mut(), &tried) {
            fields.insert("tried".into(), json!({ "trial": tried, "doubts": doubts }));
        }
        print_json(&json)?;
    } else {
        print(&plan.describe())?;
        if let Some(tried) = &tried {
            print(&describe(tried))?;
        }
    }
    doubts.iter().for_each(|doubt| terminal.log(Level::Warning, &doubt.to_string()));
    Ok(if doubts.is_empty() { ExitCode::SUCCESS } else { NOT_BETTER.into() })
}

/// What each preprocessing made of the images.
fn describe(tried: &Trial) -> String {
    let line = |(i, candidate): (usize, &Candidate)| {
        let accuracy =
            candidate.accuracy.map_or_else(|| "no labels".to_owned(), |share| format!("{:.1} % right", 100.0 * share));
        let own = if i == 0 { " (configured)" } else { "" };
        format!("  {:<24} {accuracy:<14} {:.1} % sure{own}", candidate.name, 100.0 * candidate.confidence)
    };
    let lines: Vec<String> = tried.candidates.iter().enumerate().map(line).collect();
    format!("\ntried on {} images\n{}", tried.n_images, lines.join("\n"))
}

fn plan(config: &Path, overrides: &[String], host: &PluginHost) -> Result<RunPlan, ConfigErrors> {
    RunPlan::compile(LoadedConfig::read(config, overrides)?, host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> PluginHost {
        // An onnxruntime, which this machine may have or not, must not decide.
        let libraries = ascan_plugins::LIBRARIES.iter().filter(|(stem, _)| *stem != "ascan_ort");
        let entries: Vec<_> = libraries.map(|&(_, entry)| entry).collect();
        PluginHost::with_static(&entries).unwrap()
    }

    /// The printed errors of a configuration of the MNIST files, where they are here.
    fn errors(overrides: &[&str]) -> Option<String> {
        let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/mnist");
        if !shared.is_dir() {
            println!("skipped: ../shared/data is not here");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[data]\nidx = {0:?}\nidx_labels = {1:?}\n[model]\npath = {2:?}\npreprocess = {{ preset = \"raw\" }}\n",
            shared.join("t10k-images-idx3-ubyte.gz"),
            shared.join("t10k-labels-idx1-ubyte.gz"),
            shared.join("mnist.onnx"),
        );
        let config = folder.path().join("run.toml");
        std::fs::write(&config, text).unwrap();
        std::fs::write(folder.path().join("text.onnx"), "not a model").unwrap();
        std::fs::write(folder.path().join("empty.onnx"), "").unwrap();
        let overrides: Vec<String> =
            overrides.iter().map(|text| text.replace("DIR", &folder.path().to_string_lossy())).collect();
        Some(plan(&config, &overrides, &host()).map_or_else(|errors| errors.to_string(), |_| String::new()))
    }

    #[test]
    fn a_sound_configuration_has_no_errors() {
        let Some(errors) = errors(&[]) else { return };
        assert_eq!(errors, "");
    }

    #[test]
    fn errors_of_model_data_and_plugins_come_together() {
        let wrong = [
            "model.path=DIR/text.onnx",
            "data.split=test",
            "slicing.params.n_slices=0",
            "attribution.plugin=grad_cm",
            "features.dtype=f8",
        ];
        let Some(errors) = errors(&wrong) else { return };
        for part in [
            "--set model.path=",
            "no splits",
            "--set data.split=test",
            "`slicing.params.n_slices`: must be",
            "unknown attributor `grad_cm`",
            "did you mean `grad_cam`?",
            "`features.dtype`: must be one of f32, f16",
        ] {
            assert!(errors.contains(part), "no `{part}` in\n{errors}");
        }
    }

    #[test]
    fn each_wrong_choice_points_at_its_flag() {
        for (flag, part) in [
            ("model.path=DIR/empty.onnx", "empty"),
            ("features.layer=nowhere", "unknown layer `nowhere`"),
            ("attribution.params.layer=nowhere", "unknown layer `nowhere`"),
            ("attribution.target=10", "outputs 0 to 9"),
            ("model.backend=torch", "unknown backend `torch`"),
            ("model.preprocess.mean=[1, 2]", "values, but the model has 1 channel"),
            ("model.preprocess.preset=caffe", "channel"),
            ("data.class_map={ a = 1 }", "no entry for"),
            ("model.device=cuda", "no backend can do this"),
        ] {
            let Some(errors) = errors(&[flag]) else { return };
            assert!(errors.contains(part), "no `{part}` for {flag}:\n{errors}");
            let key = flag.split('=').next().unwrap();
            // A device that no backend has is the backends' fault, not the flag's.
            assert!(errors.contains(&format!("--set {key}=")) || key == "model.device", "{flag}:\n{errors}");
        }
    }
}
