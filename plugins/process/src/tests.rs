use super::*;
use ascan_core::testing::{ToyTable, check_slicer, toy_slice_table};
use ascan_core::{ErrorCode, Level, Params, Problems, Reporter, slicer};
use serde_json::json;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn process(command: &[&str]) -> Process {
    let command = command.iter().map(|&word| word.to_owned()).collect();
    Process::new(ProcessParams { command, ..Default::default() }).unwrap()
}

/// A line of shell, for children that misbehave.
fn shell(line: &str) -> Process {
    process(&["sh", "-c", line])
}

/// `examples/nearest_mean.rs`, which `cargo test` builds beside the tests.
fn nearest_mean() -> String {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let example = deps.with_file_name("examples").join(format!("nearest_mean{}", std::env::consts::EXE_SUFFIX));
    assert!(example.exists(), "{} is missing: `cargo test` builds it, unless told `--lib`", example.display());
    example.to_str().unwrap().to_owned()
}

fn example(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples").join(file)
}

/// The Python that can run the example, if there is one: `PYTHON`, else `python3`.
fn python() -> Option<String> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let output = std::process::Command::new(&python).args(["-c", "import numpy, pyarrow"]).output();
    output.is_ok_and(|output| output.status.success()).then_some(python)
}

fn fit_error(process: &Process) -> Error {
    process.fit(&toy_slice_table(30, 4, 0).view(), &Context::default()).err().expect("an error")
}

fn assign(process: &Process, fit: &ToyTable, apply: &ToyTable) -> Vec<i32> {
    let context = Context::default();
    let model = process.fit(&fit.view(), &context).unwrap();
    slicer::assignment(&model.membership(&apply.view(), &context).unwrap())
}

#[test]
fn conforms() {
    check_slicer("process", &process(&[&nearest_mean()]));
}

#[test]
fn the_python_example_conforms_and_finds_planted_clusters() {
    let Some(python) = python() else {
        println!("skipped: no python3 with numpy and pyarrow; name one in the variable PYTHON");
        return;
    };
    let script = example("farthest_point.py");
    let slicer = process(&[&python, script.to_str().unwrap()]);
    check_slicer("process", &slicer);
    let (fit, apply) = (toy_slice_table(300, 8, 1), toy_slice_table(100, 8, 2));
    let found = assign(&slicer, &fit, &apply);
    for i in 0..100 {
        for j in 0..i {
            assert_eq!(found[i] == found[j], apply.planted[i] == apply.planted[j], "images {i} and {j}");
        }
    }
}

#[test]
fn the_python_example_has_twenty_lines() {
    let text = std::fs::read_to_string(example("farthest_point.py")).unwrap();
    let code = text.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(code <= 20, "{code}");
}

#[test]
fn another_table_is_sliced_by_the_rows_that_were_fitted_to() {
    let slicer = process(&[&nearest_mean()]);
    let mut fit = toy_slice_table(100, 5, 1);
    // Class by the first value, so that the means lie apart.
    fit.predicted_classes = (0..100).map(|i| i32::from(fit.embeddings.row(i)[0] > 4.0)).collect();
    let apply = toy_slice_table(40, 5, 2);
    let expected: Vec<i32> = (0..40).map(|i| i32::from(apply.embeddings.row(i)[0] > 4.0)).collect();
    assert_eq!(assign(&slicer, &fit, &apply), expected);
}

#[test]
fn parameters_seed_and_maps_reach_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let seen = dir.path().join("seen");
    let params = ProcessParams {
        command: vec!["sh".into(), "-c".into(), format!("cat > {}; exit 3", seen.display())],
        params: json!({ "gamma": 0.5 }).as_object().cloned().unwrap(),
        maps: true,
        ..Default::default()
    };
    let table = toy_slice_table(12, 4, 0);
    let maps = Tensor::new([12, 2, 3], (0..72).map(|v| v as f32).collect()).unwrap();
    let table = SliceTable { maps: Some(maps.view()), ..table.view() };
    let context = Context { seed: 77, ..Context::default() };
    let slicer = Process::new(params).unwrap();
    assert!(slicer.fit(&table, &context).is_err());

    let bytes = std::fs::read(seen).unwrap();
    let mut reader = arrow::ipc::reader::StreamReader::try_new(&bytes[..], None).unwrap();
    let batch = reader.next().unwrap().unwrap();
    let schema = batch.schema();
    let metadata = |key: &str| schema.metadata()[key].as_str();
    assert_eq!((metadata("seed"), metadata("params")), ("77", r#"{"gamma":0.5}"#));
    assert_eq!((metadata("map_height"), metadata("map_width")), ("2", "3"));
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["fit", "embedding", "label", "predicted_class", "probs", "loss", "map"]);

    let without = slicer.fit(&SliceTable { maps: None, ..table }, &context).err().unwrap();
    assert_eq!(without.code(), ErrorCode::Unsupported);
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let error = fit_error(&process(&["no-such-program-here"]));
    assert_eq!(error.to_string(), "`command`: `no-such-program-here` cannot be started: there is no such program");
    assert!(error.hint().unwrap().contains("whole path"));
}

#[cfg(unix)]
#[test]
fn a_failure_says_the_exit_code_and_what_the_program_said() {
    let error = fit_error(&shell("echo 'ValueError: k' >&2; exit 3"));
    let text = error.to_string();
    assert!(text.contains("exit code 3") && text.ends_with("ValueError: k"), "{text}");
    assert!(fit_error(&shell("no-such-program-here")).to_string().contains("127: a shell found no such program"));
    assert!(fit_error(&shell("kill -9 $$")).to_string().contains("signal: 9"));
}

#[cfg(unix)]
#[test]
fn rubbish_is_shown() {
    for (line, part) in [
        ("cat > /dev/null; echo hello", "begins with \"hello\\n\""),
        ("cat > /dev/null", "ended without an answer"),
        ("head -c 1500", "damaged Arrow IPC stream"),
        // Its own input: a table, but no answer.
        ("cat", "columns [fit, embedding, label, predicted_class, probs, loss]"),
    ] {
        let error = fit_error(&shell(line));
        assert!(error.to_string().contains(part), "{line}: {error}");
        assert!(error.hint().is_some(), "{line}");
    }
}

/// Answers as a program may give them.
fn answer(name: &str, column: arrow::array::ArrayRef) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter([(name, column)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = arrow::ipc::writer::StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    bytes
}

#[test]
fn answers_are_checked() {
    use arrow::array::{FixedSizeListArray, Float64Array, Int64Array, StringArray};
    use std::sync::Arc;
    let lists = |values: Vec<f64>, k: i32| -> arrow::array::ArrayRef {
        let item = arrow::datatypes::Field::new("item", arrow::datatypes::DataType::Float64, false);
        Arc::new(FixedSizeListArray::new(Arc::new(item), k, Arc::new(Float64Array::from(values)), None))
    };
    let wrong = |bytes: Vec<u8>, n: usize| Answer::read(&bytes, n).err().unwrap().0;
    let slices = |values: Vec<i64>| answer("assignment", Arc::new(Int64Array::from(values)));

    assert!(wrong(slices(vec![0, 1]), 3).contains("2 rows, and was sent 3"));
    for large in [1 << 20, 1 << 40] {
        assert!(wrong(slices(vec![0, large]), 2).contains("100000 or more"));
    }
    assert!(wrong(answer("assignment", Arc::new(StringArray::from(vec!["a"]))), 1).contains("type Utf8"));
    assert!(wrong(answer("membership", lists(vec![0.5, f64::NAN], 2)), 1).contains("not in [0, 1]"));
    assert!(wrong(answer("membership", lists(vec![0.5, 2.0], 2)), 1).contains("not in [0, 1]"));

    // Doubles and 64-bit integers are what numpy makes of everything; they are meant well.
    let good = Answer::read(&answer("membership", lists(vec![0.5, 0.25, 1.0, 0.0], 2)), 2).ok().unwrap();
    assert_eq!(good.into_membership(1, 2).unwrap().data(), [1.0, 0.0]);
    let good = Answer::read(&slices(vec![2, -1]), 2).ok().unwrap();
    assert_eq!(good.n_slices(), 3);
    assert_eq!(good.into_membership(0, 3).unwrap().data(), [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    let other = Answer::read(&slices(vec![2, -1]), 2).ok().unwrap();
    assert!(other.into_membership(0, 2).unwrap_err().0.contains("3 slices, and with 2 at the fit"));
}

/// A program that ignores its input and sleeps, and what it started, end with the time limit.
#[cfg(unix)]
#[test]
fn the_time_limit_kills_the_program_and_what_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let line = format!("sleep 600 & echo $! > {}; wait", pid.display());
    let mut slicer = shell(&line);
    slicer.params.timeout_secs = 1;
    let started = Instant::now();
    let error = fit_error(&slicer);
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(error.key(), Some("timeout_secs"));
    let grandchild = std::fs::read_to_string(pid).unwrap();
    let alive = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", grandchild.trim()));
        // Nobody may have collected it yet.
        stat.is_ok_and(|stat| !stat.contains(") Z"))
    };
    let deadline = Instant::now() + Duration::from_secs(5);
    while alive() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!alive(), "process {grandchild} is still there");
}

#[cfg(unix)]
#[test]
fn a_request_to_stop_kills_the_program() {
    /// Stops at the tenth question.
    struct Impatient(AtomicUsize);
    impl Reporter for Impatient {
        fn log(&self, _level: Level, _message: &str) {}
        fn progress(&self, _stage: &str, _done: u64, _total: u64) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed) < 10
        }
    }
    let impatient = Impatient(AtomicUsize::new(0));
    let context = Context { reporter: &impatient, ..Context::default() };
    let started = Instant::now();
    let error = shell("sleep 600").fit(&toy_slice_table(30, 4, 0).view(), &context).err();
    assert_eq!(error, Some(Error::Cancelled));
    assert!(started.elapsed() < Duration::from_secs(20));
}

/// More than a pipe holds, in both directions at once.
#[cfg(unix)]
#[test]
fn large_tables_do_not_block() {
    let slicer = shell("tee /dev/stderr");
    let error = slicer.fit(&toy_slice_table(20_000, 16, 0).view(), &Context::default()).err().unwrap();
    assert!(error.to_string().contains("columns [fit"), "{error}");
}

#[test]
fn parameters_out_of_range_are_named() {
    let mut problems = Problems::default();
    ProcessParams { timeout_secs: 0, ..Default::default() }.check(&mut problems);
    let keys: Vec<_> = problems.into_errors().iter().filter_map(|error| error.key().map(str::to_owned)).collect();
    assert_eq!(keys, ["command", "timeout_secs"]);
}
