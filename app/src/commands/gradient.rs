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
    let proto = gradient(&model, &classifier, &[], &sources, seed)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use ascan_onnx::builder::GraphBuilder;
    use clap::Parser;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        globals: Globals,
        #[command(flatten)]
        args: GradientArgs,
    }

    /// What the command writes for a net of one convolution, as typed.
    fn written(more: &[&str]) -> Model {
        let folder = tempfile::tempdir().unwrap();
        let [net, out] = ["net.onnx", "grad.onnx"].map(|name| folder.path().join(name));
        let mut graph = GraphBuilder::new("image", [3, 8, 8], 1);
        let x = graph.conv("conv", "image", 3, 4, 3, 1);
        let x = graph.relu("features", &x);
        let x = graph.global_average_pool("pooled", &x);
        let x = graph.flatten("flat", &x);
        let logits = graph.linear("logits", &x, 4, 2);
        graph.finish(&logits, &net).save(&net).unwrap();
        let files = ["gradient", net.to_str().unwrap(), "-o", out.to_str().unwrap()];
        let Typed { globals, args } = Typed::parse_from([&files, more].concat());
        run(args, &globals).unwrap();
        Model::load(&out).unwrap()
    }

    #[test]
    fn inputs_and_outputs_are_those_that_the_page_says() {
        let ends = |more: &[&str]| {
            let model = written(more);
            let graph = model.graph().unwrap();
            let names = |values: &[ascan_onnx::proto::ValueInfoProto]| -> Vec<String> {
                values.iter().map(|value| value.name.clone()).collect()
            };
            (names(&graph.input), names(&graph.output))
        };
        let (inputs, outputs) = ends(&[]);
        assert_eq!(
            (inputs.join(" "), outputs.join(" ")),
            ("image target_class".into(), "logits gradient/image".into())
        );
        let (_, outputs) = ends(&["--wrt", "input", "--wrt", "auto"]);
        assert_eq!(outputs.join(" "), "logits features gradient/image gradient/features");
        let (inputs, outputs) = ends(&["--of", "conv"]);
        assert_eq!((inputs.join(" "), outputs.join(" ")), ("image cotangent".into(), "conv gradient/image".into()));
    }
}
