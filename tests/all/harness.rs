//! A folder for a test, and the program run in it.

use ascan_core::{Plugin, Runtime};
use ascan_ort::{OrtParams, OrtRuntime};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// Root of the workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the workspace").to_owned()
}

/// The folder of real data beside the repository; says that the test is skipped where it is not there.
pub fn shared_data() -> Option<PathBuf> {
    let path = workspace().join("../shared/data");
    if path.is_dir() {
        return Some(path.canonicalize().expect("the folder was just seen"));
    }
    println!("skipped: ../shared/data is not here");
    None
}

/// The engine onnxruntime; `None`, and a sentence, where there is none on this machine.
pub fn onnxruntime() -> Option<OrtRuntime> {
    let runtime = OrtRuntime::new(OrtParams::default()).expect("parameters without a check");
    match runtime.available() {
        Ok(()) => Some(runtime),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

/// A temporary folder.
pub struct Dir(tempfile::TempDir);

impl Dir {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
        std::fs::write(&path, content).expect("a new file");
        path
    }

    /// `ascan` with these arguments, in this folder.
    pub fn ascan(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments).output().expect("the program starts"))
    }

    /// The command, to be changed before it runs.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ascan-under-test"));
        // The user's own plugins have no place in a test.
        command.env("XDG_DATA_HOME", self.path().join("no-user-data")).env_remove("ASCAN_PLUGIN_PATH");
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        command
    }

    /// The program, started and left running.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
    }
}

/// What a run of the program gave.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program prints UTF-8");
        Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Checks the exit code; shows all there is if it is another.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked at"), "a panic reached the user:\n{}", self.stderr);
        self
    }

    /// Checks that the error names each of these.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not in:\n{}", self.stderr);
        }
        self
    }

    /// Checks that what is printed names each of these.
    #[track_caller]
    pub fn prints(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stdout.contains(word), "`{word}` is not in:\n{}", self.stdout);
        }
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in:\n{}", self.stdout))
    }
}
