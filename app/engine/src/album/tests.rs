//! Albums of small scans on disk.

use super::*;
use crate::config::RunConfig;
use crate::host::PluginHost;
use crate::store::tests::{plan, row};
use crate::store::{LocalStorage, ScanPlan, ScanRow, ScanWriter};
use ascan_core::{Context, Level, Plugin, Projection, Projector, Reporter, Silent, Strengths, TensorView};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

fn write(plan: &ScanPlan, row: impl Fn(usize) -> ScanRow) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let storage = LocalStorage::new(dir.path());
    let writer = ScanWriter::begin(&storage, dir.path(), &RunConfig::default(), plan).unwrap();
    for &shard in &writer.missing {
        writer.write_shard(shard, &plan.rows(shard).map(&row).collect::<Vec<_>>()).unwrap();
    }
    dir
}

fn open(dir: &TempDir) -> Album {
    Album::open(Scan::open(dir.path()).unwrap()).unwrap()
}

#[test]
fn rows_are_read_on_demand() {
    let dir = write(&plan("f32"), row);
    let album = open(&dir);
    assert_eq!(album.problems, Vec::<String>::new());
    assert_eq!((album.table.n(), album.table.maps.shape().len()), (5, 0));
    assert_eq!(album.probs(4).unwrap(), [0.25, 0.75]);
    assert_eq!((album.map(4).unwrap().shape(), album.map(4).unwrap().data()), (&[1, 3][..], &[-1.0, 0.0, 5.0][..]));
    assert_eq!(album.heat(4), Heat::new(&[-1.0, 0.0, 5.0], 1, 3, false));
    assert_eq!(album.part(0, Part::Embeddings).unwrap().data(), [0.5, 1.0 / 3.0]);
    assert!(album.probs(5).is_err() && album.map(6).is_err());
    assert_eq!(album.heat(6), Heat::default());
    // The configuration of this scan names no images.
    assert!(album.missing().is_some());
    let error = album.picture(1, 64).unwrap_err();
    assert!(error.to_string().contains("blå/1.jpg: is no longer where"), "{error}");
}

#[test]
fn a_damaged_scan_opens_as_far_as_it_can_and_says_what_to_do() {
    let dir = write(&plan("f32"), row);
    std::fs::remove_file(dir.path().join("data/features-00000.arrow")).unwrap();
    assert!(Album::open(Scan::open(dir.path()).unwrap()).is_err());
    let album = Album::open_partial(dir.path()).unwrap();
    assert_eq!(album.table.valid_rows(), [2, 4]);
    assert!(album.map(0).is_err() && album.map(2).is_ok());
    assert_eq!(album.problems.len(), 1, "{:?}", album.problems);
    for words in ["features-00000.arrow is missing", "; run `ascan scan` again with the same --out"] {
        assert!(album.problems[0].contains(words), "{}", album.problems[0]);
    }
    std::fs::remove_file(dir.path().join("plan.json")).unwrap();
    assert!(Album::open_partial(dir.path()).is_err());
}

/// Nine rows of two dimensions in shards of two, at angles of 10 degrees; row 3 failed.
fn fan() -> TempDir {
    let mut plan = plan("f32");
    plan.data.n_rows = 9;
    write(&plan, |i| {
        let mut row = row(i);
        if let Ok(outcome) = &mut row.outcome {
            let (sin, cos) = (i as f32 * 10.0).to_radians().sin_cos();
            // The length does not count.
            let length = 1.0 + (i % 4) as f32;
            outcome.embedding = vec![cos * length, sin * length];
        }
        row
    })
}

#[test]
fn neighbours_are_the_nearest_by_angle() {
    let dir = fan();
    let album = open(&dir);
    let near = album.neighbours(4, 4).unwrap();
    assert_eq!(near.iter().map(|&(row, _)| row).collect::<Vec<_>>(), [5, 2, 6, 1], "row 3 failed");
    assert!((near[0].1 - 10f32.to_radians().cos()).abs() < 1e-6);
    assert_eq!(album.neighbours(0, 100).unwrap().len(), 7);
    assert!(album.neighbours(3, 2).is_err() && album.neighbours(9, 2).is_err());
}

#[test]
fn distances_grow_away_from_the_middle() {
    let dir = fan();
    let album = open(&dir);
    // At 0, 10, 20 and 40 degrees, in another order; row 3 failed. Lengths weigh the middle: 1, 2, 3 and 1.
    let far = album.distances(&[4, 0, 3, 2, 1]).unwrap();
    assert!(far[2].is_nan());
    assert!(far[3] < far[4] && far[4] < far[1] && far[1] < far[0], "{far:?}");
    assert!(album.distances(&[]).unwrap().is_empty());
}

/// Fits that were made, for the test of the cache.
static N_FITS: AtomicUsize = AtomicUsize::new(0);

/// Leaves embeddings as they are, times the dimensions that were asked for.
struct Plain(f32);

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
struct PlainParams {
    n_dims: usize,
    for_people: bool,
}

impl Default for PlainParams {
    fn default() -> Self {
        Self { n_dims: 8, for_people: false }
    }
}

impl ascan_core::Params for PlainParams {
    const HELP: &'static [(&'static str, &'static str)] =
        &[("n_dims", "dimensions"), ("for_people", "to be looked at")];

    fn check(&self, problems: &mut ascan_core::params::Problems) {
        problems.range("n_dims", self.n_dims, 1, 100);
    }
}

impl Plugin for Plain {
    const NAME: &'static str = "plain";
    const SUMMARY: &'static str = "for these tests";
    const STRENGTHS: Strengths = Strengths { map_params: Some(r#"{"for_people": true}"#), ..Strengths::none() };
    type Params = PlainParams;

    fn new(params: PlainParams) -> Result<Self> {
        assert!(params.for_people, "a layout is made with the parameters that its plugin has for maps");
        Ok(Self(params.n_dims as f32))
    }
}

impl Projector for Plain {
    fn fit(&self, embeddings: TensorView, _: &Context) -> Result<Box<dyn Projection>> {
        assert_eq!(embeddings.shape(), [8, 2], "all rows but the failed one");
        N_FITS.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Self(self.0)))
    }
}

impl Projection for Plain {
    fn n_dims(&self) -> usize {
        2
    }

    fn project(&self, embeddings: TensorView, _: &Context) -> Result<Tensor> {
        Tensor::new(embeddings.shape(), embeddings.data().iter().map(|v| v * self.0).collect())
    }
}

ascan_core::export_library!(ascan_album_tests: projector Plain);

/// Asks to stop at once.
struct Stop;

impl Reporter for Stop {
    fn log(&self, _: Level, _: &str) {}

    fn progress(&self, _: &str, _: u64, _: u64) -> bool {
        false
    }
}

#[test]
fn a_layout_is_made_once_and_read_afterwards() {
    let host = PluginHost::with_static(&[ascan_library]).unwrap();
    let dir = fan();
    let album = open(&dir);
    assert_eq!(album.layout(&host, "plain", &Stop), Err(Error::Cancelled));
    let places = album.layout(&host, "plain", &Silent).unwrap();
    assert_eq!(places.len(), 9);
    assert!(places[3][0].is_nan() && places[3][1].is_nan());
    let expected = album.part(6, Part::Embeddings).unwrap();
    assert_eq!(places[6].as_slice(), [expected.data()[0] * 2.0, expected.data()[1] * 2.0], "to two dimensions");
    assert_eq!(N_FITS.load(Ordering::SeqCst), 1);

    let again = open(&dir).layout(&host, "plain", &Stop).unwrap();
    assert_eq!(format!("{again:?}"), format!("{places:?}"));
    assert_eq!(N_FITS.load(Ordering::SeqCst), 1);

    // A cache that is not whole is made again.
    let cache = std::fs::read_dir(dir.path().join("cache")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&cache).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&cache, bytes).unwrap();
    assert_eq!(format!("{:?}", album.layout(&host, "plain", &Silent).unwrap()), format!("{places:?}"));
    assert_eq!(N_FITS.load(Ordering::SeqCst), 2);
    assert!(album.layout(&host, "map", &Silent).unwrap_err().to_string().contains("unknown projector `map`"));
}
