//! A program that is fed, watched, and killed if it must be.

use crate::params::ProcessParams;
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use ascan_core::{Context, Error, Level, Result};
use std::io::{BufWriter, ErrorKind, Read};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

/// Longest wait between two looks at the program.
const PATIENCE: Duration = Duration::from_millis(50);
/// Bytes of an answer at most: a share in each of 1,000 slices for 250,000 images.
const MAX_ANSWER: u64 = 1 << 30;
/// Bytes of messages that are kept.
const MAX_MESSAGES: u64 = 1 << 20;
/// Lines of stderr in an error.
const N_LINES: usize = 20;

/// Runs the program on these batches, and gives what it wrote to stdout.
///
/// # Errors
/// `Param` if it cannot be started or takes too long, `Plugin` if it fails, `Cancelled`.
pub fn run(params: &ProcessParams, batches: Vec<RecordBatch>, context: &Context) -> Result<Vec<u8>> {
    context.progress("process", 0, 1)?;
    let mut running = Running::start(params)?;
    let (stdin, stdout, stderr) = (running.0.stdin.take(), running.0.stdout.take(), running.0.stderr.take());
    // Each pipe has a thread of its own: a program may write before it has read everything. They are not joined,
    // since a grandchild that outlives the program may keep a pipe open.
    if let Some(stdin) = stdin {
        // A program may close its stdin early; what it answers decides.
        std::thread::spawn(move || drop(feed(stdin, &batches)));
    }
    let (stdout, stderr) = (drain(stdout, MAX_ANSWER), drain(stderr, MAX_MESSAGES));
    let (mut output, mut messages, mut status) = (None, None, None);
    let started = Instant::now();
    let mut wait = Duration::from_millis(1);
    loop {
        context.progress("process", 0, 1)?;
        receive(&stdout, &mut output);
        receive(&stderr, &mut messages);
        if output.as_ref().is_some_and(|output| output.len() as u64 > MAX_ANSWER) {
            let message = format!("answered with more than {} MiB", MAX_ANSWER >> 20);
            return Err(failed(params, &message, "make fewer slices, or answer with an `assignment`"));
        }
        if status.is_none() {
            status = running.0.try_wait().map_err(|error| failed(params, &format!("was lost: {error}"), ""))?;
        }
        if let (Some(status), Some(_), Some(messages)) = (status, &output, &messages) {
            let messages = String::from_utf8_lossy(messages);
            if !status.success() {
                return Err(explain(params, status, &messages));
            }
            messages.lines().for_each(|line| context.reporter.log(Level::Info, line));
            context.progress("process", 1, 1)?;
            return Ok(output.unwrap_or_default());
        }
        if started.elapsed().as_secs() >= params.timeout_secs {
            let message = format!("{} was killed: it took longer than {} seconds", shown(params), params.timeout_secs);
            let said = last_lines(&String::from_utf8_lossy(messages.as_deref().unwrap_or_default()));
            return Err(Error::param("timeout_secs", message + &said, "give it more time, or less to do"));
        }
        std::thread::sleep(wait);
        wait = (wait * 2).min(PATIENCE);
    }
}

/// The command as it would be typed.
pub fn shown(params: &ProcessParams) -> String {
    format!("`{}`", params.command.join(" "))
}

/// The program did not do what it should.
pub fn failed(params: &ProcessParams, message: &str, hint: &str) -> Error {
    Error::plugin("process", format!("{} {message}", shown(params)), hint)
}

/// A program that is killed when nobody waits for it any more.
struct Running(Child);

impl Running {
    fn start(params: &ProcessParams) -> Result<Self> {
        let (program, arguments) = params.command.split_first().map_or(("", &[][..]), |(p, rest)| (p.as_str(), rest));
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that what the program starts ends with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.spawn().map(Self).map_err(|error| {
            let (why, hint) = match error.kind() {
                ErrorKind::NotFound => ("there is no such program".to_owned(), "give its whole path, or install it"),
                ErrorKind::PermissionDenied => {
                    ("it is not executable".to_owned(), "name the interpreter: [\"python3\", \"my_slicer.py\"]")
                }
                _ => (error.to_string(), ""),
            };
            Error::param("command", format!("`{program}` cannot be started: {why}"), hint)
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // What the program started ends with it, also where the program itself has ended.
        #[cfg(unix)]
        let _ = rustix::process::kill_process_group(
            rustix::process::Pid::from_child(&self.0),
            rustix::process::Signal::KILL,
        );
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn feed(stdin: ChildStdin, batches: &[RecordBatch]) -> Result<(), ArrowError> {
    let Some(first) = batches.first() else { return Ok(()) };
    let mut writer = StreamWriter::try_new(BufWriter::new(stdin), &first.schema())?;
    batches.iter().try_for_each(|batch| writer.write(batch))?;
    writer.finish()
}

/// Reads a pipe to its end on a thread of its own. Of more than `most` bytes one more is kept; the rest goes nowhere.
fn drain(pipe: Option<impl Read + Send + 'static>, most: u64) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before a broken pipe is all there is.
        if let Some(mut pipe) = pipe {
            let _ = pipe.by_ref().take(most + 1).read_to_end(&mut bytes);
            let _ = sender.send(bytes);
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        } else {
            let _ = sender.send(bytes);
        }
    });
    receiver
}

fn receive(from: &Receiver<Vec<u8>>, into: &mut Option<Vec<u8>>) {
    if into.is_none() {
        *into = match from.try_recv() {
            Ok(bytes) => Some(bytes),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Vec::new()),
        };
    }
}

fn explain(params: &ProcessParams, status: ExitStatus, messages: &str) -> Error {
    let (how, hint) = match status.code() {
        Some(126) => ("exit code 126: a shell found the program but could not run it".to_owned(), "is it executable?"),
        Some(127) => ("exit code 127: a shell found no such program".to_owned(), "give its whole path, or install it"),
        Some(code) => (format!("exit code {code}"), "run it by hand; its messages say what went wrong"),
        None => (format!("{status}"), "it was killed from outside or crashed; too little memory is a common cause"),
    };
    failed(params, &format!("failed with {how}{}", last_lines(messages)), hint)
}

/// The end of what the program said, if it said anything.
fn last_lines(messages: &str) -> String {
    let lines: Vec<&str> = messages.trim_end().lines().collect();
    if lines.is_empty() {
        return String::new();
    }
    format!("; its last messages:\n{}", lines[lines.len().saturating_sub(N_LINES)..].join("\n"))
}
