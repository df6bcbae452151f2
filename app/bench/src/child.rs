//! A job in a child process: its memory is its own, its time is limited, and its crash is one line of the results.

use super::job::{Job, Outcome};
use ascan_config::host::PluginHost;
use ascan_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often a child is asked whether it is done.
const POLL: Duration = Duration::from_millis(5);

/// How to start a child that calls [`serve`].
#[derive(Debug, Clone)]
pub struct ChildWorker {
    /// The program: this one.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<std::ffi::OsString>,
    /// Longest time of a job.
    pub time_limit: Duration,
}

/// What a child says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Done(Outcome),
    Failed(String),
}

impl ChildWorker {
    /// Does a job in a child; `go_on` is asked all the time.
    ///
    /// # Errors
    /// `Plugin` with what the child reports, or says on standard error when it dies; `Cancelled`.
    pub fn work(&self, job: &Job, go_on: &dyn Fn() -> bool) -> Result<Outcome> {
        let failed = |message: String, hint: &str| Error::plugin(&job.method.plugin, message, hint);
        let cannot = |error: std::io::Error| failed(format!("its process cannot be used: {error}"), "");
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Guard(command.spawn().map_err(cannot)?);
        let request = serde_json::to_vec(job).map_err(|error| failed(error.to_string(), ""))?;
        if let Some(mut stdin) = child.0.stdin.take() {
            // A child that has died says so below.
            let _ = stdin.write_all(&request);
        }
        // Both pipes are emptied meanwhile, or a child with much to say would wait for ever.
        let stdout = reader(child.0.stdout.take());
        let stderr = reader(child.0.stderr.take());
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = child.0.try_wait().map_err(cannot)? {
                break status;
            }
            if !go_on() {
                return Err(Error::Cancelled);
            }
            if begin.elapsed() > self.time_limit {
                let message = format!("took longer than {} s", self.time_limit.as_secs());
                return Err(failed(message, "raise run.time_limit_secs, or lower its max_rows"));
            }
            std::thread::sleep(POLL);
        };
        let [stdout, stderr] = [stdout, stderr].map(|thread| thread.join().unwrap_or_default());
        match serde_json::from_slice(&stdout) {
            Ok(Reply::Done(outcome)) => Ok(outcome),
            Ok(Reply::Failed(message)) => Err(failed(message, "")),
            Err(_) => {
                let said = String::from_utf8_lossy(&stderr);
                let last = said.lines().last().unwrap_or_default();
                Err(failed(format!("its process ended with {status}: {last}"), "perhaps it ran out of memory"))
            }
        }
    }
}

/// A child that does not outlive its guard.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // Fails for one that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is all there is.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        bytes
    })
}

/// The child's side: a job on `input`, its reply on `output`.
///
/// # Errors
/// `Shape` if the input is no job; `File` if the output is gone.
pub fn serve(host: &PluginHost, input: &mut dyn Read, output: &mut dyn Write) -> Result<()> {
    let mut text = String::new();
    input.read_to_string(&mut text).map_err(|error| Error::file("standard input", error, ""))?;
    let job: Job = serde_json::from_str(&text).map_err(|error| Error::shape("job", "JSON of a job", error))?;
    let reply = match job.work(host) {
        Ok(outcome) => Reply::Done(outcome),
        Err(error) => Reply::Failed(error.to_string()),
    };
    serde_json::to_writer(output, &reply).map_err(|error| Error::file("standard output", error, ""))
}
