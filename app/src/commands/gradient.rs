//! `ascan gradient`: the gradients of a model, as an ONNX file of its own.

use super::layers::image_size;
use super::{Failure, Result, print, print_json};
use crate::globals::Globals;
use ascan_core::{Error, OutputChoice};
use ascan_onnx::{Classifier, Model, Seed, gradient};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// `ascan gradient`
#[derive(Debug, Args)]
pub struct GradientArgs {
    /// The ONNX model
    pub model: PathBuf,
    /// The file to write
    #[arg(short, long, alias = "output", value_name = "FILE")]
    pub out: PathBuf,
    /// Gradients with respect to this: `input` for the image, or a layer (`ascan layers` lists them, `auto` is the last one); may be repeated
    #[arg(long = "wrt", value_name = "LAYER", default_value = "input")]
    pub with_respect_to: Vec<String>,
    /// Of a function of this layer instead of one logit an image: the file then takes its gradient as `cotangent`
    #[arg(long, value_name = "LAYER")]
    pub of: Option<String>,
    /// Height and width of the images, for models that leave them open
    #[arg(long, value_name = "HxW", value_parser = image_size)]
    pub image_size: Option<[usize; 2]>,
}

/// What was written.
#[derive(Serialize)]
struct Written {
    file: PathBuf,
    inputs: Vec<String>,
    outputs: Vec<String>,
    opset: i64,
}

pub(crate) fn run(args: GradientArgs, globals: &Globals) -> Result {
    let is_same =
        |file: &PathBuf| file.canonicalize().ok().zip(args.model.canonicalize().ok()).is_some_and(|(a, b)| a == b);
    if is_same(&args.out) {
        let error = Error::file(&args.out, "is the model itself", "choose another file with --out");
        return Err(Failure::Usage(error));
    }
    let model = Model::load(&args.model)?;
    let classifier = Classifier::analyse(&model, args.image_size, &OutputChoice::default())?;
    let source = |name: &String| match name.as_str() {
        "input" => Ok(classifier.input.clone()),
        name if name == classifier.input => Ok(classifier.input.clone()),
        layer => classifier.tensor(layer).map(str::to_owned),
    };
    let sources = args.with_respect_to.iter().map(source).collect::<Result<Vec<_>, Error>>()?;
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    let seed = args.of.as_deref().map_or(Seed::TargetClass, Seed::Cotangent);
    let proto = gradient(&model, &classifier, &sources, seed)?;
    let written = Model::from_proto(proto, &args.out);
    written.save(&args.out)?;
    let graph = written.graph()?;
    let names = |values: &[ascan_onnx::proto::ValueInfoProto]| values.iter().map(|value| value.name.clone()).collect();
    let written = Written {
        file: args.out.clone(),
        inputs: names(&graph.input),
        outputs: names(&graph.output),
        opset: written.opset(),
    };
    match globals.json {
        true => print_json(&written)?,
        false => print(&describe(&written, model.opset()))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(written: &Written, opset: i64) -> String {
    let list = |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let newer = match written.opset == opset {
        true => String::new(),
        false => format!("; operators of version {}, where the model has {opset}", written.opset),
    };
    let file = written.file.display();
    format!("wrote {file}: takes {}, gives {}{newer}", list(&written.inputs), list(&written.outputs))
}
