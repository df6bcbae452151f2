//! File dialogs of the system. Every path can be typed in the window too: a system may have no dialogs.

use super::Desktop;
use super::command::ShellCommand;
use ascan_core::Error;
use rfd::{AsyncFileDialog, FileHandle};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A dialog that ends sooner was never shown.
const NO_DIALOG: Duration = Duration::from_millis(250);

impl Desktop {
    /// What only the window can do: dialogs and quitting.
    pub(super) fn ask(self: &Rc<Self>, what: &str) {
        match what {
            "open" => self.choose_scan(),
            "export-folder" => self.choose(dialog("Folder for exports").pick_folder(), |desktop, path| {
                desktop.dispatch(ShellCommand::ExportFolder(path.to_string_lossy().into_owned()));
            }),
            "quit" => {
                // Without an event loop, in tests, there is nothing to quit.
                let _ = slint::quit_event_loop();
            }
            _ => {}
        }
    }

    /// Asks for the folder of a scan, and opens it.
    pub fn choose_scan(self: &Rc<Self>) {
        self.choose(dialog("Open a scan").pick_folder(), |desktop, path| desktop.open_or_say(path));
    }

    /// Asks for the model of a new scan.
    pub fn choose_model(self: &Rc<Self>) {
        self.choose(dialog("Model").add_filter("ONNX", &["onnx"]).pick_file(), |desktop, path| {
            desktop.edit_start(|start| start.set_model(text(path)));
        });
    }

    /// Asks for the images of a new scan: a folder, or a manifest or archive.
    pub fn choose_data(self: &Rc<Self>, folder: bool) {
        let chosen = |desktop: &Self, path: &Path| desktop.edit_start(|start| start.set_data(text(path)));
        if folder {
            self.choose(dialog("Images").pick_folder(), chosen);
        } else {
            self.choose(dialog("Manifest or archive").pick_file(), chosen);
        }
    }

    /// Asks for the folder of a new scan.
    pub fn choose_out(self: &Rc<Self>) {
        self.choose(dialog("Folder of the scan").pick_folder(), |desktop, path| {
            desktop.edit_start(|start| start.set_out(text(path)));
        });
    }

    /// Waits for a dialog without holding up the window.
    fn choose(
        self: &Rc<Self>,
        dialog: impl Future<Output = Option<FileHandle>> + 'static,
        chosen: impl FnOnce(&Self, &Path) + 'static,
    ) {
        let desktop = Rc::downgrade(self);
        let spawned = slint::spawn_local(async move {
            let asked = Instant::now();
            let path: Option<PathBuf> = dialog.await.map(|file| file.path().to_owned());
            match (desktop.upgrade(), path) {
                (Some(desktop), Some(path)) => chosen(&desktop, &path),
                // Nobody closes a dialog so fast: there was none.
                (Some(desktop), None) if asked.elapsed() < NO_DIALOG => {
                    let hint = "type the path into the field beside the button";
                    desktop.fail(&Error::unsupported("this system offers no file dialog", hint));
                }
                _ => {}
            }
        });
        // Without an event loop there are no dialogs.
        drop(spawned);
    }
}

fn dialog(title: &str) -> AsyncFileDialog {
    AsyncFileDialog::new().set_title(title)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
