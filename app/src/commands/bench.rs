//! `ascan bench`: methods side by side, and their cost.

use super::{Result, note, print, print_json};
use crate::globals::Globals;
use crate::progress::{STOPPED, Terminal};
use crate::table::of_markdown;
use ascan_bench::plant::{Cue, Planting, plant};
use ascan_bench::regularizers::{markdown, table};
use ascan_bench::{self as bench, Job, Parts, child};
use ascan_config::bench::BenchConfig;
use ascan_config::repair::RepairConfig;
use ascan_core::{Error, Kind, Level, Reporter};
use ascan_images::ImageSet;
use ascan_report::curves;
use ascan_store::Scan;
use clap::{Args, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// `ascan bench`
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// What to compare
    #[command(subcommand)]
    pub command: BenchCommand,
}

/// What `ascan bench` compares.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Slicers and projectors, on planted tables, real scans and tables of growing size
    Slicers(BenchSlicersArgs),
    /// Every regularizer on one scan, judged on a scan of other images
    Regularizers(BenchRegularizersArgs),
    /// Plant a shortcut into real pictures: a mark on nearly all images of one class, and on few others
    Plant(BenchPlantArgs),
    /// One measurement, asked for on standard input by the bench that started this process
    #[command(hide = true)]
    Job,
}

/// `ascan bench slicers`
#[derive(Debug, Args)]
pub struct BenchSlicersArgs {
    /// The configuration of the benchmark
    pub config: PathBuf,
    /// Folder for tables and plots; an unfinished benchmark there is resumed
    #[arg(short, long, alias = "output", value_name = "DIR")]
    pub out: PathBuf,
    /// Only these kinds of tables
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<BenchPart>,
    /// Also measure a million rows, for methods that allow it (max_rows)
    #[arg(long)]
    pub large: bool,
}

/// The kinds of tables of `ascan bench slicers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchPart {
    /// Tables with a planted slice
    Planted,
    /// Real images
    Scans,
    /// Tables of growing size
    Cost,
}

/// `ascan bench regularizers`
#[derive(Debug, Args)]
pub struct BenchRegularizersArgs {
    /// Folder of the scan of the training images
    pub scan: PathBuf,
    /// A configuration with the sections repair and run
    pub config: PathBuf,
    /// Folder of a scan of the test images, by the same model
    pub test: PathBuf,
    /// Folder for the repairs and the table; an unfinished run there is resumed
    #[arg(short, long, alias = "output", value_name = "DIR")]
    pub out: PathBuf,
    /// Folder of a scan of more images to train on, as for `ascan repair`
    #[arg(long, value_name = "SCAN")]
    pub also: Option<PathBuf>,
    /// Number of seeds, counted from 0
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub seeds: u64,
    /// Only these regularizers; default: all
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Override a value of the configuration for one regularizer only; may be given several times
    #[arg(long = "for", value_name = "NAME:KEY=VALUE", value_parser = of_one)]
    pub of_one: Vec<(String, String)>,
}

/// `ascan bench plant`
#[derive(Debug, Args)]
pub struct BenchPlantArgs {
    /// A configuration of a scan, of which the images are taken: [data]
    pub config: PathBuf,
    /// What is planted
    #[arg(long, value_enum)]
    pub cue: PlantCue,
    /// The class that gets it
    #[arg(long, value_name = "NAME")]
    pub class: String,
    /// Share of its images that have it in training; of the other classes as many have not
    #[arg(long, value_name = "SHARE", default_value_t = 0.95, value_parser = share)]
    pub share: f64,
    /// Images per class at most; 0: all
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub per_class: usize,
    /// Folder for images, masks and metadata.csv
    #[arg(short, long, alias = "output", value_name = "DIR")]
    pub out: PathBuf,
}

/// What `ascan bench plant --cue` plants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlantCue {
    /// A translucent white mark in the lower right corner
    Watermark,
    /// A dark red frame
    Border,
    /// More red and less blue everywhere
    ColourCast,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.5..=1.0).contains(share));
    share.ok_or_else(|| "expected a number from 0.5 to 1".to_owned())
}

/// `rrr:repair.epochs=2`
fn of_one(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once(':').filter(|(name, _)| !name.is_empty());
    let (name, assignment) = parts.ok_or_else(|| "expected a regularizer, `:` and an override".to_owned())?;
    Ok((name.to_owned(), assignment.to_owned()))
}

/// Rows of the table that `--large` adds.
const LARGE: usize = 1_000_000;

pub(crate) fn run(args: BenchArgs, globals: &Globals) -> Result {
    match args.command {
        BenchCommand::Slicers(args) => slicers(args, globals),
        BenchCommand::Regularizers(args) => regularizers(args, globals),
        BenchCommand::Plant(args) => planted(args, globals),
        BenchCommand::Job => {
            let host = globals.host()?;
            // The process that sends the jobs has asked.
            host.permits().give_all();
            child::serve(&host, &mut std::io::stdin(), &mut std::io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn slicers(args: BenchSlicersArgs, globals: &Globals) -> Result {
    let host = globals.host()?;
    let wanted = |part| args.only.is_empty() || args.only.contains(&part);
    let parts =
        Parts { planted: wanted(BenchPart::Planted), scans: wanted(BenchPart::Scans), cost: wanted(BenchPart::Cost) };
    let mut config = BenchConfig::load(&args.config, &overrides(globals), &host, parts.scans)?;
    if args.large {
        config.cost.rows.push(LARGE);
    }
    let scans = bench::plan(&mut config, &host)?;
    let terminal = Terminal::new(globals.quiet);
    let worker = child::ChildWorker {
        program: std::env::current_exe()
            .map_err(|error| Error::unsupported(format!("the path of this program cannot be found: {error}"), ""))?,
        arguments: arguments(globals),
        time_limit: Duration::from_secs(config.run.time_limit_secs),
    };
    let work = |job: &Job| worker.work(job, &|| terminal.is_running());
    let report = match bench::run(&config, &scans, parts, &host, &args.out, &work, &terminal) {
        Err(Error::Cancelled) => {
            terminal.log(Level::Info, "stopped; finished work is kept: run the same command again to resume");
            return Ok(STOPPED.into());
        }
        report => report?,
    };
    ascan_report::bench::draw(&report, &args.out)?;
    if globals.json {
        print_json(&report)?;
    } else {
        print(&of_markdown(&report.to_markdown()))?;
        note(globals, format_args!("tables and plots are in {}", args.out.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn regularizers(args: BenchRegularizersArgs, globals: &Globals) -> Result {
    let host = globals.host()?;
    let known = host.names(Kind::Regularizer);
    for name in args.only.iter().chain(args.of_one.iter().map(|(name, _)| name)) {
        if !known.iter().any(|known| known == name) {
            return Err(Error::unknown_name("regularizer", name, known).into());
        }
    }
    let wanted = known.iter().filter(|name| args.only.is_empty() || args.only.iter().any(|only| only == *name));
    let configs = wanted.map(|name| {
        let own = args.of_one.iter().filter(|(of, _)| of == name).map(|(_, assignment)| assignment.clone());
        let for_all = globals.with_overrides(&[format!("repair.plugin={name}")]);
        // An override for one regularizer wins.
        let overrides: Vec<String> = for_all.into_iter().chain(own).collect();
        RepairConfig::load(&args.config, &overrides, &host)
    });
    let configs = configs.collect::<Result<Vec<_>, _>>()?;
    let (scan, test) = (Scan::open(&args.scan)?, Scan::open(&args.test)?);
    let also = args.also.as_deref().map(Scan::open).transpose()?;
    // Said once, not in each row of the table.
    for Scan { dir, plan, .. } in [&scan, &test].into_iter().chain(&also) {
        host.ask(dir, Kind::Backend, &plan.model.backend, &plan.model.params)?;
    }
    let seeds: Vec<u64> = (0..args.seeds).collect();
    let terminal = Terminal::new(globals.quiet);
    let entries = match table(([&scan, &test], also.as_ref()), &configs, &seeds, &host, &args.out, &terminal) {
        Err(Error::Cancelled) => {
            terminal.log(Level::Info, "stopped; finished work is kept: run the same command again to resume");
            return Ok(STOPPED.into());
        }
        entries => entries?,
    };
    // The first is the model before.
    for repaired in entries.iter().skip(1).filter(|entry| entry.result.is_ok()) {
        curves::draw(&repaired.folder(&args.out))?;
    }
    if globals.json {
        print_json(&entries)?
    } else {
        print(&of_markdown(&markdown(&entries)))?
    }
    Ok(ExitCode::SUCCESS)
}

fn planted(args: BenchPlantArgs, globals: &Globals) -> Result {
    let config = globals.config(&args.config, &[])?.config;
    let cue = match args.cue {
        PlantCue::Watermark => Cue::Watermark,
        PlantCue::Border => Cue::Border,
        PlantCue::ColourCast => Cue::ColourCast,
    };
    let (class, share, per_class) = (args.class, args.share, args.per_class);
    let planting = Planting { cue, class, share, per_class, seed: config.run.seed };
    let rows = plant(&ImageSet::open(&config.data)?, &planting, &args.out)?;
    if globals.json {
        print_json(&rows)?;
    } else {
        let n_planted = rows.iter().filter(|row| row.planted == "yes").count();
        let table = args.out.join("metadata.csv");
        print(&format!("{n_planted} of {} images have the mark: {}", rows.len(), table.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The flags that this command knows, as overrides of its own configuration.
fn overrides(globals: &Globals) -> Vec<String> {
    let short =
        [globals.seed.map(|seed| format!("run.seed={seed}")), globals.threads.map(|n| format!("run.n_threads={n}"))];
    short.into_iter().flatten().chain(globals.set.iter().cloned()).collect()
}

/// How this program is called to do one job.
fn arguments(globals: &Globals) -> Vec<OsString> {
    let dirs = globals.plugin_dir.iter().flat_map(|dir| [OsString::from("--plugin-dir"), dir.into()]);
    ["bench", "job"].map(OsString::from).into_iter().chain(dirs).collect()
}
