//! Gives verdicts on the scan in a folder until it is killed, and prints the id of each one that is given.

use ascan_store::annotations::{Annotator, Judgement, Mark, Subject};
use std::io::Write;

fn main() {
    let folder = std::env::args_os().nth(1).expect("the folder of a scan");
    let mut annotations = Annotator::open(folder.as_ref(), "tireless").expect("a folder that can be read");
    for row in 0.. {
        let judgement = Judgement::Mark { mark: Mark::Core, note: "x".repeat(row % 300) };
        let subject = Subject::Images { rows: (row..row + 50).step_by(2).collect() };
        let id = annotations.judge(subject, judgement).expect("a folder that can be written");
        let mut out = std::io::stdout().lock();
        writeln!(out, "{id}").and_then(|()| out.flush()).expect("somebody who listens");
    }
}
