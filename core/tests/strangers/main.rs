//! Plugins in C of every kind that are old, that lie, or that have holes: each works as far as it can, or says why not.

mod holes;
mod lies;
mod old;

use ascan_core::abi::{Library, LoadedPlugin};
use ascan_core::{Kind, Result, Tensor, TrainingStep};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A file of the repository.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("core lies in the workspace").join(name)
}

/// Compiles a library, against the header unless a flag names the folder of another.
fn compile(source: &Path, library: &Path, flags: &[&str]) {
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]).arg(library).arg(source);
    let output = cc.args(flags).arg("-I").arg(file("core/include")).output().expect("a C compiler");
    assert!(output.status.success(), "{cc:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// A library of `tests/plugins`, compiled into the folder.
fn load(dir: &TempDir, stem: &str, flags: &[&str]) -> Result<Library> {
    let library = dir.path().join(format!("lib{stem}.so"));
    compile(&file(&format!("tests/plugins/{stem}/{stem}.c")), &library, flags);
    Library::load(&library)
}

fn of_kind(library: &Library, kind: Kind) -> &LoadedPlugin {
    library.plugins().iter().find(|plugin| plugin.kind() == kind).expect("a plugin of every kind")
}

/// A training step on these images.
fn step<'a>(images: &'a Tensor, labels: &'a [usize], weights: &'a [f32]) -> TrainingStep<'a> {
    TrainingStep { images: images.view(), labels, weights, learning_rate: 0.25, penalty: None }
}
