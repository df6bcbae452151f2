//! Repair from the command line: the whole loop, kill and resume, every regularizer, bad input.

use crate::harness::Dir;
use ascan_core::params::ParamMap;
use ascan_core::{OpenModel, Plugin, Runtime, testing};
use ascan_onnx::Model;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// The demo, which goes the whole way: `scan`, `review`, `repair` and `scan-after` are in it.
fn demo() -> (Dir, Value) {
    let dir = Dir::new();
    let told = dir.ascan(&["demo", "-o", "demo", "--json", "--quiet"]).exits(0).json();
    (dir, told)
}

/// A repair of the demo's review split that is quick, and not checked.
fn repair(dir: &Dir, out: &str, extra: &[&str]) -> crate::harness::Run {
    let base = ["repair", "demo/review", "demo/demo.toml", "--out", out, "--set", "repair.epochs=2"];
    let base = [&base[..], &["--set", "repair.check=false"]].concat();
    dir.ascan(&[&base[..], extra].concat())
}

#[test]
fn the_demo_goes_the_whole_way_and_the_worst_group_rises() {
    let (dir, told) = demo();
    let comparison = &told["comparison"];
    let worst = &comparison["worst_group_accuracy"];
    let change = worst["after"].as_f64().unwrap() - worst["before"].as_f64().unwrap();
    assert!(change > 0.15, "{worst}");
    for file in ["model.onnx", "repair.toml", "summary.json", "loss.svg", "accuracy.svg", "checkpoint.safetensors"] {
        assert!(dir.path().join("demo/repair").join(file).is_file(), "{file}");
    }

    // The repaired model is one like any other, and every engine says the same of it.
    let images = testing::toy_images(3, [3, 64, 64], 1);
    let model = dir.path().join("demo/repair/model.onnx");
    let logits = |runtime: &dyn Runtime| {
        runtime.open(&OpenModel::new(&model)).unwrap().forward(images.view(), &[]).unwrap().logits
    };
    let burn = logits(&ascan_burn::BurnRuntime);
    let library = ascan_core::abi::Library::from_static(ascan_tract::ascan_library).unwrap();
    let mut others = vec![logits(&*library.plugins()[0].backend(&ParamMap::new()).unwrap())];
    let library = ascan_core::abi::Library::from_static(ascan_ort::ascan_library).unwrap();
    let ort = library.plugins()[0].backend(&ParamMap::new()).unwrap();
    match ort.available() {
        Ok(()) => others.push(logits(&*ort)),
        Err(error) => println!("skipped: {error}"),
    }
    for other in others {
        let far = burn.data().iter().zip(other.data()).any(|(a, b)| (a - b).abs() > 1e-4);
        assert!(!far, "{burn:?}\n{other:?}");
    }
    assert_eq!(ascan_burn::BurnRuntime::NAME, "burn");

    let text = dir.ascan(&["compare", "demo/scan", "demo/scan-after", "-o", "page/compare.html"]).exits(0).stdout;
    for word in ["mean accuracy", "worst known group", "right only after"] {
        assert!(text.contains(word), "`{word}` is not in:\n{text}");
    }
    let page = std::fs::read_to_string(dir.path().join("page/compare.html")).unwrap();
    assert!(page.contains("Worst known group") && page.contains("<svg") && page.contains("data:image/jpeg"));
    dir.ascan(&["compare", "demo/scan", "demo/review"]).exits(1).says(&["other images"]);
}

#[test]
fn every_regularizer_repairs() {
    let (dir, _) = demo();
    for plugin in ["erm", "corm", "group_dro", "jtt", "dfr", "verdict_dfr", "afr", "self", "slim_subset"] {
        for layers in ["head", "all"] {
            let out = format!("{plugin}-{layers}");
            let set = format!("repair.layers={layers}");
            let told = repair(&dir, &out, &["-p", plugin, "--set", &set, "--json"]).exits(0).json();
            assert_eq!((&told["plugin"], &told["n_epochs"]), (&plugin.into(), &2.into()));
            assert_eq!(told["cached"], layers == "head", "{told:#}");
        }
    }
    repair(&dir, "rrr", &["-p", "rrr", "--set", "repair.epochs=1"]).exits(0);
    for plugin in ["p_clarc", "rr_clarc"] {
        let told = repair(
            &dir,
            plugin,
            &["-p", plugin, "--set", "repair.layers=head", "--set", "repair.validation_split=test", "--json"],
        )
        .exits(0)
        .json();
        // What is folded into the weights is what was trained: the whole model says what the head said of its features.
        let (out, set) = (format!("{plugin}-scan"), format!("model.path={plugin}/model.onnx"));
        let scan = ["scan", "demo/demo.toml", "--out", &out, "--set", &set, "--no-slice", "--json"];
        let scanned = dir.ascan(&scan).exits(0).json()["accuracy"].as_f64().unwrap();
        assert!((told["after"]["accuracy"].as_f64().unwrap() - scanned).abs() < 0.006, "{told:#}\n{scanned}");
        let whole = repair(&dir, &format!("{plugin}-all"), &["-p", plugin, "--set", "repair.layers=all"]);
        whole.exits(1).says(&["repair.layers", "linear in a pooled feature map"]);
    }
    repair(&dir, "label", &["-p", "label_repair"]).exits(1).says(&["ascan mislabels"]);
    dir.ascan(&["mark", "demo/review", "--images", "0-3", "noisy_label"]).exits(0);
    repair(&dir, "label", &["-p", "label_repair"]).exits(0);
}

#[test]
fn a_repair_says_whether_it_helped() {
    let (dir, _) = demo();
    let check = ["--set", "repair.check=true", "--set", "repair.evidence=true", "--json"];
    let told = repair(&dir, "one", &[&["-p", "dfr"][..], &check].concat());
    let summary = told.json();
    let result = summary["outcome"]["result"].as_str().unwrap().to_owned();
    assert!(["helped", "failed"].contains(&result.as_str()), "{summary:#}");
    for of in ["before", "after", "control"] {
        let reliance = summary[of]["mixed"]["reliance"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&reliance), "{of}: {summary:#}");
    }
    told.exits(if result == "failed" { 4 } else { 0 });
    assert!(dir.path().join("one/control/model.onnx").is_file());

    // Steps that change nothing cannot help: told in words and in the exit code, with the model to keep.
    let still = ["-p", "dfr", "--set", "repair.learning_rate=1e-9"];
    let told = repair(&dir, "still", &[&still[..], &check[..4]].concat()).exits(4);
    for words in ["failed: keep the model before", "shortcut.onnx", "as often as before"] {
        assert!(told.stdout.contains(words), "`{words}` is not in:\n{}", told.stdout);
    }

    // Verdicts that are taken as they are cannot check themselves.
    let blind = ["-p", "dfr", "--set", "repair.check=true"];
    let told = repair(&dir, "blind", &blind).exits(0);
    assert!(told.stdout.contains("not checked"), "{}", told.stdout);
    assert!(!dir.path().join("blind/control").exists());
}

#[test]
fn the_cue_is_found_without_groups() {
    let (dir, _) = demo();
    let cue = ["-p", "dfr", "--set", "repair.groups=cue", "--set", "repair.evidence=true", "--json"];
    let told = repair(&dir, "cue", &cue).exits(0).json();
    let cue = &told["findings"]["cue"];
    assert_eq!(cue["chance"], 0.5, "{cue:#}");
    assert_eq!(cue["is_better"] == true, cue["n_against"].as_u64().unwrap() > 0, "{cue:#}");
    // A method that needs several groups is refused only where the cue has found none.
    let both = ["-p", "group_dro", "--set", "repair.groups=cue", "--set", "repair.evidence=true"];
    let told = repair(&dir, "dro", &both);
    match cue["is_better"] == true {
        true => drop(told.exits(0)),
        false => drop(told.exits(1).says(&["all training images are in one group"])),
    }
    let off = repair(&dir, "off", &["-p", "dfr", "--set", "repair.groups=cue", "--json"]).exits(0).json();
    assert_eq!((&off["findings"]["n_overruled"], &off["outcome"]["result"]), (&0.into(), &"not_checked".into()));
    assert!(off["findings"]["cue"]["accuracy"].as_f64().unwrap() > 0.0);
}

#[test]
fn features_are_kept_with_the_scan_and_change_nothing() {
    let (dir, _) = demo();
    let head = |out: &str, extra: &[&str]| {
        repair(&dir, out, &[&["-p", "corm", "--set", "repair.layers=head", "--quiet"][..], extra].concat()).exits(0);
        bytes(&dir, &format!("{out}/model.onnx"))
    };
    let kept = || {
        let files = std::fs::read_dir(dir.path().join("demo/review/cache")).into_iter().flatten().flatten();
        files.filter(|file| file.file_name().to_string_lossy().starts_with("features-")).count()
    };
    assert_eq!(kept(), 0);
    let first = head("first", &[]);
    // Of the validation images, and of two draws.
    assert_eq!(kept(), 3);
    assert!(head("again", &[]) == first);
    assert!(head("slower", &["--set", "repair.learning_rate=1e-4"]) != first);
    assert_eq!(kept(), 3, "the step size changes no picture");
    assert!(head("noise", &["--set", "repair.params.mode=replace"]) != first);
    assert_eq!(kept(), 5);
    std::fs::remove_dir_all(dir.path().join("demo/review/cache")).unwrap();
    assert!(head("anew", &[]) == first);
}

fn bytes(dir: &Dir, file: &str) -> Vec<u8> {
    std::fs::read(dir.path().join(file)).unwrap()
}

#[test]
fn a_killed_repair_ends_as_an_undisturbed_one() {
    let (dir, _) = demo();
    // A method with a state, random views, moments: all of it has to come back.
    let extra = ["-p", "group_dro", "--set", "repair.flip=true", "--set", "repair.checkpoint_steps=2", "--quiet"];
    repair(&dir, "whole", &extra).exits(0);
    let base = ["repair", "demo/review", "demo/demo.toml", "--out", "killed", "--set", "repair.epochs=2"];
    let arguments = [&base[..], &["--set", "repair.check=false"], &extra].concat();
    let mut n_kills = 0;
    for _ in 0..2 {
        let checkpoint = dir.path().join("killed/checkpoint.safetensors");
        let before = std::fs::metadata(&checkpoint).and_then(|meta| meta.modified()).ok();
        let mut child = dir.start(&arguments);
        // Killed at some moment after it has made a new checkpoint, or done if it is too quick.
        loop {
            std::thread::sleep(Duration::from_millis(20));
            let now = std::fs::metadata(&checkpoint).and_then(|meta| meta.modified()).ok();
            let ended = child.try_wait().unwrap().is_some();
            if ended || (now.is_some() && now != before) {
                n_kills += usize::from(!ended);
                child.kill().ok();
                child.wait().unwrap();
                break;
            }
        }
    }
    assert!(n_kills > 0, "the repair was too quick to be killed");
    dir.ascan(&arguments).exits(0);
    assert!(bytes(&dir, "killed/model.onnx") == bytes(&dir, "whole/model.onnx"), "the models differ");
    assert_eq!(bytes(&dir, "killed/curves.json"), bytes(&dir, "whole/curves.json"));
    // What is done stays done.
    dir.ascan(&arguments).exits(0);
    assert!(bytes(&dir, "killed/model.onnx") == bytes(&dir, "whole/model.onnx"));
}

#[test]
fn mistakes_say_what_to_do() {
    let (dir, _) = demo();
    let says = |out: &str, extra: &[&str], code: i32, words: &[&str]| repair(&dir, out, extra).exits(code).says(words);
    says("a", &["-p", "corn"], 2, &["unknown regularizer `corn`", "corm"]);
    says("a", &["--set", "repair.learning_rate=-1"], 2, &["repair.learning_rate", "between 0 and 100"]);
    says("a", &["--set", "repair.layer=head"], 2, &["unknown key `layer`", "layers"]);
    says("a", &["--set", "repair.validation_split=nowhere"], 1, &["unknown split `nowhere`", "review"]);
    says("a", &["--set", "repair.validation_split=review"], 1, &["is the split that is trained on"]);
    says("a", &["--set", "repair.layers=nowhere"], 1, &["unknown tensor `nowhere`"]);
    says("a", &["--set", "repair.backend=tract"], 1, &["cannot train", "burn"]);

    // A folder with something else in it, or with another run.
    dir.write("b/notes.txt", "mine");
    says("b", &[], 1, &["is not empty", "notes.txt"]);
    repair(&dir, "c", &["-p", "erm"]).exits(0);
    says(
        "c",
        &["-p", "erm", "--set", "repair.batch_size=16"],
        1,
        &["other settings", "settings.batch_size: it has 32, now 16"],
    );

    // A loss that diverges ends the run; what was good before is kept.
    let wild = ["-p", "erm", "--set", "repair.optimizer=sgd", "--set", "repair.learning_rate=90"];
    says("d", &wild, 1, &["diverged at step", "learning_rate"]);

    // Verdicts on slices that no longer exist hold for their images.
    let slices = dir.path().join("demo/review/slices");
    for set in std::fs::read_dir(&slices).unwrap() {
        let set = set.unwrap().path();
        // Beside the sets lies the lock that writers hold.
        if set.is_dir() {
            std::fs::remove_dir_all(set).unwrap();
        }
    }
    repair(&dir, "e", &["-p", "corm"]).exits(0);
    says("f", &["-p", "group_dro", "--set", "repair.groups=slices"], 1, &["has no slices yet", "ascan slice"]);

    // Without a spread nothing says what is spurious.
    std::fs::remove_dir_all(dir.path().join("demo/review/spread")).unwrap();
    says("g", &["-p", "corm"], 0, &["no verdicts were spread"]);

    // One class only, no class at all, another model.
    one_class(&dir);
    let arguments = ["repair", "one", "demo/demo.toml", "--out", "h"];
    dir.ascan(&arguments).exits(1).says(&["one class only", "disc"]);
    std::fs::copy(dir.path().join("demo/repair/model.onnx"), dir.path().join("demo/shortcut.onnx")).unwrap();
    says("i", &[], 1, &["is not the model that was scanned"]);
}

#[test]
fn a_loss_that_diverges_after_a_good_epoch_ends_the_run_and_keeps_that() {
    let (dir, _) = demo();
    // One step an epoch: the first is judged before the second finds out how far it went.
    let wild = ["-p", "erm", "--set", "repair.learning_rate=90", "--set", "repair.batch_size=4096", "--json"];
    let told = repair(&dir, "out", &[&wild[..], &["--set", "repair.epochs=5"]].concat()).exits(0).json();
    let reason = told["stopped"].as_str().unwrap_or_else(|| panic!("it went on: {told:#}"));
    assert!(reason.contains("diverged at step 2") && reason.contains("best of the 1 epochs"), "{reason}");
    assert!(reason.contains("repair.learning_rate"), "{reason}");
    assert_eq!((&told["n_epochs"], &told["best_epoch"]), (&1.into(), &1.into()));
    assert!(dir.path().join("out/model.onnx").is_file() && dir.path().join("out/loss.svg").is_file());
}

/// A disk that is full when a checkpoint is due: what was there before stays, and the run goes on from it.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_stops_a_repair_that_goes_on_when_there_is_room() {
    let (dir, _) = demo();
    let extra = ["-p", "erm", "--set", "repair.layers=all", "--set", "repair.checkpoint_steps=1", "--quiet"];
    repair(&dir, "whole", &extra).exits(0);
    let largest = |name: &str| std::fs::metadata(dir.path().join("whole").join(name)).unwrap().len();
    // Blocks of 512 bytes: the model still fits, the checkpoint with its moments does not.
    let n_blocks = (largest("model.onnx") + largest("checkpoint.safetensors")) / 2 / 512;
    assert!(n_blocks * 512 > largest("model.onnx") && n_blocks * 512 < largest("checkpoint.safetensors"));
    let base = ["repair", "demo/review", "demo/demo.toml", "--out", "full", "--set", "repair.epochs=2"];
    let arguments = [&base[..], &["--set", "repair.check=false"], &extra].concat();
    let command = dir.command(&arguments);
    // Without the trap the limit kills; with it a write fails, as on a full disk.
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", &format!("trap '' XFSZ; ulimit -f {n_blocks}; exec \"$0\" \"$@\"")]);
    limited.arg(command.get_program()).args(command.get_args()).current_dir(dir.path());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let output = limited.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("checkpoint.safetensors") && said.contains("cannot be written"), "{said}");
    dir.ascan(&arguments).exits(0);
    assert!(bytes(&dir, "full/model.onnx") == bytes(&dir, "whole/model.onnx"), "the models differ");
}

#[test]
fn images_without_labels_are_no_training_split() {
    let (dir, _) = demo();
    let manifest = dir.path().join("demo/data/metadata.csv");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let unlabelled = text.lines().enumerate().map(|(i, line)| {
        let mut cells: Vec<&str> = line.split(',').collect();
        if i > 0 {
            cells[1] = "";
        }
        cells.join(",")
    });
    dir.write("demo/data/unlabelled.csv", unlabelled.collect::<Vec<_>>().join("\n"));
    let config = std::fs::read_to_string(dir.path().join("demo/demo.toml")).unwrap();
    dir.write("demo/unlabelled.toml", config.replace("data/metadata.csv", "data/unlabelled.csv"));
    dir.ascan(&["scan", "demo/unlabelled.toml", "--out", "none", "--no-slice", "--limit", "20"]).exits(0);
    let arguments = ["repair", "none", "demo/demo.toml", "--out", "out"];
    dir.ascan(&arguments).exits(1).says(&["no image with a label", "the training split is empty"]);
}

#[test]
fn a_bench_has_a_line_for_each_regularizer_and_settings_of_its_own() {
    let (dir, _) = demo();
    let base =
        ["bench", "regularizers", "demo/review", "demo/demo.toml", "demo/scan", "--out", "table", "--seeds", "2"];
    let only = ["--only", "erm,corm", "--for", "corm:repair.epochs=1", "--set", "repair.epochs=2", "--json"];
    let told = dir.ascan(&[&base[..], &only].concat()).exits(0).json();
    let lines: Vec<(&str, u64)> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["plugin"].as_str().unwrap(), entry["seed"].as_u64().unwrap()))
        .collect();
    assert_eq!(lines, [("before", 0), ("corm", 0), ("corm", 1), ("erm", 0), ("erm", 1)]);
    let epochs = |folder: &str| {
        let text = std::fs::read_to_string(dir.path().join("table").join(folder).join("summary.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["n_epochs"].clone()
    };
    assert_eq!((epochs("corm-1"), epochs("erm-0")), (1.into(), 2.into()));
    let table = std::fs::read_to_string(dir.path().join("table/table.md")).unwrap();
    assert!(table.contains("| `corm` |") && table.contains("±"), "{table}");
    dir.ascan(&[&base[..], &["--only", "corn"]].concat()).exits(1).says(&["unknown regularizer `corn`", "corm"]);
    dir.ascan(&[&base[..], &["--for", "corm"]].concat()).exits(2).says(&["expected a regularizer"]);
}

/// A scan of discs alone.
#[test]
fn a_method_that_cannot_differentiate_an_operator_says_so_before_training() {
    let (dir, _) = demo();
    let mut model = Model::load(&dir.path().join("demo/shortcut.onnx")).unwrap();
    let nodes = &mut model.proto.graph.as_mut().unwrap().node;
    let relu = nodes.iter_mut().find(|node| node.op_type == "Relu").unwrap();
    // One input, the same shape, and no second derivative written for it.
    relu.op_type = "LpNormalization".into();
    model.save(&dir.path().join("demo/odd.onnx")).unwrap();
    let odd = ["--set", "model.path=demo/odd.onnx", "--no-slice", "--quiet"];
    dir.ascan(&[&["scan", "demo/demo.toml", "--out", "odd"][..], &odd].concat()).exits(0);
    let rrr = ["repair", "odd", "demo/demo.toml", "--out", "out", "-p", "rrr"];
    dir.ascan(&rrr).exits(1).says(&["LpNormalization", "rrr", "another regularizer"]);
    assert!(!dir.path().join("out/checkpoint.safetensors").exists(), "nothing was trained");
}

fn one_class(dir: &Dir) {
    let manifest = dir.path().join("demo/data/metadata.csv");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let kept: Vec<&str> =
        text.lines().filter(|line| !line.contains("square") || line.starts_with("file_name")).collect();
    dir.write("demo/data/discs.csv", kept.join("\n"));
    let config = dir.path().join("demo/demo.toml");
    let text = std::fs::read_to_string(&config).unwrap().replace("data/metadata.csv", "data/discs.csv");
    dir.write("demo/discs.toml", text);
    dir.ascan(&["scan", "demo/discs.toml", "--out", "one", "--no-slice", "--limit", "40"]).exits(0);
    assert!(Path::new(&dir.path().join("one/plan.json")).is_file());
}
