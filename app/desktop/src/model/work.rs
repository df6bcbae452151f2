//! Work in the background: what is under way, and what becomes of the answers.

use super::repair::REPAIRING;
use super::session::NamedSet;
use super::task::{Answer, Task};
use super::verdicts::{ASKING, CARRYING, WEIGHING, spread_words};
use super::{Changes, Model};
use crate::command::View;
use ascan_core::Error;
use ascan_engine::reliance::Reliance;
use ascan_engine::slices::SliceSet;

impl Model {
    pub(super) fn begin(&mut self, words: &'static str, task: Task) {
        if !self.tasks.contains(&task) {
            self.busy.push(words);
            self.tasks.push(task);
        }
    }

    pub(super) fn end(&mut self, words: &'static str) {
        if let Some(place) = self.busy.iter().position(|busy| *busy == words) {
            self.busy.remove(place);
        }
    }

    /// Shows what went wrong, with what to do about it.
    pub fn fail(&mut self, error: &Error) -> Changes {
        if matches!(error, Error::Cancelled) {
            // A person did that.
            self.toast = "Stopped".to_owned();
            return Changes::SHELL;
        }
        let hint = error.hint().map_or_else(String::new, |hint| format!(". {hint}"));
        let problem = format!("{error}{hint}");
        if !self.session.problems.contains(&problem) {
            self.session.problems.push(problem);
        }
        Changes::SHELL
    }

    /// An image could not be shown. Where many are gone it is said once.
    pub fn misses_images(&mut self, error: &Error) -> Changes {
        if std::mem::replace(&mut self.has_missed, true) { Changes::NONE } else { self.fail(error) }
    }

    /// Shows a set that was made.
    fn take_set(&mut self, set: SliceSet) -> Changes {
        let named = NamedSet::of(&set);
        if !self.session.sets.contains(&named) {
            self.session.sets.push(named);
        }
        self.show_set(set)
    }

    /// A task says how far it is.
    pub fn take_progress(&mut self, stage: String, share: f32) -> Changes {
        if self.busy.is_empty() {
            return Changes::NONE;
        }
        self.progress = Some((stage, share));
        if self.busy.contains(&REPAIRING) {
            self.repair.read_curves();
        }
        Changes::SHELL | Changes::STEPS
    }

    /// A task says something.
    pub fn take_words(&mut self, line: String) -> Changes {
        if !self.is_repairing() {
            return Changes::NONE;
        }
        self.repair.says(line);
        Changes::STEPS
    }

    /// Another attribution of an image is there, or failed.
    pub fn attributed(&mut self) {
        self.end("attributing");
    }

    /// Takes what a background thread found.
    pub fn take(&mut self, answer: Answer) -> Changes {
        match answer {
            Answer::Points(projection, points) => {
                self.end("computing the map");
                match points {
                    // Meanwhile another projection may have been asked for.
                    Ok(_) if self.session.projections.get(self.scatter.projection) != Some(&projection) => {
                        Changes::SHELL
                    }
                    Ok(points) => {
                        self.scatter.set_points(points);
                        Changes::SCATTER | Changes::SHELL
                    }
                    Err(error) => self.fail(&error),
                }
            }
            Answer::Images(Ok(())) => Changes::NONE,
            Answer::Images(Err(error)) => self.misses_images(&error),
            Answer::Image(facts) => {
                self.end("reading an image");
                if self.images.open == Some(facts.row) {
                    self.image = Some(facts);
                }
                Changes::IMAGE | Changes::SHELL
            }
            Answer::Attributors(names) => {
                self.session.applies(&names.unwrap_or_default());
                Changes::IMAGE
            }
            Answer::Distances(slice, distances) => {
                self.end("ranking images by how typical they are");
                match distances {
                    Ok(distances) => {
                        self.session.distances.insert(slice, distances.into_iter().collect());
                        self.images.update(&self.session, self.selected);
                        Changes::IMAGES | Changes::SHELL
                    }
                    Err(error) => self.fail(&error),
                }
            }
            Answer::Candidates(found) => {
                self.end("looking for wrong labels");
                match found {
                    Ok(found) => {
                        self.candidates = Some(found);
                        Changes::LABELS | Changes::SHELL
                    }
                    Err(error) => self.fail(&error) | Changes::LABELS,
                }
            }
            Answer::Spread(spread) => {
                self.end("spreading verdicts");
                match spread {
                    Ok(spread) => {
                        self.toast = spread_words(&spread);
                        self.session.set_spread(Some(*spread));
                        self.list.update(&self.session);
                        self.show(View::Spread) | Changes::ALL
                    }
                    Err(error) => self.fail(&error),
                }
            }
            Answer::Weighed(basis, findings) => {
                self.end(WEIGHING);
                if self.busy.is_empty() {
                    self.progress = None;
                }
                // Nobody asked for it: what stands in its way is told by the repair.
                self.session.weighed = Some((basis, findings.unwrap_or_default()));
                self.weigh();
                Changes::STEPS | Changes::INSPECTOR | Changes::SHELL
            }
            Answer::Reliance(found) => {
                self.end(ASKING);
                self.progress = None;
                match found {
                    // Meanwhile another set may be shown.
                    Ok(found) if found.set != self.session.set.id => Changes::SHELL | Changes::INSPECTOR,
                    Ok(found) => {
                        self.session.reliance = Some(*found);
                        // What the model confirms stands.
                        if self.session.weighed.take().is_some() {
                            self.weigh();
                        }
                        self.toast = "The model was asked: see the selected slice".to_owned();
                        self.list.update(&self.session);
                        Changes::INSPECTOR | Changes::SHELL | Changes::LIST | Changes::TILES | Changes::STEPS
                    }
                    Err(error) => {
                        // What it has said so far counts.
                        self.session.reliance = Reliance::kept(&self.session.album.scan, &self.session.set.id);
                        self.list.update(&self.session);
                        self.fail(&error) | Changes::INSPECTOR | Changes::LIST | Changes::TILES
                    }
                }
            }
            Answer::Carried(carried) => {
                self.end(CARRYING);
                match carried {
                    Ok(carried) => self.carried(carried),
                    Err(error) => self.fail(&error),
                }
            }
            Answer::Exported(path) => {
                self.end("writing a file");
                match path {
                    Ok(path) => {
                        self.toast = format!("Written: {}", path.display());
                        Changes::SHELL
                    }
                    Err(error) => self.fail(&error),
                }
            }
            Answer::Sliced(set) => {
                self.end("making a slice");
                match set {
                    Ok(set) => {
                        let new = set.slices.iter().map(|slice| slice.id).max();
                        self.take_set(*set) | self.select(new)
                    }
                    Err(error) => self.fail(&error),
                }
            }
            Answer::SlicedAnew(set) => {
                self.end("slicing");
                self.progress = None;
                match set {
                    Ok(set) => {
                        self.toast = format!("{} slices", set.slices.len());
                        self.take_set(*set) | self.show(View::Mosaic)
                    }
                    Err(error) => self.fail(&error) | Changes::STEPS,
                }
            }
            Answer::Repaired(done) => self.repaired(done),
            Answer::Compared(done) => self.compared(done),
        }
    }
}
