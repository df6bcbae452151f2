//! A scan of somebody else starts no program, loads no library and writes nothing outside itself.

use crate::desktop::copy;
use crate::example_plugins::compile_c;
use crate::harness::Dir;
use crate::small::{CONFIG, fixture};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A small scan in the folder `scan`.
fn scanned() -> Dir {
    let dir = fixture();
    dir.ascan(&["scan", "run.toml", "--out", "scan", "--quiet"]).exits(0);
    dir
}

/// What a program that was started leaves behind.
fn traces(dir: &Dir) -> PathBuf {
    dir.path().join("traces")
}

/// A command for `process` that leaves traces.
fn command(dir: &Dir) -> String {
    format!("[\"sh\", \"-c\", \"touch {}\"]", traces(dir).display())
}

/// Changes values of a configuration.
fn set(dir: &Dir, file: &str, values: &[(&str, &str, toml::Value)]) {
    let path = dir.path().join(file);
    let mut document: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
    for (section, key, value) in values {
        let section = document.entry(*section).or_insert_with(|| toml::Table::new().into());
        section.as_table_mut().unwrap().insert((*key).to_owned(), value.clone());
    }
    std::fs::write(path, document.to_string()).unwrap();
}

/// A table of one value.
fn table(key: &str, value: impl Into<toml::Value>) -> toml::Value {
    toml::Table::from_iter([(key.to_owned(), value.into())]).into()
}

/// Has a scan ask for a program to be started where it is sliced.
fn wants_a_program(dir: &Dir, scan: &str) {
    let command = vec!["sh".to_owned(), "-c".to_owned(), format!("touch {}", traces(dir).display())];
    let slicing = [("slicing", "plugin", "process".into()), ("slicing", "params", table("command", command))];
    set(dir, &format!("{scan}/scan.toml"), &slicing);
}

#[test]
fn a_received_scan_starts_no_program() {
    let dir = scanned();
    wants_a_program(&dir, "scan");
    let refused = ["command", "which was not made here", "touch", "--trust", "scan/scan.toml:"];
    dir.ascan(&["slice", "scan"]).exits(2).says(&refused);
    dir.ascan(&["slice", "scan", "--advise"]).exits(2).says(&refused);
    dir.ascan(&["check", "scan/scan.toml"]).exits(2).says(&refused);
    dir.ascan(&["scan", "scan/scan.toml", "--out", "again"]).exits(2).says(&refused);
    dir.ascan(&["slice", "scan", "--set", "slicing.params.timeout_secs=5"]).exits(2).says(&refused);
    // What needs no program goes on, also with another slicer.
    dir.ascan(&["slice", "scan", "--plugin", "confusion_matrix"]).exits(0);
    dir.ascan(&["report", "scan", "-o", "report.html"]).exits(0);
    assert!(!traces(&dir).exists(), "a program was started");

    // The user's own word counts: given for all, or as the very value.
    let own = format!("slicing.params.command={}", command(&dir));
    dir.ascan(&["slice", "scan", "--set", &own]).exits(1).says(&["ended without an answer"]);
    assert!(traces(&dir).exists());
    std::fs::remove_file(traces(&dir)).unwrap();
    dir.ascan(&["slice", "scan", "--trust"]).exits(1).says(&["ended without an answer"]);
    assert!(traces(&dir).exists());
}

#[test]
fn a_recipe_of_slices_starts_no_program() {
    let dir = scanned();
    copy(&dir.path().join("scan"), &dir.path().join("other"));
    dir.ascan(&["mark", "scan", "--slice", "0", "core"]).exits(0);
    let sets = std::fs::read_dir(dir.path().join("scan/slices")).unwrap().map(|entry| entry.unwrap().path());
    let report = sets.map(|set| set.join("report.json")).find(|file| file.is_file()).unwrap();
    let mut value: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    value["plugin"] = "process".into();
    value["params"] = serde_json::json!({ "command": ["sh", "-c", format!("touch {}", traces(&dir).display())] });
    std::fs::write(&report, value.to_string()).unwrap();
    dir.ascan(&["mark", "other", "--from", "scan"]).exits(1).says(&["command", "--trust"]);
    assert!(!traces(&dir).exists());
}

/// A library that leaves traces as soon as it is loaded.
fn library(dir: &Dir) -> PathBuf {
    let source = dir.write(
        "evil.c",
        format!(
            "#include <stdio.h>\n__attribute__((constructor)) static void run(void) {{ fclose(fopen({:?}, \"w\")); }}\n",
            traces(dir)
        ),
    );
    let library = dir.path().join("scan/libevil.so");
    compile_c(&source, &library);
    library
}

#[test]
fn a_received_scan_loads_no_library() {
    let dir = scanned();
    let library = library(&dir);
    let plan = dir.path().join("scan/plan.json");
    let mut value: Value = serde_json::from_slice(&std::fs::read(&plan).unwrap()).unwrap();
    value["model"]["backend"] = "ort".into();
    value["model"]["params"] = serde_json::json!({ "library": library });
    std::fs::write(&plan, value.to_string()).unwrap();
    for backend in ["ort", "auto"] {
        let params = table("library", library.to_string_lossy().into_owned());
        set(&dir, "scan/scan.toml", &[("model", "backend", backend.into()), ("model", "params", params)]);
        let refused = ["library", "libevil.so", "--trust"];
        dir.ascan(&["check", "scan/scan.toml"]).exits(2).says(&refused);
        dir.ascan(&["scan", "scan/scan.toml", "--out", "again"]).exits(2).says(&refused);
        dir.ascan(&["faithfulness", "scan", "--images", "2"]).exits(1).says(&refused);
        dir.ascan(&["suggest", "scan"]).exits(1).says(&refused);
        dir.ascan(&["repair", "scan", "run.toml", "--out", "repaired"]).exits(1).says(&refused);
        dir.ascan(&["bench", "regularizers", "scan", "run.toml", "scan", "--out", "bench"]).exits(1).says(&refused);
        dir.ascan(&["gallery", "scan", "-o", "gallery.png"]);
        assert!(!traces(&dir).exists(), "a library was loaded with backend = {backend:?}");
    }
    let own = format!("model.params.library={}", library.display());
    dir.ascan(&["check", "run.toml", "--set", "model.backend=ort", "--set", &own]).exits(2);
    assert!(traces(&dir).exists(), "what the user names is loaded");
}

#[test]
fn a_scan_that_was_made_here_goes_on_with_its_program() {
    let dir = fixture();
    let program = format!("plugin = \"process\"\nparams = {{ command = [{:?}] }}", env!("CARGO_BIN_EXE_nearest-mean"));
    dir.write("run.toml", CONFIG.replace("plugin = \"confusion_matrix\"", &program));
    dir.ascan(&["scan", "run.toml", "--out", "scan"]).exits(0);
    dir.ascan(&["slice", "scan"]).exits(0);
    dir.ascan(&["check", "scan/scan.toml"]).exits(0);
    // Another value in the same scan, and the same value in another, are somebody else's.
    copy(&dir.path().join("scan"), &dir.path().join("moved"));
    dir.ascan(&["slice", "moved"]).exits(2).says(&["not made here"]);
    dir.ascan(&["slice", "moved", "--trust"]).exits(0);
    let other = table("command", vec!["sh".to_owned(), env!("CARGO_BIN_EXE_nearest-mean").to_owned()]);
    set(&dir, "scan/scan.toml", &[("slicing", "params", other)]);
    dir.ascan(&["slice", "scan"]).exits(2).says(&["not made here"]);
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[cfg(unix)]
#[test]
fn nothing_is_written_outside_a_received_scan() {
    use std::os::unix::fs::symlink;
    let dir = scanned();
    let set = std::fs::read_dir(dir.path().join("scan/slices")).unwrap();
    let set = set.map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let mut report: Value = serde_json::from_slice(&std::fs::read(set.join("report.json")).unwrap()).unwrap();
    report["id"] = "x/../../OUTSIDE".into();
    std::fs::write(set.join("report.json"), report.to_string()).unwrap();
    let precious = dir.write("precious", "mine");
    for name in ["report.json", "params.json", "assignment.parquet"] {
        symlink(&precious, set.join(format!(".tmp-{name}"))).unwrap();
    }
    std::fs::create_dir(dir.path().join("elsewhere")).unwrap();
    for name in ["cache", "spread", "annotations"] {
        let _ = std::fs::remove_dir_all(dir.path().join("scan").join(name));
        symlink(dir.path().join("elsewhere"), dir.path().join("scan").join(name)).unwrap();
    }
    let before: Vec<PathBuf> = files(dir.path()).into_iter().filter(|path| !path.starts_with(&set)).collect();
    dir.ascan(&["slice", "scan"]).exits(0);
    dir.ascan(&["invert", "scan", "--steps", "1"]).exits(1).says(&["is a link"]);
    dir.ascan(&["mark", "scan", "--slice", "0", "core"]).exits(1).says(&["link"]);
    let after: Vec<PathBuf> = files(dir.path()).into_iter().filter(|path| !path.starts_with(&set)).collect();
    let strange: Vec<&PathBuf> =
        after.iter().filter(|path| !before.contains(path) && !path.ends_with("slices/.lock")).collect();
    assert!(strange.is_empty(), "{strange:?}");
    assert_eq!(std::fs::read_to_string(precious).unwrap(), "mine");
}

#[test]
fn what_somebody_called_a_slice_is_no_formula_of_a_spreadsheet() {
    let dir = scanned();
    let note = "=HYPERLINK(\"http://example.org\",\"see\")";
    dir.ascan(&["mark", "scan", "--slice", "0", "spurious", "--note", note, "--author", "@eve"]).exits(0);
    dir.ascan(&["export", "scan", "--to", "csv", "-o", "out"]).exits(0);
    let table = std::fs::read_to_string(dir.path().join("out/slices.csv")).unwrap();
    assert!(table.contains("\"'=HYPERLINK") && table.contains("'@eve"), "{table}");
    assert!(!table.contains(",=") && !table.contains(",\"=") && !table.contains(",@"), "{table}");
}
