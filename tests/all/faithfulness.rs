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
    assert!(found["verdict"][0].as_str().unwrap().contains("Believe `"), "{found:#}");

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
    dir.ascan(&["faithfulness", &scan, "--slice", "999"]).exits(2).says(&["999 is no slice"]);
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
    dir.ascan(&["layers", &model]).exits(0).prints(&["<- auto", "whole things, coarsely", "head in closed form"]);
    dir.ascan(&["layers", "nowhere.onnx"]).exits(1).says(&["nowhere.onnx"]);
}
