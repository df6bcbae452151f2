//! What a user sees when a configuration is wrong: the printed text, whole.

use super::sections::ClassMap;
use super::*;
use crate::host::PluginHost;
use ascan_core::params::Problems;
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Context, Kind, ModelBackend, ModelInfo, Plugin, Projection, Projector,
    Requirements, SliceModel, SliceTable, Slicer, TensorView,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Stands for every kind of plugin here: only its name and parameters count.
struct Named;

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
struct SlicerParams {
    n_slices: usize,
    init: String,
    tolerance: Option<f32>,
}

impl Default for SlicerParams {
    fn default() -> Self {
        Self { n_slices: 40, init: "k-means++".into(), tolerance: None }
    }
}

impl Params for SlicerParams {
    const HELP: &'static [(&'static str, &'static str)] = &[("n_slices", "how many")];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_slices", self.n_slices, 1, 1000);
    }
}

impl Plugin for Named {
    const NAME: &'static str = "kmeans";
    const SUMMARY: &'static str = "for these tests";
    type Params = SlicerParams;

    fn new(_params: SlicerParams) -> Result<Self> {
        Ok(Self)
    }
}

impl Slicer for Named {
    fn fit(&self, _table: &SliceTable, _context: &Context) -> Result<Box<dyn SliceModel>> {
        Err(Error::Cancelled)
    }
}

macro_rules! without_params {
    ($type:ident, $name:literal) => {
        struct $type;

        impl Plugin for $type {
            const NAME: &'static str = $name;
            const SUMMARY: &'static str = "for these tests";
            type Params = ascan_core::params::NoParams;

            fn new(_params: ascan_core::params::NoParams) -> Result<Self> {
                Ok(Self)
            }
        }
    };
}

without_params!(Pca, "pca");
without_params!(GradCam, "grad_cam");

impl Projector for Pca {
    fn fit(&self, _embeddings: TensorView, _context: &Context) -> Result<Box<dyn Projection>> {
        Err(Error::Cancelled)
    }
}

impl Attributor for GradCam {
    fn requirements(&self, _info: &ModelInfo) -> Result<Requirements> {
        Err(Error::Cancelled)
    }

    fn attribute(&self, _: &dyn ModelBackend, _: &AttributionBatch, _: &Context) -> Result<Attribution> {
        Err(Error::Cancelled)
    }
}

ascan_core::export_library!(ascan_engine_config_tests: slicer Named, projector Pca, attributor GradCam);

fn host() -> PluginHost {
    PluginHost::with_static(&[ascan_library]).unwrap()
}

/// A folder with the files that the configurations here name.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("images")).unwrap();
    std::fs::write(folder.path().join("model.onnx"), b"any").unwrap();
    folder
}

const GOOD: &str = r#"[data]
images = "images"
[model]
path = "model.onnx"
preprocess = { preset = "tf" }
"#;

/// The printed errors of a configuration, plugins included, with the folder's name left out.
fn printed(text: &str, overrides: &[&str]) -> String {
    let folder = folder();
    let overrides: Vec<String> = overrides.iter().map(|&text| text.into()).collect();
    let result = LoadedConfig::parse("run.toml", text, folder.path(), &overrides).and_then(|mut loaded| {
        loaded.resolve_plugins(&host());
        loaded.finish()
    });
    let real = folder.path().canonicalize().unwrap();
    result.map_or_else(|errors| errors.to_string().replace(&*real.to_string_lossy(), "DIR"), |_| String::new())
}

#[test]
fn a_good_configuration_has_no_errors_and_all_its_defaults() {
    let folder = folder();
    let mut loaded = LoadedConfig::parse("run.toml", GOOD, folder.path(), &[]).unwrap();
    loaded.resolve_plugins(&host());
    let config = loaded.finish().unwrap().config;
    assert_eq!(config.data.images, Some(folder.path().join("images").canonicalize().unwrap()));
    assert_eq!(config.slicing.plugin, "kmeans");
    assert_eq!(config.slicing.params["n_slices"], json!(40));
    assert_eq!(config.projection.plugin, "pca");
}

#[test]
fn everything_wrong_is_printed_at_once_in_the_order_of_the_file() {
    let text = r#"[data]
images = "imagse"
spilt = "test"
split = 2
[model]
path = "model.onnx"
preprocess = { preset = "imagnet", mean = [0.5, "x"] }
device = "tpu"
[run]
seed = -1
shard_rows = 0
[slicing]
plugin = "kmeans"
[slicing.params]
n_slices = 0
n_slice = 3
init = 5
[slcing]
"#;
    let expected = r#"error: `data.images`: there is no such file or folder
 --> run.toml:2:10
  |
2 | images = "imagse"
  |          ^^^^^^^^
  |
  = hint: looked for DIR/imagse

error: unknown key `spilt` in [data]
 --> run.toml:3:1
  |
3 | spilt = "test"
  | ^^^^^
  |
  = hint: did you mean `split`? available: archive, class_map, classes, columns, idx, idx_labels, images, manifest, output_names, root, root_map, split

error: `data.split`: expected a string, got the whole number 2
 --> run.toml:4:9
  |
4 | split = 2
  |         ^
  |
  = hint: put it in quotes: "2"

error: `model.preprocess.preset`: must be one of imagenet, tf, unit, caffe, raw, got "imagnet"
 --> run.toml:7:25
  |
7 | preprocess = { preset = "imagnet", mean = [0.5, "x"] }
  |                         ^^^^^^^^^

error: `model.preprocess.mean`: expected a number, got the string "x"
 --> run.toml:7:43
  |
7 | preprocess = { preset = "imagnet", mean = [0.5, "x"] }
  |                                           ^^^^^^^^^^

error: `model.device`: must be one of cpu, wgpu, cuda, tensorrt, coreml, directml, openvino, webgpu, got "tpu"
 --> run.toml:8:10
  |
8 | device = "tpu"
  |          ^^^^^

error: `run.seed`: expected a whole number, 0 or above, got the whole number -1
  --> run.toml:10:8
   |
10 | seed = -1
   |        ^^
   |
   = hint: the default is 0

error: `run.shard_rows`: must be between 1 and 1048576, got 0
  --> run.toml:11:14
   |
11 | shard_rows = 0
   |              ^

error: `slicing.params.n_slices`: must be between 1 and 1000, got 0
  --> run.toml:15:12
   |
15 | n_slices = 0
   |            ^

error: unknown key `n_slice` in [slicing.params]
  --> run.toml:16:1
   |
16 | n_slice = 3
   | ^^^^^^^
   |
   = hint: did you mean `n_slices`? available: init, n_slices, tolerance

error: `slicing.params.init`: expected a string, got the whole number 5
  --> run.toml:17:8
   |
17 | init = 5
   |        ^
   |
   = hint: put it in quotes: "5"

error: unknown section `slcing`
  --> run.toml:18:2
   |
18 | [slcing]
   |  ^^^^^^
   |
   = hint: did you mean `slicing`? available: run, data, model, attribution, features, projection, slicing, spread, repair"#;
    assert_eq!(printed(text, &[]), expected);
}

#[test]
fn an_unknown_plugin_points_at_its_name() {
    let text = format!("{GOOD}[slicing]\nplugin = \"kmean\"\n[attribution]\nplugin = \"shap\"\n");
    let expected = r#"error: unknown slicer `kmean`
 --> run.toml:7:10
  |
7 | plugin = "kmean"
  |          ^^^^^^^
  |
  = hint: did you mean `kmeans`? available: kmeans

error: unknown attributor `shap`
 --> run.toml:9:10
  |
9 | plugin = "shap"
  |          ^^^^^^
  |
  = hint: available: grad_cam"#;
    assert_eq!(printed(&text, &[]), expected);
}

#[test]
fn what_is_missing_points_at_the_nearest_table_or_the_file() {
    let expected = r#"error: `model.preprocess.preset`: preprocessing is missing
--> run.toml
 = hint: set a `preset`, or `scale`, `mean` and `std` by hand

error: `model.path`: the model is missing
--> run.toml
 = hint: path = "model.onnx"

error: `data.images`: exactly one of `images`, `manifest`, `archive`, `idx` must be set, got 0
 --> run.toml:1:2
  |
1 | [data]
  |  ^^^^
  |
  = hint: an `archive` may also have a `manifest` that describes its members"#;
    assert_eq!(printed("[data]\n", &[]), expected);
}

#[test]
fn errors_of_flags_point_at_the_flag() {
    let expected = r#"error: `model.device`: must be one of cpu, wgpu, cuda, tensorrt, coreml, directml, openvino, webgpu, got "tpu"
--> --set model.device=tpu

error: expected key=value
--> --set oops
 = hint: for example --set slicing.params.n_slices=20

error: `slicing.params.n_slices`: must be between 1 and 1000, got 2000
--> --set slicing.params.n_slices=2000"#;
    assert_eq!(printed(GOOD, &["slicing.params.n_slices=2000", "model.device=tpu", "oops"]), expected);
}

#[test]
fn a_flag_may_leave_out_quotes_even_around_a_number() {
    let folder = folder();
    let overrides = ["data.split=2".to_owned(), "slicing.params.init=7".into()];
    let mut loaded = LoadedConfig::parse("run.toml", GOOD, folder.path(), &overrides).unwrap();
    loaded.resolve_plugins(&host());
    let config = loaded.finish().unwrap().config;
    assert_eq!(config.data.split.as_deref(), Some("2"));
    assert_eq!(config.slicing.params["init"], json!("7"));
}

#[test]
fn a_section_that_is_no_table_is_an_error() {
    let expected = "error: `run` must be a table\n --> run.toml:1:7\n  |\n1 | run = 3\n  |       ^";
    assert_eq!(printed(&format!("run = 3\n{GOOD}"), &[]), expected);
}

#[test]
fn a_missing_file_and_a_file_that_is_no_text_are_sentences() {
    let folder = tempfile::tempdir().unwrap();
    let missing = LoadedConfig::read(&folder.path().join("run.toml"), &[]).unwrap_err().to_string();
    assert!(missing.starts_with("error: cannot read the configuration: "), "{missing}");
    assert!(missing.ends_with("hint: `ascan init MODEL DATA` writes a configuration"), "{missing}");
    std::fs::write(folder.path().join("run.toml"), [0xff, 0xfe, 0]).unwrap();
    let binary = LoadedConfig::read(&folder.path().join("run.toml"), &[]).unwrap_err().to_string();
    assert!(binary.contains("a text file in TOML"), "{binary}");
}

#[test]
fn a_resolved_configuration_reads_back_the_same() {
    let folder = folder();
    let text =
        format!("{GOOD}[data.class_map]\ntench = 0\n\"a.b c\" = 7\n[run]\nseed = 5\n[slicing.params]\nn_slices = 3\n");
    let mut loaded = LoadedConfig::parse("run.toml", &text, folder.path(), &[]).unwrap();
    loaded.resolve_plugins(&host());
    let config = loaded.finish().unwrap().config;
    let written = config.to_toml().unwrap();
    assert_eq!(written, config.to_toml().unwrap());
    let elsewhere = tempfile::tempdir().unwrap();
    let mut again = LoadedConfig::parse("scan.toml", &written, elsewhere.path(), &[]).unwrap();
    again.resolve_plugins(&host());
    let again = again.finish().unwrap().config;
    assert_eq!(again, config, "{written}");
    assert!(matches!(&again.data.class_map, ClassMap::Table(table) if table["a.b c"] == 7));
}

#[test]
fn the_sections_have_help_for_every_key() {
    fn check<P: Params>() {
        let keys: Vec<String> = resolve::<P>(&ParamMap::new()).params.keys().cloned().collect();
        let mut help: Vec<&str> = P::HELP.iter().map(|(key, _)| *key).collect();
        help.sort_unstable();
        assert_eq!(keys, help);
    }
    check::<sections::RunSection>();
    check::<DataSection>();
    check::<sections::ColumnsSection>();
    check::<ModelSection>();
    check::<sections::OutputSection>();
    check::<sections::PreprocessSection>();
    check::<sections::AttributionSection>();
    check::<sections::FeaturesSection>();
    check::<sections::PluginSection>();
}

#[test]
fn a_template_loads_and_so_does_every_default_in_it() {
    let folder = folder();
    let mut template = template::Template::default();
    template.header.push("made by a test".into());
    template.set("data.images", "images", Some("the folder that was given".into()));
    template.set("model.path", "model.onnx", None);
    template.set("model.preprocess.preset", "tf", None);
    let text = template.to_toml(&host()).unwrap();
    assert!(text.contains("# -> the folder that was given\nimages = \"images\"\n"), "{text}");
    // As a user would: take the `#` away from every default.
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(default) if !default.starts_with(' ') && default.contains(" = ") => default.to_owned(),
        _ => line.to_owned(),
    };
    let all: Vec<String> = text.lines().map(uncomment).collect();
    assert_ne!(all.join("\n"), text.trim_end());
    for text in [text, all.join("\n")] {
        let mut loaded = LoadedConfig::parse("scan.toml", &text, folder.path(), &[]).unwrap();
        loaded.resolve_plugins(&host());
        let config = loaded.finish().unwrap_or_else(|errors| panic!("{errors}\n{text}")).config;
        assert_eq!(config.model.preprocess.preset.as_deref(), Some("tf"));
    }
}

#[test]
fn of_two_plugins_of_one_name_the_first_is_used_and_the_other_listed() {
    use crate::host::PluginState;
    let host = PluginHost::with_static(&[ascan_library, ascan_library]).unwrap();
    let rows = host.list();
    let slicers: Vec<_> = rows.iter().filter(|row| row.kind == Some(Kind::Slicer)).collect();
    assert_eq!(slicers.iter().map(|row| row.state).collect::<Vec<_>>(), [PluginState::Loaded, PluginState::Declared]);
    assert_eq!(slicers[1].reason, "shadowed by the one built in");
    assert_eq!(host.names(Kind::Slicer), ["kmeans"]);
}

#[test]
fn errors_are_also_data() {
    let errors = LoadedConfig::parse("run.toml", "[run]\nseed = \"x\"\n", Path::new("."), &[]).unwrap();
    let json = errors.errors.to_json();
    let seed = json.as_array().unwrap().iter().find(|error| error["key"] == "run.seed").unwrap();
    assert_eq!((&seed["line"], &seed["column"], &seed["file"]), (&json!(2), &json!(8), &json!("run.toml")));
    assert_eq!(host().names(Kind::Slicer), ["kmeans"]);
}
