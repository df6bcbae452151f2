//! The repair: how, how far it is, what came out; then the same images by the repaired model.

use super::methods::Method;
use super::task::Task;
use super::{Changes, Model};
use crate::command::{RepairCommand, View};
use crate::repairing::{Compared, RepairOrder};
use ascan_engine::repair::{CURVES, Curves, MODEL, RepairSummary};
use ascan_store::Scan;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Lines of the log that are kept.
const N_LOG: usize = 200;

/// State of the repair and of the comparison after it.
#[derive(Default)]
pub struct Repair {
    /// Regularizers.
    pub methods: Vec<Method>,
    /// The chosen one.
    pub method: usize,
    /// Whether all weights move.
    pub whole_net: bool,
    /// Passes over the images.
    pub epochs: usize,
    /// The folder of a scan of more images; may be empty.
    pub also: String,
    /// The folder of the repair.
    pub folder: String,
    /// The folder of a scan on whose images the models are compared; empty: the open one.
    pub on: String,
    /// What it says while it runs.
    pub log: Vec<String>,
    /// Loss and accuracies so far.
    pub curves: Option<Curves>,
    /// When the file was written that they are from.
    curves_of: Option<SystemTime>,
    /// How it ended.
    pub summary: Option<RepairSummary>,
    /// Why it could not be done, or that it was stopped.
    pub trouble: String,
    has_suggested: bool,
    /// Whether the scan by the repaired model is there from an earlier visit.
    pub has_comparison: bool,
    /// The comparison that runs is of the open scan's images, which are opened then.
    then_opens: bool,
    /// Both scans, once the repaired model has seen the images.
    pub compared: Option<Box<Compared>>,
}

impl Repair {
    /// What stands for the form in a configuration.
    pub fn overrides(&self) -> Vec<String> {
        let method = self.methods.get(self.method).map(|method| method.overrides("repair")).unwrap_or_default();
        let layers = if self.whole_net { "all" } else { "head" };
        let beside = [format!("repair.layers={layers}"), format!("repair.epochs={}", self.epochs)];
        method.into_iter().chain(beside).collect()
    }

    /// The same by the command line.
    pub fn command(&self, scan: &Path) -> String {
        let quoted = |text: &str| if text.contains(' ') { format!("'{text}'") } else { text.to_owned() };
        let scan = scan.display().to_string();
        let config = format!("{scan}/scan.toml");
        let mut words = vec!["ascan repair".to_owned(), quoted(&scan), quoted(&config)];
        words.push(format!("--out {}", quoted(&self.folder)));
        if !self.also.trim().is_empty() {
            words.push(format!("--also {}", quoted(self.also.trim())));
        }
        words.extend(self.overrides().iter().map(|text| format!("--set {}", quoted(text))));
        words.join(" ")
    }

    /// Folder of the scan by the repaired model.
    pub fn after(&self) -> PathBuf {
        let other = Path::new(self.on.trim()).file_name().map(|name| format!("-{}", name.to_string_lossy()));
        PathBuf::from(format!("{}{}-scan", self.folder.trim_end_matches(['/', '\\']), other.unwrap_or_default()))
    }

    /// Takes a scan of other images by the same model for the comparison, where one was opened lately and nothing was chosen.
    fn suggest_images(&mut self, scan: &Scan, recent: &[PathBuf]) {
        if self.has_suggested || !self.on.is_empty() {
            return;
        }
        self.has_suggested = true;
        let fits = |dir: &&PathBuf| {
            let other = Scan::open(dir).ok()?;
            let (here, there) = (&scan.plan, &other.plan);
            let fits = there.model.sha256 == here.model.sha256 && there.data.fingerprint != here.data.fingerprint;
            (fits && !other.slice_sets().ok()?.is_empty()).then_some(())
        };
        if let Some(dir) = recent.iter().find(|dir| fits(dir).is_some()) {
            self.on = dir.to_string_lossy().into_owned();
        }
    }

    /// Takes what is in the folder from an earlier visit.
    pub(super) fn recall(&mut self) {
        let text = std::fs::read(Path::new(&self.folder).join("summary.json")).ok();
        self.summary = text.and_then(|text| serde_json::from_slice(&text).ok());
        if self.summary.is_some() {
            self.read_curves();
        }
        self.look_for_comparison();
    }

    /// Looks whether the repaired model has seen the images before.
    fn look_for_comparison(&mut self) {
        let scan = self.summary.as_ref().and_then(|_| Scan::open(&self.after()).ok());
        self.has_comparison = scan.is_some_and(|scan| scan.slice_sets().is_ok_and(|sets| !sets.is_empty()));
    }

    pub(super) fn says(&mut self, line: String) {
        self.log.push(line);
        let surplus = self.log.len().saturating_sub(N_LOG);
        self.log.drain(..surplus);
    }

    /// Reads what the running repair has measured so far.
    pub(super) fn read_curves(&mut self) {
        let path = Path::new(&self.folder).join(CURVES);
        let written = path.metadata().and_then(|meta| meta.modified()).ok();
        // They change once an epoch; progress is told many times a second.
        if written.is_none() || written == self.curves_of {
            return;
        }
        self.curves_of = written;
        let text = std::fs::read(path).ok();
        self.curves = text.and_then(|text| serde_json::from_slice(&text).ok()).or(self.curves.take());
    }
}

/// Words of the status bar while one of the long tasks runs.
pub const REPAIRING: &str = "repairing";
/// See [`REPAIRING`].
pub const COMPARING: &str = "scanning again, to compare";

impl Model {
    /// Whether a repair or a comparison runs.
    pub fn is_repairing(&self) -> bool {
        self.busy.iter().any(|busy| [REPAIRING, COMPARING].contains(busy))
    }

    pub(super) fn apply_to_repair(&mut self, command: RepairCommand) -> Changes {
        let is_running = self.is_repairing();
        let repair = &mut self.repair;
        match command {
            RepairCommand::Stop => {
                self.stop_requested = true;
                return Changes::SHELL;
            }
            _ if is_running => {
                self.toast = "Wait until it is done, or stop it".to_owned();
                return Changes::SHELL;
            }
            RepairCommand::Continue => return self.go_on(),
            RepairCommand::Method(method) if method < repair.methods.len() => repair.method = method,
            RepairCommand::Method(_) => {}
            RepairCommand::Param { index, value } => {
                let method = repair.methods.get_mut(repair.method);
                if let Some(param) = method.and_then(|method| method.params.get_mut(index)) {
                    param.value = value;
                }
            }
            RepairCommand::WholeNet(on) => repair.whole_net = on,
            RepairCommand::Epochs(n) => repair.epochs = n.clamp(1, 1000),
            RepairCommand::Also(also) => repair.also = also,
            RepairCommand::On(on) => repair.on = on,
            RepairCommand::Folder(folder) => repair.folder = folder,
            RepairCommand::Run => return self.begin_repair(),
            RepairCommand::Compare => return self.begin_comparison(),
        }
        Changes::STEPS
    }

    /// Opens the scan of these images by the repaired model, which is made if it is not there: what they were compared on may be
    /// images that nobody should train on.
    fn go_on(&mut self) -> Changes {
        let Some(compared) = &self.repair.compared else { return Changes::NONE };
        if compared.before == self.session.album.scan.dir {
            self.open_requested = Some(compared.after.clone());
            return Changes::SHELL;
        }
        self.repair.on.clear();
        self.repair.then_opens = true;
        self.begin_comparison()
    }

    fn begin_repair(&mut self) -> Changes {
        let repair = &mut self.repair;
        if repair.folder.trim().is_empty() {
            repair.trouble = "Choose a folder for the repair first".to_owned();
            return Changes::STEPS;
        }
        (repair.summary, repair.curves, repair.compared) = (None, None, None);
        repair.has_comparison = false;
        repair.curves_of = None;
        repair.trouble.clear();
        repair.log.clear();
        let also = Some(repair.also.trim()).filter(|also| !also.is_empty()).map(PathBuf::from);
        let order = RepairOrder { overrides: repair.overrides(), also, out: PathBuf::from(repair.folder.trim()) };
        self.begin(REPAIRING, Task::Repair(order));
        Changes::SHELL | Changes::STEPS
    }

    fn begin_comparison(&mut self) -> Changes {
        let repair = &mut self.repair;
        let model = PathBuf::from(repair.folder.trim()).join(MODEL);
        if repair.summary.is_none() && !model.is_file() {
            self.toast = "Repair the model first".to_owned();
            return Changes::SHELL;
        }
        repair.trouble.clear();
        repair.compared = None;
        let on = Some(repair.on.trim()).filter(|on| !on.is_empty()).map(PathBuf::from);
        let task = Task::Compare { model, out: repair.after(), set: self.session.set.id.clone(), on };
        self.begin(COMPARING, task);
        self.show(View::Compare) | Changes::SHELL | Changes::STEPS
    }

    /// The steps after the spread are looked at.
    pub(super) fn look_at_repair(&mut self) {
        self.repair.suggest_images(&self.session.album.scan, &self.settings.recent);
        self.repair.look_for_comparison();
        // It only has to be read.
        if self.view == View::Compare
            && self.repair.compared.is_none()
            && self.repair.has_comparison
            && !self.is_repairing()
        {
            self.begin_comparison();
        }
    }

    /// A repair has ended.
    pub(super) fn repaired(&mut self, done: ascan_core::Result<Box<RepairSummary>>) -> Changes {
        self.end(REPAIRING);
        self.progress = None;
        self.repair.read_curves();
        match done {
            Ok(summary) => {
                self.toast = format!("Repaired; {}", summary.outcome.words());
                self.repair.summary = Some(*summary);
            }
            Err(ascan_core::Error::Cancelled) => {
                self.repair.trouble = "Stopped. What is done is kept: Repair goes on from there".to_owned();
            }
            Err(error) => self.repair.trouble = crate::with_hint(&error),
        }
        Changes::SHELL | Changes::STEPS
    }

    /// The repaired model has seen the images.
    pub(super) fn compared(&mut self, done: ascan_core::Result<Box<Compared>>) -> Changes {
        self.end(COMPARING);
        self.progress = None;
        let then_opens = std::mem::take(&mut self.repair.then_opens);
        match done {
            Ok(compared) if then_opens => self.open_requested = Some(compared.after),
            Ok(compared) => self.repair.compared = Some(compared),
            Err(ascan_core::Error::Cancelled) => {
                self.repair.trouble = "Stopped. What is scanned is kept: Compare goes on from there".to_owned();
            }
            Err(error) => self.repair.trouble = crate::with_hint(&error),
        }
        Changes::SHELL | Changes::STEPS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_has_its_command_line() {
        let methods = vec![Method { name: "corm".into(), ..Method::default() }];
        let repair =
            Repair { methods, epochs: 5, folder: "my repair".into(), also: "more".into(), ..Repair::default() };
        assert_eq!(
            repair.command(Path::new("train")),
            "ascan repair train train/scan.toml --out 'my repair' --also more --set repair.plugin=corm \
             --set repair.layers=head --set repair.epochs=5"
        );
        assert_eq!(repair.after(), Path::new("my repair-scan"));
        let elsewhere = Repair { on: "/data/test-scan".into(), ..repair };
        assert_eq!(elsewhere.after(), Path::new("my repair-test-scan-scan"));
    }
}
