//! The start page.

use super::{list, opaque, replace, string_model};
use crate::Desktop;
use crate::start::{PRESETS, Start};
use ascan_ui::{MainWindow, Recent, StartVm};
use slint::{ComponentHandle, ModelRc, SharedString, VecModel};
use std::path::Path;
use std::rc::{Rc, Weak};

/// Fills `StartVm`.
pub struct StartAdapter {
    recent: Rc<VecModel<Recent>>,
    log: Rc<VecModel<SharedString>>,
}

impl StartAdapter {
    /// Wires the callbacks.
    pub fn new(window: &MainWindow, desktop: &Weak<Desktop>) -> Self {
        let vm = window.global::<StartVm>();
        let adapter = Self { recent: Rc::default(), log: Rc::default() };
        vm.set_recent(ModelRc::from(adapter.recent.clone()));
        vm.set_log(ModelRc::from(adapter.log.clone()));
        macro_rules! on {
            ($name:ident, |$desktop:ident $(, $arg:ident)*| $body:expr) => {{
                let desktop = desktop.clone();
                vm.$name(move |$($arg),*| {
                    if let Some($desktop) = desktop.upgrade() {
                        $body;
                    }
                });
            }};
        }
        on!(on_open, |desktop, path| desktop.open_or_say(Path::new(path.as_str())));
        on!(on_browse_scan, |desktop| desktop.choose_scan());
        on!(on_browse_model, |desktop| desktop.choose_model());
        on!(on_browse_data, |desktop, folder| desktop.choose_data(folder));
        on!(on_browse_out, |desktop| desktop.choose_out());
        on!(on_edit_model, |desktop, path| desktop.edit_start(|start| start.set_model(path.into())));
        on!(on_edit_data, |desktop, path| desktop.edit_start(|start| start.set_data(path.into())));
        on!(on_edit_out, |desktop, path| desktop.edit_start(|start| start.set_out(path.into())));
        on!(on_edit_config, |desktop, text| desktop.edit_start(|start| start.set_config(text.into())));
        on!(on_set_attributor, |desktop, index| desktop.edit_start(|start| {
            start.attributor = index.max(0) as usize;
            start.guess();
        }));
        on!(on_set_slicer, |desktop, index| desktop.edit_start(|start| {
            start.slicer = index.max(0) as usize;
            start.guess();
        }));
        on!(on_set_preset, |desktop, index| desktop.edit_start(|start| {
            start.preset = index.max(0) as usize;
            start.guess();
        }));
        on!(on_edit_n_slices, |desktop, text| desktop.edit_start(|start| {
            start.n_slices = text.into();
            start.guess();
        }));
        on!(on_run, |desktop| desktop.run_scan());
        on!(on_demo, |desktop| desktop.run_demo());
        on!(on_cancel, |desktop| desktop.cancel_scan());
        adapter
    }

    /// Shows the page.
    pub fn sync(&self, window: &MainWindow, start: &Start) {
        let vm = window.global::<StartVm>();
        let recent = start.settings.recent.iter().map(|path| Recent {
            path: path.to_string_lossy().into_owned().into(),
            title: path.file_name().unwrap_or_default().to_string_lossy().into_owned().into(),
            detail: if path.join("plan.json").is_file() {
                path.to_string_lossy().into_owned().into()
            } else {
                format!("{} (no longer there)", path.display()).into()
            },
        });
        replace(&self.recent, recent.collect());
        vm.set_model(start.model.as_str().into());
        vm.set_data(start.data.as_str().into());
        vm.set_out(start.out.as_str().into());
        vm.set_attributors(list(start.attributors.iter().map(|method| SharedString::from(method.title()))));
        vm.set_attributor(start.attributor as i32);
        vm.set_slicers(list(start.slicers.iter().map(|method| SharedString::from(method.title()))));
        vm.set_slicer(start.slicer as i32);
        vm.set_presets(string_model(PRESETS));
        vm.set_preset(start.preset as i32);
        vm.set_n_slices(start.n_slices.as_str().into());
        vm.set_config(start.config.as_str().into());
        vm.set_error(start.error.as_str().into());
        vm.set_running(start.running.is_some());
        let progress = start.running.as_ref().map(|running| running.progress()).unwrap_or_default();
        vm.set_progress(progress.share);
        vm.set_live(list(progress.tiles.iter().map(opaque)));
        vm.set_begins(start.is_about_to_run());
        let stage = match (start.is_guessing(), start.is_about_to_run()) {
            (true, true) => "looking at model and images; the scan begins then …".to_owned(),
            (true, false) => "looking at model and images …".to_owned(),
            (false, _) => progress.stage,
        };
        vm.set_stage(stage.into());
        replace(&self.log, progress.log.iter().map(SharedString::from).collect());
    }
}
