//! Plugins written outside the workspace work by their config name alone.

use crate::harness::{Dir, workspace};
use ascan_core::abi::Library;
use ascan_core::params::ParamMap;
use ascan_core::testing;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder of the example plugins, built once a run.
pub fn plugin_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("example-plugins");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--locked", "--manifest-path"]).arg(workspace().join("tests/plugins/Cargo.toml"));
        // A variable of the outer cargo would aim the inner one at the outer's folder.
        cargo.arg("--target-dir").arg(&target).env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
        run(&mut cargo);
        let folder = target.join("debug");
        compile_c(&workspace().join("tests/plugins/loss_bands/loss_bands.c"), &folder.join("libloss_bands.so"));
        folder
    })
}

/// Compiles a plugin in C against the header.
pub fn compile_c(source: &Path, library: &Path) {
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-Wall", "-Werror", "-shared", "-fPIC", "-I"]).arg(workspace().join("core/include"));
    run(cc.arg("-o").arg(library).arg(source));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn both_keep_the_laws_of_slicers() {
    for file in ["libmargin_bands.so", "libloss_bands.so"] {
        let library = Library::load(&plugin_folder().join(file)).unwrap();
        let plugin = &library.plugins()[0];
        testing::check_slicer(plugin.name(), &*plugin.slicer(&ParamMap::new()).unwrap());
    }
}

#[test]
fn both_answer_to_their_names() {
    let dir = Dir::new();
    let folder = plugin_folder().display().to_string();
    let list = dir.ascan(&["plugins", "--json", "--plugin-dir", &folder]).exits(0).json();
    let names: Vec<&str> = list.as_array().unwrap().iter().filter_map(|row| row["name"].as_str()).collect();
    assert!(names.contains(&"margin_bands") && names.contains(&"loss_bands"), "{names:?}");
}

/// Which of two plugins of one name is used must not be decided in silence.
#[test]
fn two_libraries_with_one_plugin_are_said() {
    let dir = Dir::new();
    let source = workspace().join("tests/plugins/loss_bands/loss_bands.c");
    // The same plugin under the name of another library, as an older version may have left it.
    let renamed = dir.path().join("older.c");
    let text = std::fs::read_to_string(&source).unwrap();
    std::fs::write(&renamed, text.replace("ascan_library_loss_bands", "ascan_library_older_bands")).unwrap();
    compile_c(&source, &dir.path().join("libloss_bands.so"));
    let alone = dir.ascan(&["plugins", "--plugin-dir", "."]).exits(0);
    assert!(!alone.stderr.contains("two libraries"), "{}", alone.stderr);
    compile_c(&renamed, &dir.path().join("libolder_bands.so"));
    let said = dir.ascan(&["plugins", "--plugin-dir", "."]).exits(0).stderr;
    assert!(
        said.contains("the slicer `loss_bands` is in two libraries") && said.contains("libolder_bands.so"),
        "{said}"
    );
}

/// The page on writing a slicer shows the files of the crate that is tested here, letter by letter.
#[test]
fn the_page_on_writing_a_slicer_shows_the_tested_crate() {
    let page = std::fs::read_to_string(workspace().join("plugins/README.md")).unwrap();
    for (language, file) in [("toml", "Cargo.toml"), ("rust", "src/lib.rs")] {
        let text = std::fs::read_to_string(workspace().join("tests/plugins/margin_bands").join(file)).unwrap();
        assert!(page.contains(&format!("```{language}\n{text}```")), "plugins/README.md and {file} differ");
    }
}

#[test]
fn the_example_of_the_page_keeps_its_own_test() {
    // As step 3 of the page says.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("example-plugins");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--locked", "--package", "margin-bands", "--manifest-path"]);
    cargo.arg(workspace().join("tests/plugins/Cargo.toml")).arg("--target-dir").arg(&target);
    run(cargo.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS"));
}

/// Somebody has copied the program and left its libraries behind.
#[test]
fn a_program_without_its_libraries_says_so() {
    let dir = Dir::new();
    let alone = dir.path().join("ascan-alone");
    let usual = dir.command(&[]);
    let program = usual.get_program();
    std::fs::hard_link(program, &alone).or_else(|_| std::fs::copy(program, &alone).map(|_| ())).unwrap();
    let mut command = Command::new(&alone);
    command.arg("plugins").env("XDG_DATA_HOME", dir.path()).env_remove("ASCAN_PLUGIN_PATH");
    let told = command.output().unwrap();
    let said = String::from_utf8_lossy(&told.stderr);
    assert!(said.contains("no plugin was found") && said.contains("--plugin-dir"), "{said}");
}
