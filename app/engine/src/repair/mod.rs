//! Repair: a scanned model is fine-tuned with a regularizer that uses the verdicts.
//!
//! ```text
//! repair.toml                the settings, every default written out
//! plan.json                  what the run depends on: it is only resumed under the same plan
//! checkpoint.safetensors     how far it has come: weights, moments, curves
//! model.onnx                 the best epoch so far; the result, in the end
//! control/                   the same without a regularizer, to be compared with
//! summary.json               what came out
//! curves.json                loss and accuracies, to be drawn
//! ```
//!
//! Everything random is a function of seed, epoch and image, so a run that was stopped, however it was stopped,
//! resumes from its checkpoint and ends as it would have ended.

mod augment;
mod batches;
mod checkpoint;
mod curves;
mod data;
mod disagreement;
mod evaluate;
mod evidence;
mod extract;
mod features;
mod fold;
mod learner;
mod mixed;
mod outcome;
mod plan;
mod run;
mod sample;
mod stage;
mod summary;

pub use curves::{CURVES, Curves, EpochPoint};
pub use evaluate::{Evaluation, MixedEvaluation};
pub use evidence::{Findings, weigh_verdicts};
pub use outcome::Outcome;
pub use plan::RepairPlan;
pub use run::MODEL;
pub use summary::RepairSummary;

use ascan_config::host::PluginHost;
use ascan_config::sections::{Balance, Groups};
use ascan_core::params::ParamMap;
use ascan_core::{Context, Error, Level, Reporter, Result};
use ascan_onnx::Model;
use ascan_store::{LocalStorage, ScanLock, Storage};
use checkpoint::{Checkpoint, Progress};
use disagreement::disagreement;
use extract::Probe;
use learner::{Learner, options, trainable};
use mixed::Mixed;
use run::Run;
use sample::balance_of;
use std::path::Path;
use std::time::Instant;

/// Names of files in the folder of a run.
const CONFIG: &str = "repair.toml";
const PLAN: &str = "plan.json";
/// The net as it is now, for judging it.
const NET: &str = "net.onnx";

/// Repairs the model of a plan into the folder `out`, or goes on with the run that is there; then trains the control, and
/// says whether the repair helped. `how` says what to do about verdicts that are set aside.
///
/// # Errors
/// `File` if `out` cannot be written, or holds a run of another plan; whatever the regularizer or the trainer reports
/// before training; `Cancelled` on request. What was done until then is kept in the checkpoint.
pub fn repair(
    plan: &mut RepairPlan,
    host: &PluginHost,
    out: &Path,
    (reporter, how): (&dyn Reporter, &str),
) -> Result<RepairSummary> {
    let start = Instant::now();
    let _lock = ScanLock::take(out)?;
    let storage = LocalStorage::new(out);
    ["", CONTROL_FOLDER].iter().for_each(|folder| storage.sweep(folder));
    claim(plan, &storage, out)?;
    let context = Context { seed: plan.config.run.seed, n_threads: plan.n_threads, reporter };
    let habits = plan.habits(host)?;
    if habits.needs_disagreement {
        plan.training.disagreement = Some(disagreement(plan, &context)?);
    }
    // What the method lacks is said before anything else is computed. Two groups stand in for those that are not known yet.
    let repair = &plan.config.repair;
    let stand_ins: Vec<i32> = (0..plan.training.data.n()).map(|i| i as i32 % 2).collect();
    let mut set = plan.training.set(0);
    if repair.groups == Groups::Cue {
        set.groups = Some(&stand_ins);
    }
    host.regularizer(&repair.plugin, &repair.params)?.select(&set, &context)?;
    // With shuffled labels there is nothing to find out.
    let (findings, mixed) = match repair.shuffle_labels {
        true => (Findings::default(), None),
        false => evidence::gather(plan, &context)?,
    };
    for (level, text) in findings.notes(how) {
        reporter.log(level, &text);
    }
    let mut summary = train(plan, mixed.as_ref(), host, out, &context)?;
    let repair = &plan.config.repair;
    if repair.check && mixed.is_some() && !habits.has_other_aim {
        // The control differs in nothing else.
        plan.config.repair.plugin = CONTROL.into();
        plan.config.repair.params = ParamMap::new();
        plan.config.repair.balance = Balance::Auto;
        let folder = out.join(CONTROL_FOLDER);
        let hint = "choose a folder with --out that can be written to";
        let no_folder = |error| Error::file(&folder, format!("cannot be made: {error}"), hint);
        std::fs::create_dir_all(&folder).map_err(no_folder)?;
        reporter.log(Level::Info, "training the control: the same without a regularizer");
        summary.control = Some(train(plan, mixed.as_ref(), host, &folder, &context)?.after);
        summary.outcome = Outcome::of([&summary.before, &summary.after], summary.control.as_ref(), &findings);
    }
    summary.findings = findings;
    summary.seconds = start.elapsed().as_secs_f64();
    summary.write(&storage)?;
    Ok(summary)
}

/// Where the control is trained.
const CONTROL_FOLDER: &str = "control";
/// The regularizer that changes nothing.
const CONTROL: &str = "erm";

/// Trains as a plan says, in the folder `out`.
fn train(
    plan: &RepairPlan,
    mixed: Option<&Mixed>,
    host: &PluginHost,
    out: &Path,
    context: &Context,
) -> Result<RepairSummary> {
    let start = Instant::now();
    let storage = LocalStorage::new(out);
    let reporter = context.reporter;
    let repair = &plan.config.repair;
    let make = || host.regularizer(&repair.plugin, &repair.params);
    let mut regularizer = make()?;
    let original = Model::load(&plan.model.open.path)?;
    let learner = |part: Option<Model>| {
        let trained = if part.is_some() { trainable("all") } else { trainable(&repair.layers) };
        let options = options(repair, trained, plan.config.run.seed);
        Learner::new(
            original.clone(),
            part,
            plan.model.info.output,
            &plan.model.open,
            &out.join(NET),
            &*plan.runtime,
            &options,
        )
    };
    let head = if repair.layers == "head" { features::head_model(&original, &plan.model.open) } else { None };
    let probe = Probe::new(plan, &mut *make()?, context)?;
    let head = head.filter(|_| !probe.has_penalty());
    let is_head = head.is_some();
    // Before anything is computed: a part that cannot be trained is told now.
    let mut learner = learner(head)?;
    probe.check(plan, &mut *learner.trainer)?;
    let habits = plan.habits(host)?;
    if habits.suppresses && !is_head {
        let message =
            format!("`{}` works on the features of a head that is linear in a pooled feature map", repair.plugin);
        return Err(Error::unsupported(message, "use it with `repair.layers = \"head\"`, or use another regularizer"));
    }
    let features = match is_head {
        true => Some(extract::features(plan, mixed, (&probe, habits.suppresses), &mut *make()?, context)?),
        false => None,
    };
    if let Some(found) = features.as_ref().and_then(|features| features.suppressed.clone()) {
        learner.suppress(found)?;
    }
    reporter.log(Level::Info, &format!("{} weights are trained", learner.n_weights()?));

    let mut progress = Progress::default();
    if let Some(before) = Checkpoint::load(&storage, out)? {
        learner.trainer.restore(&before.trainer)?;
        regularizer.restore(&before.regularizer)?;
        progress = before.progress;
        reporter.log(Level::Info, &format!("resuming after step {}", progress.step));
    }
    let n_steps_before = progress.step;
    let mut run = Run {
        plan,
        learner,
        regularizer,
        features,
        balance: balance_of(repair, habits),
        mixed,
        storage,
        out,
        progress,
        learning_rate: repair.learning_rate,
        n_batches: 0,
        context: *context,
    };
    let end = run.train()?;
    let seconds = start.elapsed().as_secs_f64();
    let summary = RepairSummary::new(&run, end, seconds, run.progress.step - n_steps_before)?;
    run.progress.curves.write(&run.storage)?;
    // Only the run itself needs it.
    std::fs::remove_file(out.join(NET)).ok();
    Ok(summary)
}

/// Writes what the run depends on, or compares it with what is there.
fn claim(plan: &RepairPlan, storage: &LocalStorage, out: &Path) -> Result<()> {
    let now = plan.to_json()?;
    if storage.exists(PLAN)? {
        let before = storage.get(PLAN)?;
        if before == now {
            return Ok(());
        }
        let differences = plan::differences(&before, &now);
        let message = format!("holds a repair with other settings: {}", differences.join("; "));
        return Err(Error::file(out, message, "choose another folder with --out, or repair with the same settings"));
    }
    // A run that was ended between its two files has begun nothing else.
    let strangers = storage.list("")?.into_iter().filter(|name| !name.starts_with('.') && name != CONFIG);
    if let Some(name) = strangers.into_iter().next() {
        let message = format!("is not empty (`{name}`), and holds no repair");
        return Err(Error::file(out, message, "choose a new folder with --out"));
    }
    let config = toml::to_string(&plan.config).map_err(|error| Error::param("repair", error.to_string(), ""))?;
    storage.put(CONFIG, config.as_bytes())?;
    storage.put(PLAN, &now)
}
