//! What the window costs: `cargo run --release -p ascan-benches --example desktop -- SCAN [SLICE_SET]`.
//!
//! Opens the scan in a window of 1400 × 900 without a display, drawn by the software renderer, and times from the
//! start of the process to the first picture, then each interaction with the drawing that it causes.

use ascan_config::host::PluginHost;
use ascan_desktop::Desktop;
use ascan_desktop::command::{ImagesCommand, ListCommand, Pick, ScatterCommand, ShellCommand, Tool, View};
use ascan_desktop::headless::Headless;
use ascan_desktop::settings::Settings;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

const N: usize = 200;

fn main() {
    let start = Instant::now();
    let mut args = std::env::args().skip(1);
    let Some(scan) = args.next().map(PathBuf::from) else {
        eprintln!("which scan? give its folder");
        std::process::exit(2);
    };
    let screen = Headless::new(1400, 900).expect("a screen in memory");
    let desktop = Desktop::new(PluginHost::discover(&[]), Settings::default(), Arc::new(|| {})).expect("a window");
    desktop.forgets_settings();
    desktop.show().expect("the window shows");
    let slices = args.next();
    if let Err(error) = desktop.open(&scan, slices.as_deref()) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
    screen.frame();
    println!("{:<34}{:>10.0} ms", "first picture", start.elapsed().as_secs_f64() * 1e3);
    settle(&screen, &desktop);
    println!("{:<34}{:>10.0} ms", "with all pictures of the mosaic", start.elapsed().as_secs_f64() * 1e3);

    let bench = Bench { screen: &screen, desktop: &desktop };
    bench.time("hover over tiles", |i| screen.point(400.0 + (i * 37 % 600) as f32, 120.0 + (i * 53 % 600) as f32));
    bench.time("select the next slice", |_| desktop.dispatch(ListCommand::Step(1)));
    settle(&screen, &desktop);
    bench.time("zoom the mosaic", |i| screen.scroll(700.0, 450.0, if i % 40 < 20 { 60.0 } else { -60.0 }));
    bench.time("sort the list", |_| desktop.dispatch(ListCommand::Sort(2)));
    bench.time("scroll the list", |i| screen.scroll(150.0, 500.0, if i < N / 2 { -60.0 } else { 60.0 }));
    desktop.dispatch(ListCommand::Select(None));
    desktop.dispatch(ShellCommand::Show(View::Images));
    settle(&screen, &desktop);
    bench.time("scroll all images", |i| screen.scroll(700.0, 500.0, if i < N / 2 { -120.0 } else { 120.0 }));
    settle(&screen, &desktop);
    bench.time("order all images", |i| desktop.dispatch(ImagesCommand::Order(1 + i % 3)));
    settle(&screen, &desktop);
    bench.time("opacity of the attributions", |i| desktop.dispatch(ImagesCommand::Opacity((i % 50) as f32 / 50.0)));
    let (_, took) = timed(|| {
        desktop.dispatch(ShellCommand::Show(View::Confusion));
        bench.show();
    });
    println!("{:<34}{took:>10.1} ms", "count and show the confusion matrix");
    bench.time("draw the confusion matrix", |i| {
        screen.point(500.0 + (i * 37 % 400) as f32, 250.0 + (i * 53 % 500) as f32)
    });
    desktop.dispatch(ShellCommand::Show(View::Scatter));
    settle(&screen, &desktop);
    bench.time("zoom the scatter", |i| screen.scroll(700.0, 450.0, if i % 20 < 10 { 60.0 } else { -60.0 }));
    desktop.dispatch(ScatterCommand::Fit);
    desktop.dispatch(ScatterCommand::Tool(Tool::Lasso));
    desktop.dispatch(ScatterCommand::Down { x: 100.0, y: 100.0, pick: Pick::Replace });
    bench.time("draw a lasso", |i| {
        let angle = i as f32 / N as f32 * std::f32::consts::TAU;
        desktop.dispatch(ScatterCommand::Move(300.0 + 200.0 * angle.cos(), 300.0 + 200.0 * angle.sin()));
    });
    let (_, took) = timed(|| {
        desktop.dispatch(ScatterCommand::Up(300.0, 300.0));
        bench.show();
    });
    println!("{:<34}{took:>10.1} ms", "take what the lasso holds");
    println!("{:<34}{:>10.0} MiB", "memory at its highest", ascan_engine::memory::peak_rss_mib().unwrap_or(f64::NAN));
}

fn settle(screen: &Headless, desktop: &Desktop) {
    screen.settle(desktop).expect("the window comes to rest");
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_secs_f64() * 1e3)
}

struct Bench<'a> {
    screen: &'a Headless,
    desktop: &'a Rc<Desktop>,
}

impl Bench<'_> {
    fn show(&self) {
        self.desktop.take();
        self.screen.frame();
    }

    /// Prints median and 95th percentile of an interaction with its drawing.
    fn time(&self, name: &str, mut interaction: impl FnMut(usize)) {
        let mut times: Vec<f64> = (0..N)
            .map(|i| {
                timed(|| {
                    interaction(i);
                    self.show();
                })
                .1
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("{name:<34}{:>10.1} ms{:>10.1} ms at the 95th percentile", times[N / 2], times[N * 95 / 100]);
    }
}
