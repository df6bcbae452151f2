//! `ascan faithfulness` and `ascan layers`, as they are typed.

use crate::desktop::scan;
use crate::harness::{Dir, shared_data};
use serde_json::Value;

fn method<'a>(found: &'a Value, name: &str) -> &'a Value {
    let methods = found["methods"].as_array().expect("a list of methods");
    methods.iter().find(|method| method["name"] == name).unwrap_or_else(|| panic!("no {name} in {found:#}"))
}

/// The demo's network was trained to see what its Grad-CAM shows: chance and edges must come out behind.
#[test]
fn methods_are_judged_beside_controls() {
    let (dir, scan) = scan();
    let scan = scan.to_string_lossy().into_owned();
    let ask = |more: &[&str]| {
        dir.ascan(&[&["faithfulness", &scan, "--images", "12", "--json"], more].concat()).exits(0).json()
    };
    let found = ask(&["--methods", "grad_cam,integrated_gradients"]);
    assert_eq!(found["n_images"], 12);
    let road = |name: &str| method(&found, name)["road"]["mean"].as_f64().unwrap();
    assert!(road("grad_cam") > road("(chance)") + 0.05, "{found:#}");
    assert!(road("(chance)").abs() < 0.05, "chance removes as much of what matters as of what does not: {found:#}");
    let cam = method(&found, "grad_cam");
    assert_eq!(cam["n_failed"], 0);
    assert!(cam["randomised"]["mean"].as_f64().unwrap() < 0.5, "another model, another map: {found:#}");
    assert!(cam["insertion"]["mean"].as_f64().unwrap() > cam["deletion"]["mean"].as_f64().unwrap(), "{found:#}");
    let ig = method(&found, "integrated_gradients");
    assert!(
        ig["convergence_delta"]["mean"].as_f64().unwrap() < 0.2 && ig["sensitivity_n"]["mean"].as_f64().unwrap() > 0.3,
        "{found:#}"
    );
    assert!(found["verdict"][0].as_str().unwrap().contains("Trust `"), "{found:#}");

    let one = ask(&["--methods", "grad_cam", "--no-randomise", "--slice", "1"]);
    assert_eq!(one["methods"].as_array().unwrap().len(), 3, "the method and two controls: {one:#}");
    assert_eq!(method(&one, "grad_cam")["randomised"], Value::Null);
    let again = ask(&["--methods", "grad_cam", "--no-randomise", "--slice", "1"]);
    assert_eq!(
        method(&one, "grad_cam")["road"],
        method(&again, "grad_cam")["road"],
        "the same question, the same answer"
    );

    dir.ascan(&["faithfulness", &scan, "--methods", "grad_cm"])
        .exits(1)
        .says(&["unknown attributor `grad_cm`", "grad_cam"]);
    dir.ascan(&["faithfulness", &scan, "--slice", "999"]).exits(2).says(&["999 is not a slice"]);
}

/// A head that is trained on shuffled labels changes the maps that look at it, and only these.
#[test]
fn a_model_of_shuffled_labels_is_asked_too() {
    let (dir, scan) = scan();
    let config = scan.join("scan.toml").to_string_lossy().into_owned();
    let scan = scan.to_string_lossy().into_owned();
    let settings = ["plugin=\"erm\"", "layers=\"head\"", "shuffle_labels=true", "epochs=30", "learning_rate=0.1"];
    let settings: Vec<String> = settings.iter().map(|setting| format!("repair.{setting}")).collect();
    let settings = settings.iter().flat_map(|setting| ["--set", setting.as_str()]);
    let repair: Vec<&str> = ["repair", &scan, &config, "--out", "shuffled"].into_iter().chain(settings).collect();
    dir.ascan(&repair).exits(0).says(&["labels are shuffled"]);
    let ask = ["faithfulness", &scan, "--images", "12", "--json", "--methods", "grad_cam,eigen_cam", "--no-randomise"];
    let with = |model: &str| dir.ascan(&[&ask[..], &["--shuffled-labels", model]].concat());
    let found = with("shuffled/model.onnx").exits(0).json();
    let likeness = |name: &str| method(&found, name)["shuffled_labels"]["mean"].as_f64().unwrap();
    assert!(likeness("eigen_cam") > 0.999, "it knows no class: {found:#}");
    assert!(likeness("grad_cam") < 0.9, "{found:#}");
    with("nowhere.onnx").exits(1).says(&["nowhere.onnx"]);
}

#[test]
fn layers_of_a_model_are_listed_with_what_they_show() {
    let Some(data) = shared_data() else { return };
    let model = data.join("models/waterbirds_erm_mobilenetv2.onnx").to_string_lossy().into_owned();
    let dir = Dir::new();
    let layers = dir.ascan(&["layers", &model, "--json"]).exits(0).json();
    let auto: Vec<&Value> = layers.as_array().unwrap().iter().filter(|layer| layer["is_auto"] == true).collect();
    assert_eq!(auto.len(), 1);
    assert_eq!((&auto[0]["name"], &auto[0]["shape"]), (&"conv34_relu6".into(), &serde_json::json!([1280, 7, 7])));
    assert_eq!((&auto[0]["stride"], &auto[0]["has_linear_head"]), (&serde_json::json!([32, 32]), &true.into()));
    // A sentence may go on in the next line.
    let table = dir.ascan(&["layers", &model]).exits(0).stdout;
    let words = table.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("whole objects, coarsely, head in closed form <- auto"), "{table}");
    dir.ascan(&["layers", "nowhere.onnx"]).exits(1).says(&["nowhere.onnx"]);
}

/// One scan with three methods: each has its maps, the first one weights the features as it does alone, and the figures of
/// trust are in the summary, the table and the report.
#[test]
fn several_methods_are_scanned_at_once() {
    let (dir, demo) = scan();
    let config = demo.join("scan.toml").to_string_lossy().into_owned();
    let run = |out: &str, also: &str| {
        let set = format!("attribution.also={also}");
        // Saliency needs burn; another engine would round otherwise.
        let burn = ["--set", "model.backend=burn"];
        dir.ascan(&[&["scan", &config, "--out", out, "--limit", "12", "--json", "--set", &set], &burn[..]].concat())
    };
    let alone = run("alone", "[]").exits(0).json();
    let several = run("several", r#"["layer_cam", { plugin = "saliency", name = "edges" }]"#).exits(0).json();
    assert_eq!(alone["mean_agreement"], Value::Null);
    let agreement = several["mean_agreement"].as_f64().unwrap();
    assert!((-1.0..1.0).contains(&agreement), "{several:#}");
    for (scan, to) in [("alone", "a"), ("several", "s")] {
        dir.ascan(&["export", scan, "--to", "npy", "-o", to]).exits(0);
    }
    let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
    for name in ["attributions.npy", "embeddings.npy"] {
        assert!(read(&format!("a/{name}")) == read(&format!("s/{name}")), "{name} of one and of several methods");
    }
    assert_ne!(read("s/attributions.npy"), read("s/attributions_layer_cam.npy"));
    assert!(read("s/attributions_edges.npy").len() > 1000);
    assert!(String::from_utf8(read("s/samples.csv")).unwrap().lines().next().unwrap().contains("agreement"));
    dir.ascan(&["report", "several", "-o", "report.html"]).exits(0);
    assert!(String::from_utf8(read("report.html")).unwrap().contains("<option value=\"2\">edges</option>"));

    run("several", "[]").exits(1).says(&["other settings", "also.0"]);
    run("twice", r#"["grad_cam"]"#).exits(2).says(&["two methods are called `grad_cam`", "a `name` of its own"]);
    run("wrong", r#"["layer_cm"]"#).exits(2).says(&["unknown attributor `layer_cm`", "layer_cam"]);
    run("wrong", "[7]").exits(2).says(&["expected a plugin's name or a table"]);
}

#[test]
fn a_gallery_shows_the_same_images_under_every_method() {
    let (dir, scan) = scan();
    let scan = scan.to_string_lossy().into_owned();
    let draw = |more: &[&str]| dir.ascan(&[&["gallery", &scan, "-o", "methods.png"], more].concat());
    draw(&["--methods", "grad_cam,saliency,chefer", "--images", "2"]).exits(0).prints(&["methods.png"]);
    let picture = image::open(dir.path().join("methods.png")).unwrap();
    assert!(picture.width() > picture.height() && picture.height() > 250, "two rows of strips");
    draw(&["--methods", "grad_cm"]).exits(1).says(&["unknown attributor `grad_cm`"]);
    draw(&["--rows", "99999"]).exits(2).says(&["row 99999 is not in the scan"]);
}

/// The images that are made for slices resemble them more, the longer the search; and they stand in mosaic and report.
#[test]
fn slices_are_inverted() {
    let (dir, scan) = scan();
    let scan = scan.to_string_lossy().into_owned();
    let invert = |steps: &str| {
        let made = dir.ascan(&["invert", &scan, "--slice", "0,1", "--steps", steps, "--json"]).exits(0).json();
        let cosine = |i: usize| made[i]["cosine"].as_f64().unwrap();
        assert_eq!((&made[0]["slice"], &made[1]["slice"]), (&0.into(), &1.into()));
        cosine(0) + cosine(1)
    };
    dir.ascan(&["report", &scan, "-o", "before.html"]).exits(0);
    let (short, long) = (invert("1"), invert("48"));
    assert!(long > short + 0.02 && long > 1.5, "{short} {long}");
    assert_eq!(invert("48"), long, "the same seed, the same image");
    dir.ascan(&["report", &scan, "-o", "after.html"]).exits(0);
    let says = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap().contains("made for the features");
    assert!(!says("before.html") && says("after.html"));
    dir.ascan(&["invert", &scan, "--slice", "999"]).exits(2).says(&["999 is not a slice"]);
}
