use super::*;
use std::fs;

fn open(dir: &Path, author: &str) -> Annotator {
    Annotator::open(dir, author).unwrap()
}

fn slice(slice: i32, rows: impl Into<Vec<usize>>) -> Subject {
    Subject::Slice { set: "kmeans-1".into(), slice, rows: rows.into() }
}

fn images(rows: impl Into<Vec<usize>>) -> Subject {
    Subject::Images { rows: rows.into() }
}

fn mark(mark: Mark) -> Judgement {
    Judgement::Mark { mark, note: String::new() }
}

const CORE: Option<Mark> = Some(Mark::Core);
const SPURIOUS: Option<Mark> = Some(Mark::Spurious);

/// The only log in a folder.
fn only_file(dir: &Path) -> PathBuf {
    let files: Vec<PathBuf> =
        fs::read_dir(dir.join("annotations")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn verdicts_are_read_back_as_they_were_given() {
    let dir = tempfile::tempdir().unwrap();
    let mut anna = open(dir.path(), " Anna B/C ");
    assert!(!dir.path().join("annotations").exists(), "nothing is written before the first verdict");
    let note = Judgement::Mark { mark: Mark::Core, note: "birds\n\"both\" kinds".into() };
    anna.judge(slice(3, [4, 2, 3, 4, 9]), note.clone()).unwrap();
    anna.judge(images([7]), Judgement::Fix(Fix::Relabel(2))).unwrap();
    anna.judge(slice(3, [2, 3]), Judgement::Clear).unwrap();

    let again = open(dir.path(), "ben");
    assert_eq!(again.history(), anna.history());
    assert!(again.problems.is_empty());
    let first = &again.history()[0];
    assert_eq!((first.author.as_str(), &first.judgement), ("Anna B/C", &note));
    assert_eq!(first.subject.rows(), [2, 3, 4, 9]);
    let file = only_file(dir.path());
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("Anna-B-C-") && name.ends_with(".jsonl"), "{name}");
    let line: serde_json::Value =
        serde_json::from_str(fs::read_to_string(&file).unwrap().lines().next().unwrap()).unwrap();
    assert_eq!(line["record"]["judge"]["subject"]["slice"]["rows"], "2-4,9");
}

#[test]
fn a_verdict_is_about_somebody_and_something() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Annotator::open(dir.path(), " ").unwrap_err().to_string().contains("author"));
    let error = open(dir.path(), "anna").judge(images([]), Judgement::Clear).unwrap_err();
    assert!(error.to_string().contains("at least one image"), "{error}");
}

#[test]
fn a_torn_last_line_is_nothing_and_a_damaged_one_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    let mut anna = open(dir.path(), "anna");
    for row in 0..3 {
        anna.judge(images([row]), mark(Mark::Core)).unwrap();
    }
    let file = only_file(dir.path());
    let bytes = fs::read(&file).unwrap();
    for len in bytes.len() - 5..bytes.len() {
        fs::write(&file, &bytes[..len]).unwrap();
        let torn = open(dir.path(), "anna");
        assert_eq!((torn.history().len(), &torn.problems), (2, &Vec::<String>::new()));
    }
    let text = String::from_utf8(bytes).unwrap();
    fs::write(&file, text.replacen("core", "cone", 1) + "no record\n").unwrap();
    let damaged = open(dir.path(), "anna");
    assert_eq!(damaged.history().len(), 2);
    assert!(damaged.problems[0].contains("line 1, was changed after it was written"), "{:?}", damaged.problems);
    assert!(damaged.problems[1].contains("line 4, is not a record"), "{:?}", damaged.problems);
}

#[test]
fn two_sessions_see_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let (mut anna, mut ben) = (open(dir.path(), "anna"), open(dir.path(), "ben"));
    assert!(!ben.refresh().unwrap());
    anna.judge(slice(0, [0, 1]), mark(Mark::Core)).unwrap();
    assert!(ben.refresh().unwrap() && !ben.refresh().unwrap());
    assert_eq!(ben.of_slice("kmeans-1", 0).unwrap().author, "anna");
    assert!(!ben.can_undo(), "another's verdict is not ours to undo");
    ben.judge(slice(0, [0, 1]), mark(Mark::Spurious)).unwrap();
    anna.undo().unwrap();
    assert!(anna.refresh().unwrap() && ben.refresh().unwrap());
    assert_eq!(anna.history(), ben.history());
    assert_eq!(anna.marks(2), [SPURIOUS; 2]);
    // Whoever sees a verdict comes after it, whatever the clocks say.
    let at: Vec<u64> = open(dir.path(), "eve").history().iter().map(|verdict| verdict.at).collect();
    assert!(at.is_sorted(), "{at:?}");
}

#[test]
fn the_newest_mark_wins() {
    let dir = tempfile::tempdir().unwrap();
    let mut anna = open(dir.path(), "anna");
    anna.judge(images([1]), mark(Mark::NoisyLabel)).unwrap();
    anna.judge(slice(0, [0, 1, 2]), mark(Mark::Core)).unwrap();
    assert_eq!(anna.marks(4), [CORE, CORE, CORE, None]);
    anna.judge(slice(1, [2, 3]), mark(Mark::Spurious)).unwrap();
    assert_eq!(anna.marks(4), [CORE, CORE, SPURIOUS, SPURIOUS]);
    // The same slice made anew, with other images: its older verdict does not hold any more.
    anna.judge(slice(1, [3, 100]), mark(Mark::Spurious)).unwrap();
    assert_eq!(anna.marks(4), [CORE, CORE, CORE, SPURIOUS]);
    assert_eq!(anna.in_force().len(), 3);
}

#[test]
fn clearing_a_slice_shows_what_was_beneath_and_clearing_images_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut anna = open(dir.path(), "anna");
    anna.judge(images([1]), mark(Mark::Spurious)).unwrap();
    anna.judge(slice(0, [0, 1]), mark(Mark::Core)).unwrap();
    anna.judge(slice(0, [0, 1]), Judgement::Clear).unwrap();
    assert_eq!(anna.marks(2), [None, SPURIOUS]);
    assert!(anna.of_slice("kmeans-1", 0).is_none());
    anna.judge(images([0, 1]), Judgement::Clear).unwrap();
    assert_eq!(anna.marks(2), [None, None]);
    // The verdict before a clearing is back when the clearing is undone.
    anna.undo().unwrap();
    anna.undo().unwrap();
    assert_eq!(anna.of_slice("kmeans-1", 0).unwrap().mark(), CORE);
}

#[test]
fn undo_and_redo_go_back_and_forth() {
    let dir = tempfile::tempdir().unwrap();
    let mut anna = open(dir.path(), "anna");
    assert!(!anna.can_undo() && !anna.can_redo() && anna.undo().unwrap().is_none() && anna.redo().unwrap().is_none());
    let ids: Vec<VerdictId> = (0..3).map(|row| anna.judge(images([row]), mark(Mark::Core)).unwrap()).collect();
    assert_eq!(anna.undo().unwrap().unwrap().id, ids[2]);
    assert_eq!(anna.undo().unwrap().unwrap().id, ids[1]);
    assert_eq!(anna.redo().unwrap().unwrap().id, ids[1]);
    assert_eq!(anna.undo().unwrap().unwrap().id, ids[1]);
    assert_eq!(anna.marks(3), [CORE, None, None]);
    assert_eq!([anna.redo().unwrap().unwrap().id, anna.redo().unwrap().unwrap().id], [ids[1].clone(), ids[2].clone()]);
    assert!(!anna.can_redo());
    anna.undo().unwrap();
    anna.judge(images([0]), mark(Mark::Spurious)).unwrap();
    assert!(!anna.can_redo(), "a new verdict ends what could be redone");
    assert_eq!(anna.marks(3), [SPURIOUS, CORE, None]);
    assert_eq!(open(dir.path(), "anna").history(), anna.history());
}

#[test]
fn a_session_undoes_its_own_and_earlier_ones_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), "anna").judge(images([0]), mark(Mark::Core)).unwrap();
    let second = open(dir.path(), "anna").judge(images([1]), mark(Mark::Core)).unwrap();
    open(dir.path(), "ben").judge(images([2]), mark(Mark::Core)).unwrap();

    let resumed = || {
        let mut anna = open(dir.path(), "anna");
        assert!(!anna.can_undo(), "a new session begins with nothing to undo");
        anna.resume();
        anna
    };
    assert_eq!(resumed().undo().unwrap().unwrap().id, second);
    assert_eq!(resumed().undo().unwrap().unwrap().id, first);
    assert!(!resumed().can_undo(), "the rest is another's");
    assert_eq!(resumed().redo().unwrap().unwrap().id, first);
    assert_eq!(resumed().redo().unwrap().unwrap().id, second);
    assert_eq!(open(dir.path(), "eve").marks(3), [CORE; 3]);
}

#[test]
fn files_may_be_read_in_any_order() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), "zoe").judge(images([0]), mark(Mark::Core)).unwrap();
    // The undo lies in a file that sorts before that of its verdict.
    let file = only_file(dir.path());
    let mut zoe = open(dir.path(), "zoe");
    zoe.resume();
    zoe.undo().unwrap();
    let of_undo =
        fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).find(|path| *path != file);
    fs::rename(of_undo.unwrap(), file.with_file_name("a.jsonl")).unwrap();
    assert!(open(dir.path(), "zoe").history().is_empty());
    // A backup beside its original is no second opinion.
    fs::copy(&file, file.with_file_name("copy.jsonl")).unwrap();
    assert!(open(dir.path(), "zoe").history().is_empty());
}

#[test]
fn people_disagree_until_one_changes_their_mind() {
    let dir = tempfile::tempdir().unwrap();
    let (mut anna, mut ben) = (open(dir.path(), "anna"), open(dir.path(), "ben"));
    anna.judge(slice(0, [0]), mark(Mark::Core)).unwrap();
    anna.judge(slice(1, [1]), mark(Mark::Core)).unwrap();
    ben.refresh().unwrap();
    ben.judge(slice(0, [0]), mark(Mark::Spurious)).unwrap();
    ben.judge(slice(1, [1]), mark(Mark::Core)).unwrap();
    ben.judge(slice(0, [0]), Judgement::Fix(Fix::Keep)).unwrap();
    let found = ben.disagreements();
    assert_eq!((found.len(), &found[0].subject), (1, &slice(0, [0])));
    let authors: Vec<&str> = found[0].verdicts.iter().map(|verdict| verdict.author.as_str()).collect();
    assert_eq!(authors, ["anna", "ben"]);
    anna.refresh().unwrap();
    anna.judge(slice(0, [0]), mark(Mark::Spurious)).unwrap();
    assert!(anna.disagreements().is_empty());
    // To clear is to have no opinion.
    anna.judge(slice(0, [0]), mark(Mark::Core)).unwrap();
    assert_eq!(anna.disagreements().len(), 1);
    anna.judge(slice(0, [0]), Judgement::Clear).unwrap();
    assert!(anna.disagreements().is_empty());
}

#[test]
fn the_newest_decision_about_a_label_wins_and_is_no_mark() {
    let dir = tempfile::tempdir().unwrap();
    let mut anna = open(dir.path(), "anna");
    anna.judge(images([0, 1, 2]), Judgement::Fix(Fix::Drop)).unwrap();
    anna.judge(images([1]), Judgement::Fix(Fix::Relabel(4))).unwrap();
    anna.judge(slice(0, [2]), Judgement::Fix(Fix::Keep)).unwrap();
    assert_eq!(anna.fixes(), BTreeMap::from([(0, Fix::Drop), (1, Fix::Relabel(4)), (2, Fix::Keep)]));
    assert_eq!(anna.marks(3), [None; 3]);
    assert!(anna.of_slice("kmeans-1", 0).is_none());
}

#[test]
fn a_verdict_that_cannot_be_written_is_not_given() {
    let dir = tempfile::tempdir().unwrap();
    let mut anna = open(dir.path(), "anna");
    // A file stands where the folder should go.
    fs::write(dir.path().join("annotations"), "").unwrap();
    let error = anna.judge(images([0]), mark(Mark::Core)).unwrap_err();
    assert!(error.to_string().contains("cannot be written"), "{error}");
    assert!(anna.history().is_empty() && !anna.can_undo());
    fs::remove_file(dir.path().join("annotations")).unwrap();
    anna.judge(images([0]), mark(Mark::Core)).unwrap();
    assert_eq!(open(dir.path(), "ben").history(), anna.history());
}

#[test]
fn a_verdict_knows_what_became_of_its_slice() {
    let rows = [2, 3, 5];
    let rows_now =
        |id: &str, slice: i32| (id == "kmeans-1").then(|| if slice == 0 { rows.to_vec() } else { Vec::new() });
    let of = |id: &str, slice: i32, rows: &[usize]| {
        SubjectState::of(&Subject::Slice { set: id.into(), slice, rows: rows.into() }, rows_now)
    };
    assert_eq!(of("kmeans-1", 0, &rows), SubjectState::Same);
    assert_eq!(of("kmeans-1", 0, &rows[1..]), SubjectState::OtherImages { n_now: rows.len() });
    assert_eq!(of("kmeans-1", 77, &rows), SubjectState::SliceGone);
    assert_eq!(of("kmeans-0", 0, &rows), SubjectState::SetGone);
}

#[test]
fn a_name_is_no_verdict_and_can_be_undone() {
    let dir = tempfile::tempdir().unwrap();
    let mut anna = open(dir.path(), "anna");
    anna.judge(slice(3, [1, 2]), mark(Mark::Core)).unwrap();
    anna.judge(slice(3, [1, 2]), Judgement::Name("birds on water".into())).unwrap();
    let name = |of: &Annotations| of.name_of("kmeans-1", 3).map(str::to_owned);
    let again = open(dir.path(), "ben");
    assert_eq!(name(&again).as_deref(), Some("birds on water"));
    assert_eq!(again.of_slice("kmeans-1", 3).unwrap().mark(), CORE, "the mark stands");
    assert_eq!((again.marks(3), again.basis().len()), (vec![None, CORE, CORE], 1));
    assert_eq!((again.name_of("kmeans-1", 4), again.name_of("kmeans-2", 3)), (None, None));
    anna.judge(slice(3, [1, 2]), Judgement::Name(String::new())).unwrap();
    assert_eq!(name(&anna), None);
    anna.undo().unwrap();
    assert_eq!(name(&anna).as_deref(), Some("birds on water"));
}

#[test]
fn two_peoples_verdicts_come_together_once() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    open(here.path(), "anna").judge(slice(3, [1, 2]), mark(Mark::Core)).unwrap();
    let mut ben = open(there.path(), "ben");
    ben.judge(slice(4, [5]), mark(Mark::Spurious)).unwrap();
    let mut merged = Annotations::read(here.path()).unwrap();
    assert_eq!(merged.merge(there.path()).unwrap(), 1);
    assert_eq!((merged.in_force().len(), merged.merge(there.path()).unwrap()), (2, 0));
    // He goes on; only that is new.
    ben.judge(slice(3, [1, 2]), mark(Mark::Spurious)).unwrap();
    assert_eq!(merged.merge(there.path()).unwrap(), 1);
    assert_eq!((merged.marks(6)[1], merged.disagreements().len()), (SPURIOUS, 1));
    assert!(merged.merge(&here.path().join("nowhere")).is_err());
}

/// Gives a verdict, then rewrites its line with another text in its record, its checksum made right.
fn forge(dir: &Path, from: &str, to: &str) {
    let file = only_file(dir);
    let line = fs::read_to_string(&file).unwrap();
    let record = line.trim_end().split_once("\"record\":").unwrap().1.strip_suffix('}').unwrap();
    assert!(record.contains(from), "{record}");
    let forged = record.replace(from, to);
    let sum = &blake3::hash(forged.as_bytes()).to_hex()[..16];
    fs::write(file, format!("{{\"blake3\":\"{sum}\",\"record\":{forged}}}\n")).unwrap();
}

#[test]
fn a_line_of_few_bytes_does_not_ask_for_all_memory() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), "anna").judge(images([0, 1, 2]), mark(Mark::Core)).unwrap();
    forge(dir.path(), "\"0-2\"", "\"0-4294967295\"");
    let read = open(dir.path(), "ben");
    assert!(read.history().is_empty() && read.problems[0].contains("about image 4294967295"), "{:?}", read.problems);
}

#[test]
fn a_verdict_of_a_time_that_cannot_be_can_be_overruled() {
    for at in [u64::MAX, u64::MAX / 2, 4_000_000_000_000] {
        let dir = tempfile::tempdir().unwrap();
        let mut anna = open(dir.path(), "anna");
        anna.judge(images([0]), mark(Mark::Core)).unwrap();
        let given = anna.history()[0].at;
        forge(dir.path(), &format!("\"at\":{given}"), &format!("\"at\":{at}"));
        let mut ben = open(dir.path(), "ben");
        assert_eq!(ben.marks(1), [Some(Mark::Core)], "it is not lost");
        assert!(ben.problems[0].contains("a year ahead"), "{:?}", ben.problems);
        ben.judge(images([0]), mark(Mark::Spurious)).unwrap();
        assert_eq!(open(dir.path(), "eve").marks(1), [Some(Mark::Spurious)]);
    }
}

#[cfg(unix)]
#[test]
fn a_verdict_on_a_scan_that_is_gone_is_not_given() {
    let dir = tempfile::tempdir().unwrap();
    let scan = dir.path().join("scan");
    fs::create_dir(&scan).unwrap();
    let mut anna = open(&scan, "anna");
    anna.judge(images([0]), mark(Mark::Core)).unwrap();
    fs::remove_dir_all(&scan).unwrap();
    for _ in 0..2 {
        let error = anna.judge(images([0]), mark(Mark::Spurious)).unwrap_err();
        assert!(error.to_string().contains("cannot be written"), "{error}");
    }
    assert_eq!(anna.marks(1), [Some(Mark::Core)]);
    assert!(!scan.exists(), "half a scan does not come back");
}

#[test]
fn hidden_files_beside_the_logs_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), "anna").judge(images([0]), mark(Mark::Core)).unwrap();
    let file = only_file(dir.path());
    fs::write(file.with_file_name("._anna-1.jsonl"), b"\0\x05\x16\x07\n").unwrap();
    let read = open(dir.path(), "ben");
    assert!(read.history().len() == 1 && read.problems.is_empty(), "{:?}", read.problems);
}
