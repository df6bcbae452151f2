//! The model's tasks, done on a background thread with nothing but plain data.

use super::command::Artefact;
use super::done::Done;
use super::model::{Answer, ImageFacts, Task};
use super::repairing;
use ascan_config::host::PluginHost;
use ascan_core::{Context, Error, Reporter, Result, Silent};
use ascan_engine::mislabels::{self, Basis, Candidates};
use ascan_engine::plan::applicable;
use ascan_engine::question::Question;
use ascan_engine::reliance::Reliance;
use ascan_engine::slices::{self, Carried, SliceSet};
use ascan_engine::spread::Spread;
use ascan_report::album::{self, Album};
use ascan_report::mosaic::{self, save_png};
use ascan_report::report;
use ascan_store::annotations::Annotations;
use ascan_store::{Scan, disk};
use std::path::Path;

/// Neighbours of an open image.
const N_NEIGHBOURS: usize = 12;
/// Images behind a mean picture.
const N_SAMPLE: usize = 32;

/// An even sample of rows, for a mean picture.
pub fn sample(rows: &[usize]) -> Vec<usize> {
    rows.iter().copied().step_by(rows.len().div_ceil(N_SAMPLE).max(1)).collect()
}

/// Does a task.
pub fn run(task: Task, album: &Album, set: &SliceSet, host: &PluginHost, reporter: &dyn Reporter) -> Done {
    let n_threads = std::thread::available_parallelism().map_or(1, Into::into);
    let context = Context { seed: album.scan.config.run.seed, n_threads, reporter };
    Done::Answer(match task {
        Task::Points(method) => {
            let points = album.layout(host, &method, &Silent);
            Answer::Points(method, points)
        }
        Task::LookForImages => Answer::Images(album.missing().map_or(Ok(()), |error| Err(error.clone()))),
        Task::Image(row) => Answer::Image(image(album, row)),
        Task::Attribution(row, name) => {
            let heat =
                album.attribute(&[row], &name, host, &Silent).map(|heats| heats.into_iter().next().unwrap_or_default());
            return Done::Attribution { row, name, heat };
        }
        Task::Attributors => Answer::Attributors(applicable(&album.scan.config.model, host)),
        Task::Distances(slice, rows) => {
            let distances = album.distances(&rows).map(|distances| rows.into_iter().zip(distances).collect());
            Answer::Distances(slice, distances)
        }
        Task::Candidates => Answer::Candidates(candidates(album)),
        Task::Spread { .. } => Answer::Spread(spread(album, &context).map(Box::new)),
        Task::Weigh { basis } => Answer::Weighed(basis, repairing::weigh(&album.scan.dir, host, &context)),
        // Of the set that is shown, or of the one that was shown when it was asked for.
        Task::Reliance(id) => Answer::Reliance(reliance(album, set, &id, host, &context).map(Box::new)),
        Task::Carry(from) => Answer::Carried(carry(album, &from, host, &context)),
        Task::Export(what, path) => Answer::Exported(export(what, &path, album, set).map(|()| path)),
        Task::SliceOf(rows) => Answer::Sliced(slice_of(album, set, &rows).map(Box::new)),
        Task::Slice(overrides) => {
            let made = repairing::slice(&album.scan.dir, &overrides, host, &context);
            Answer::SlicedAnew(made.map(Box::new))
        }
        Task::Repair(order) => Answer::Repaired(repairing::mend(&album.scan.dir, &order, host, reporter).map(Box::new)),
        Task::Compare { model, out, set: id, on } => {
            let other = on.map(|dir| Scan::open(&dir).and_then(Album::open)).transpose();
            let compared = other.and_then(|other| {
                let of = other.as_ref().unwrap_or(album);
                let set = match &other {
                    Some(other) => SliceSet::load(&other.scan, None)?,
                    None if set.id == id => set.clone(),
                    None => SliceSet::load(&album.scan, Some(&id))?,
                };
                repairing::both(of, &set, (&model, &out), host, &context)
            });
            Answer::Compared(compared.map(Box::new))
        }
    })
}

fn image(album: &Album, row: usize) -> ImageFacts {
    let (probs, neighbours) = (album.probs(row), album.neighbours(row, N_NEIGHBOURS));
    let problem = probs.as_ref().err().or(neighbours.as_ref().err()).map(ToString::to_string);
    ImageFacts { row, probs: probs.unwrap_or_default(), neighbours: neighbours.unwrap_or_default(), problem }
}

/// By the probabilities of the scan: whether the model has learnt from these very labels is not known here.
fn candidates(album: &Album) -> Result<Candidates> {
    Question::has_classes(&album.scan.plan.model, "the search for wrong labels")?;
    let table = album.scan.table()?;
    mislabels::candidates(&table.labels, table.probs.view(), Basis::SelfConfidence)
}

/// Spreads the verdicts as they are on disk, those of other windows included, and keeps the result with the scan, for
/// `ascan spread` and the repair.
fn spread(album: &Album, context: &Context) -> Result<Spread> {
    let found = Spread::of_scan(&album.scan, &annotations(album)?, context)?;
    found.save(&album.scan)?;
    Ok(found)
}

fn reliance(album: &Album, set: &SliceSet, id: &str, host: &PluginHost, context: &Context) -> Result<Reliance> {
    if set.id == id {
        return Reliance::of_scan(&album.scan, set, host, context);
    }
    Reliance::of_scan(&album.scan, &SliceSet::load(&album.scan, Some(id))?, host, context)
}

fn carry(album: &Album, from: &Path, host: &PluginHost, context: &Context) -> Result<Carried> {
    let from = Scan::open(from)?;
    Carried::of(&from, &Annotations::read(&from.dir)?, &album.scan, host, context)
}

fn slice_of(album: &Album, set: &SliceSet, rows: &[usize]) -> Result<SliceSet> {
    let made = slices::with_slice_of(&album.scan.table()?, set, rows)?;
    made.save(&album.scan)?;
    Ok(made)
}

fn export(what: Artefact, path: &Path, album: &Album, set: &SliceSet) -> Result<()> {
    let write = |text: &[u8]| {
        let written = disk::write(path, text);
        written.map_err(|error| Error::file(path, format!("cannot be written: {error}"), "choose another place"))
    };
    match what {
        Artefact::Mosaic => save_png(&mosaic::mosaic(&album.scene_of(&set.id, &set.slices), set), path),
        Artefact::Report => {
            let scene = album.scene_of_set(set);
            write(report::report(&scene, set, &album::scanned(&album.scan, set))?.as_bytes())
        }
        Artefact::Slices => write(&super::export::slices(album, set, &annotations(album)?)?),
        Artefact::Images => write(&super::export::images(album, set, &annotations(album)?)?),
        Artefact::Verdicts => write(&super::export::verdicts(&annotations(album)?)?),
        Artefact::Labels => {
            let fixes = annotations(album)?.fixes();
            mislabels::write_corrected(path, &album.scan.config.data, &album.table, &fixes).map(|_| ())
        }
    }
}

/// The verdicts as they are on disk: every one that was given is there.
fn annotations(album: &Album) -> Result<Annotations> {
    Annotations::read(&album.scan.dir)
}
