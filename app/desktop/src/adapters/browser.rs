//! The list of files.

use super::list;
use crate::Desktop;
use crate::browser::{Browser, Wanted};
use ascan_ui::{BrowserVm, Fact, MainWindow};
use slint::{ComponentHandle, SharedString};
use std::rc::Weak;

/// Fills `BrowserVm`.
pub struct BrowserAdapter;

impl BrowserAdapter {
    /// Wires the callbacks.
    pub fn new(window: &MainWindow, desktop: &Weak<Desktop>) -> Self {
        let vm = window.global::<BrowserVm>();
        let with = |act: fn(&Desktop)| {
            let desktop = desktop.clone();
            move || {
                if let Some(desktop) = desktop.upgrade() {
                    act(&desktop);
                }
            }
        };
        vm.on_up(with(|desktop| desktop.browse_with(|browser| browser.up())));
        vm.on_choose_folder(with(|desktop| {
            let folder = desktop.browsed().map(|browser| browser.folder);
            desktop.end_browsing(folder);
        }));
        vm.on_cancel(with(|desktop| desktop.end_browsing(None)));
        let desktop = desktop.clone();
        vm.on_enter(move |index| {
            if let Some(desktop) = desktop.upgrade() {
                let mut file = None;
                desktop.browse_with(|browser| file = browser.enter(index.max(0) as usize));
                if file.is_some() {
                    desktop.end_browsing(file);
                }
            }
        });
        Self
    }

    /// Shows the folder, or nothing.
    pub fn sync(&self, window: &MainWindow, browser: Option<&Browser>) {
        let vm = window.global::<BrowserVm>();
        vm.set_open(browser.is_some());
        let Some(browser) = browser else { return };
        vm.set_title(browser.title.as_str().into());
        vm.set_folder(browser.folder.to_string_lossy().into_owned().into());
        vm.set_wants_folder(browser.wanted == Wanted::Folder);
        vm.set_trouble(browser.trouble.as_str().into());
        vm.set_entries(list(browser.entries.iter().map(|entry| Fact {
            name: entry.name.as_str().into(),
            value: if entry.is_file { "file" } else { "folder" }.into(),
            tip: SharedString::new(),
        })));
    }
}
