//! What the window of the program does at every turn, at the size of a large scan: each must fit into a frame, opening
//! into a blink.
//!
//! `cargo bench -p ascan-benches --bench viewer`

use ascan_config::RunConfig;
use ascan_core::testing::toy_slice_table;
use ascan_store::plan::{AttributionPlan, DataPlan, FeaturesPlan, ModelPlan};
use ascan_store::{Facts, LocalStorage, Outcome, Scan, ScanPlan, ScanRow, ScanWriter, layout};
use ascan_viz::color::{self, Map};
use ascan_viz::heat::Look;
use ascan_viz::layout::{Layout, tiles};
use ascan_viz::scatter::{self, Index, View, scatter};
use ascan_viz::tile::{Drawn, Form, TilePicture, tile};
use ascan_viz::{Heat, Rgb};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use image::RgbImage;
use std::path::Path;

const N: usize = 100_000;
/// Of the scatter.
const SIZE: [u32; 2] = [900, 800];
const N_TILES: [usize; 2] = [40, 240];

/// Seeded places in clusters.
fn points() -> Vec<[f32; 2]> {
    toy_slice_table(N, 2, 0).embeddings.data().as_chunks::<2>().0.to_vec()
}

fn points_and_pointer(criterion: &mut Criterion) {
    let points = points();
    let colors: Vec<Rgb> = (0..N).map(|i| color::categorical(i % 40)).collect();
    let view = View::of_all(&points, SIZE);
    let selected: Vec<bool> = (0..N).map(|i| i % 10 == 0).collect();
    let turn = |i: u32| (i as f32 / 200.0 * std::f32::consts::TAU).sin_cos();
    let polygon: Vec<[f32; 2]> =
        (0..200).map(turn).map(|(sin, cos)| [450.0 + 300.0 * cos, 400.0 + 250.0 * sin]).collect();
    let index = Index::new(&points);

    let mut group = criterion.benchmark_group("scatter");
    group.bench_function("draw/100k", |b| b.iter(|| scatter(&points, &colors, view, SIZE, &[], [18, 20, 24])));
    group.bench_function("draw/100k selected", |b| {
        b.iter(|| scatter(&points, &colors, view, SIZE, &selected, [18, 20, 24]));
    });
    group.bench_function("lasso/100k", |b| b.iter(|| scatter::lasso(&points, view, SIZE, &polygon)));
    group.bench_function("rectangle/100k", |b| {
        b.iter(|| scatter::rectangle(&points, view, SIZE, [[200.0, 100.0], [700.0, 600.0]]));
    });
    group.bench_function("index/100k", |b| b.iter(|| Index::new(&points)));
    group.bench_function("nearest/100k", |b| b.iter(|| index.nearest(points[77], 8.0 / view.scale)));
    group.finish();
}

fn layouts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("layout");
    for n in N_TILES {
        let table = toy_slice_table(n, 2, 1);
        let positions: Vec<[f64; 2]> =
            (0..n).map(|i| [0, 1].map(|axis| table.embeddings.row(i)[axis].into())).collect();
        let weights: Vec<f64> = (0..n).map(|i| 1.0 + (i * i % 37) as f64).collect();
        for (name, layout) in [("grid", Layout::Grid), ("hexagons", Layout::Hexagons), ("voronoi", Layout::Voronoi)] {
            let id = BenchmarkId::new(name, n);
            group.bench_function(id, |b| b.iter(|| tiles(layout, &positions, &weights, [1200.0, 800.0])));
        }
    }
    group.finish();
}

fn pictures(criterion: &mut Criterion) {
    let picture = RgbImage::from_fn(224, 224, |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8]));
    let map: Vec<f32> = (0..49).map(|i| (i * i % 23) as f32).collect();
    let heat = Heat::new(&map, 7, 7, false);
    let plane = heat.plane(224, 224);
    let drawn = Drawn { picture: picture.clone(), heat: heat.clone() };
    let pictures = TilePicture { large: drawn.clone(), crops: vec![drawn; 3], mean: picture.clone() };
    let shape = &tiles(Layout::Hexagons, &[[0.0; 2]], &[1.0], [212.0, 245.0])[0];

    let mut group = criterion.benchmark_group("picture");
    group.bench_function("plane/224", |b| b.iter(|| heat.plane(224, 224)));
    group.bench_function("focus/224", |b| b.iter(|| Look::default().draw(&picture, &plane)));
    let contour = Look { map: Map::Viridis, contour: Some(0.8), ..Look::default() };
    group.bench_function("viridis and contour/224", |b| b.iter(|| contour.draw(&picture, &plane)));
    group.bench_function("tile/rectangle", |b| b.iter(|| tile(&pictures, Form::Rectangle, [212, 265])));
    group.bench_function("tile/hexagon", |b| b.iter(|| tile(&pictures, Form::Shape(shape), [212, 245])));
    group.finish();
}

/// A scan of two classes whose embeddings are short: an overview does not read them.
fn write_scan(dir: &Path) -> ascan_core::Result<()> {
    let plan = ScanPlan {
        format: layout::FORMAT,
        data: DataPlan { n_rows: N, group_columns: vec!["y".into(), "place".into()], ..DataPlan::default() },
        model: ModelPlan { n_classes: 2, ..ModelPlan::default() },
        attribution: AttributionPlan { stored_map_size: [7, 7], ..AttributionPlan::default() },
        features: FeaturesPlan { n_dims: 2, ..FeaturesPlan::default() },
        shard_rows: 256,
        ..ScanPlan::default()
    };
    let row = |i: usize| {
        let share = (i * 7919 % 1000) as f32 / 1000.0;
        let facts = Facts {
            uri: format!("{:03}.Some_Bird/Some_Bird_{i:06}.jpg", i % 200),
            label: (i % 2) as i32,
            split: Some("2".into()),
            groups: vec![(i % 2).to_string(), (i % 3 % 2).to_string()],
            ..Facts::default()
        };
        let outcome = Outcome {
            predicted_class: i32::from(share > 0.5),
            target_class: i32::from(share > 0.5),
            probs: vec![1.0 - share, share],
            loss: share,
            map: (0..49).map(|cell| ((cell * i) % 31) as f32).collect(),
            embedding: vec![share; 2],
            ..Outcome::default()
        };
        ScanRow { facts, outcome: Ok(outcome) }
    };
    let storage = LocalStorage::new(dir);
    let writer = ScanWriter::begin(&storage, dir, &RunConfig::default(), &plan)?;
    writer
        .missing
        .iter()
        .try_for_each(|&shard| writer.write_shard(shard, &plan.rows(shard).map(row).collect::<Vec<_>>()))
}

fn scans(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder");
    write_scan(dir.path()).expect("a scan");
    let mut group = criterion.benchmark_group("scan");
    group.sample_size(20);
    group.bench_function("open/100k", |b| b.iter(|| Scan::open(dir.path()).expect("a scan")));
    let scan = Scan::open(dir.path()).expect("a scan");
    group.bench_function("overview/100k", |b| b.iter(|| scan.overview().expect("a table")));
    group.finish();
}

criterion_group!(benches, points_and_pointer, layouts, pictures, scans);
criterion_main!(benches);
