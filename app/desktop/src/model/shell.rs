//! What is around the views: which one is shown, what lies over it, settings, exports.

use super::task::Task;
use super::{ASKING, Changes, Model};
use crate::command::{ImagesCommand, Named, Overlay, ShellCommand, View};
use crate::settings::SavedView;
use ascan_engine::slices::SliceSet;
use std::path::PathBuf;

impl Model {
    pub(super) fn apply_to_shell(&mut self, command: ShellCommand) -> Changes {
        match command {
            ShellCommand::Show(view) => return self.show(view),
            ShellCommand::Open(overlay) => {
                self.overlay = overlay;
                self.palette = Default::default();
            }
            ShellCommand::Close => self.overlay = Overlay::None,
            ShellCommand::Escape => {
                if self.overlay != Overlay::None {
                    self.overlay = Overlay::None;
                } else if self.images.open.is_some() {
                    return self.apply(ImagesCommand::Close);
                } else if !self.images.picked.is_empty() {
                    return self.apply(ImagesCommand::ClearPicked);
                } else {
                    return self.select(None);
                }
            }
            ShellCommand::ToggleTheme => {
                self.settings.dark = !self.settings.dark;
                return Changes::ALL;
            }
            ShellCommand::ToggleTable => self.settings.table_visible = !self.settings.table_visible,
            ShellCommand::ToggleInspector => self.settings.inspector_visible = !self.settings.inspector_visible,
            ShellCommand::ResizeTable(by) => {
                self.settings.table_px = (self.settings.table_px + by).clamp(180.0, 900.0);
            }
            ShellCommand::ResizeInspector(by) => {
                self.settings.inspector_px = (self.settings.inspector_px - by).clamp(220.0, 900.0);
            }
            ShellCommand::TextScale(scale) => self.settings.text_scale = scale.clamp(0.8, 2.0),
            ShellCommand::Author(name) => self.settings.author = name,
            ShellCommand::SaveView(name) => {
                if name.trim().is_empty() {
                    return Changes::SHELL;
                }
                let saved = SavedView {
                    name: name.trim().to_owned(),
                    view: self.view,
                    layout: self.mosaic.layout,
                    metric: self.mosaic.metric,
                    size: self.mosaic.size,
                    sort: self.list.sort,
                    search: self.list.search.clone(),
                    worse_only: self.list.worse_only,
                };
                self.settings.views.retain(|view| view.name != saved.name);
                self.settings.views.push(saved);
            }
            ShellCommand::UseView(index) => {
                if let Some(saved) = self.settings.views.get(index).cloned() {
                    (self.mosaic.layout, self.mosaic.metric, self.mosaic.size) =
                        (saved.layout, saved.metric, saved.size);
                    (self.list.sort, self.list.search, self.list.worse_only) =
                        (saved.sort, saved.search, saved.worse_only);
                    self.list.update(&self.session);
                    self.overlay = Overlay::None;
                    return self.show(saved.view) | Changes::ALL;
                }
            }
            ShellCommand::ChooseSet(index) => {
                let Some(id) = self.session.sets.get(index).map(|set| set.id.clone()) else { return Changes::NONE };
                let set = SliceSet::load(&self.session.album.scan, Some(&id));
                return match set {
                    Ok(set) => self.show_set(set),
                    Err(error) => self.fail(&error),
                };
            }
            ShellCommand::DismissProblem(index) => {
                if index < self.session.problems.len() {
                    self.session.problems.remove(index);
                }
            }
            ShellCommand::PaletteSearch(query) => self.palette = (query, 0),
            ShellCommand::PaletteStep(by) => {
                let n = Named::search(&self.palette.0).len() as i64;
                let place = (self.palette.1 as i64 + i64::from(by)).clamp(0, (n - 1).max(0));
                self.palette.1 = place as usize;
            }
            ShellCommand::Tell(command) => {
                let scan = self.session.album.scan.dir.display().to_string();
                self.toast = format!("On the command line: {}", command.replace("{}", &scan));
            }
            ShellCommand::ForgetToast => {}
            ShellCommand::Leave => {
                if let Some(words) = self.would_stop().filter(|_| !self.warned) {
                    self.toast = format!("{words} Leave once more to leave.");
                    self.warned = true;
                    return Changes::SHELL;
                }
                let kept = self.keep_draft();
                self.close_requested = true;
                return kept | Changes::SHELL;
            }
            ShellCommand::ExportFolder(folder) => self.export_folder = folder,
            ShellCommand::Export(what) => {
                let scan = &self.session.album.scan.dir;
                let name = scan.file_name().map_or_else(|| "scan".into(), |name| name.to_string_lossy().into_owned());
                let path = PathBuf::from(&self.export_folder).join(format!("{name}-{}", what.file()));
                self.begin("writing a file", Task::Export(what, path));
            }
        }
        Changes::SHELL
    }

    /// What stops when this scan is left.
    fn would_stop(&self) -> Option<&'static str> {
        if self.busy.contains(&ASKING) {
            return Some("The model is being asked: that stops if you leave now; what it has said so far is kept.");
        }
        self.is_repairing().then_some("The repair or the comparison stops if you leave now; what is done is kept.")
    }

    pub(super) fn show(&mut self, view: View) -> Changes {
        self.view = view;
        self.images.open = None;
        self.mosaic.hovered = None;
        self.weigh();
        let mut changes = Changes::SHELL | Changes::IMAGE;
        match view {
            View::Confusion => changes |= Changes::CONFUSION,
            View::Mosaic => {
                self.mosaic.fit();
                self.mosaic.update(&self.session);
                changes |= Changes::TILES | Changes::MOSAIC_VIEW | Changes::HOVER;
            }
            View::Images => changes |= Changes::IMAGES,
            View::Scatter => {
                self.ask_for_points();
                changes |= Changes::SCATTER;
            }
            View::Repair | View::Compare => {
                self.look_at_repair();
                changes |= Changes::STEPS;
            }
            View::Slicing | View::Spread => changes |= Changes::STEPS,
            View::Labels => {
                if self.candidates.is_none() {
                    self.begin("looking for wrong labels", Task::Candidates);
                }
                changes |= Changes::LABELS;
            }
        }
        changes
    }

    pub(super) fn show_set(&mut self, set: SliceSet) -> Changes {
        self.session.show(set);
        // It was put beside the set that was shown before.
        self.slicing.beside = None;
        self.list.update(&self.session);
        self.mosaic.update(&self.session);
        self.select(None) | Changes::ALL
    }
}
