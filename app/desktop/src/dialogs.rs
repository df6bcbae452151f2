//! File dialogs of the system, and a list of files in the window where the system has none.

use super::Desktop;
use super::browser::{Browser, Wanted};
use super::command::{ShellCommand, VerdictsCommand};
use rfd::{AsyncFileDialog, FileHandle};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A dialog that ends sooner was never shown.
const NO_DIALOG: Duration = Duration::from_millis(250);

/// What becomes of a path that was chosen.
pub(super) type Chosen = Box<dyn Fn(&Desktop, &Path)>;

impl Desktop {
    /// What only the window can do: dialogs and quitting.
    pub(super) fn ask(self: &Rc<Self>, what: &str) {
        match what {
            "open" => self.choose_scan(),
            "carry" => {
                let carry = |desktop: &Self, path: &Path| desktop.dispatch(VerdictsCommand::Carry(path.to_owned()));
                self.choose("Scan with verdicts", Wanted::Folder, "", carry);
            }
            "export-folder" => {
                let folder = |desktop: &Self, path: &Path| desktop.dispatch(ShellCommand::ExportFolder(text(path)));
                self.choose("Folder for exports", Wanted::Folder, "", folder);
            }
            "quit" => {
                // Without an event loop, in tests, there is nothing to quit.
                let _ = slint::quit_event_loop();
            }
            _ => {}
        }
    }

    /// Asks for the folder of a scan, and opens it.
    pub fn choose_scan(self: &Rc<Self>) {
        self.choose("Open a scan", Wanted::Folder, "", |desktop, path| desktop.open_or_say(path));
    }

    /// Asks for the model of a new scan.
    pub fn choose_model(self: &Rc<Self>) {
        let from = self.start_path(|start| start.model.clone());
        let chosen = |desktop: &Self, path: &Path| desktop.edit_start(|start| start.set_model(text(path)));
        self.choose("Model", Wanted::File(&[".onnx"]), &from, chosen);
    }

    /// Asks for the images of a new scan: a folder, or a manifest or archive.
    pub fn choose_data(self: &Rc<Self>, folder: bool) {
        let from = self.start_path(|start| start.data.clone());
        let chosen = |desktop: &Self, path: &Path| desktop.edit_start(|start| start.set_data(text(path)));
        let (title, wanted) =
            if folder { ("Images", Wanted::Folder) } else { ("Manifest or archive", Wanted::File(&[])) };
        self.choose(title, wanted, &from, chosen);
    }

    /// Asks for the folder of a new scan.
    pub fn choose_out(self: &Rc<Self>) {
        let from = self.start_path(|start| start.out.clone());
        let chosen = |desktop: &Self, path: &Path| desktop.edit_start(|start| start.set_out(text(path)));
        self.choose("Folder of the scan", Wanted::Folder, &from, chosen);
    }

    /// Waits for a dialog without holding up the window; where the system has none, the window lists files itself.
    fn choose(
        self: &Rc<Self>,
        title: &'static str,
        wanted: Wanted,
        from: &str,
        chosen: impl Fn(&Self, &Path) + 'static,
    ) {
        let desktop = Rc::downgrade(self);
        let (from, chosen): (PathBuf, Chosen) = (from.into(), Box::new(chosen));
        let spawned = slint::spawn_local(async move {
            let asked = Instant::now();
            let path: Option<PathBuf> = dialog(title, wanted).await.map(|file| file.path().to_owned());
            match (desktop.upgrade(), path) {
                (Some(desktop), Some(path)) => chosen(&desktop, &path),
                // Nobody closes a dialog so fast: there was none.
                (Some(desktop), None) if asked.elapsed() < NO_DIALOG => {
                    desktop.browse(Browser::new(title, wanted, &from), chosen);
                }
                _ => {}
            }
        });
        // Without an event loop there are no dialogs.
        drop(spawned);
    }
}

fn dialog(title: &str, wanted: Wanted) -> Pin<Box<dyn Future<Output = Option<FileHandle>>>> {
    let dialog = AsyncFileDialog::new().set_title(title);
    match wanted {
        Wanted::Folder => Box::pin(dialog.pick_folder()),
        Wanted::File([]) => Box::pin(dialog.pick_file()),
        Wanted::File(endings) => {
            let endings: Vec<&str> = endings.iter().map(|ending| ending.trim_start_matches('.')).collect();
            Box::pin(dialog.add_filter(title, &endings).pick_file())
        }
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
