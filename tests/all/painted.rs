//! A scan that is painted, not computed: the same on every machine, for pictures that are compared.

use crate::harness::Dir;
use ascan_config::RunConfig;
use ascan_config::host::PluginHost;
use ascan_config::sections::{ClassMap, ColumnsSection, DataSection};
use ascan_core::{Context, Silent};
use ascan_engine::slices;
use ascan_store::plan::{AttributionPlan, DataPlan, FeaturesPlan, ModelPlan};
use ascan_store::{Facts, LocalStorage, Outcome, Scan, ScanPlan, ScanRow, ScanWriter};
use image::{Rgb, RgbImage};
use std::path::PathBuf;

const N: usize = 120;
const SIDE: u32 = 48;
/// Groups of images; each becomes a slice.
const N_GROUPS: usize = 10;

/// A disc or a square on a ground of the group's colour.
fn paint(group: usize, i: usize) -> RgbImage {
    let ground = [[40, 90, 160], [60, 130, 60], [170, 140, 80], [110, 110, 120], [140, 60, 60]][group % 5];
    let (x0, y0) = (14 + (i * 7 % 20) as i64, 14 + (i * 11 % 20) as i64);
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let (dx, dy) = (i64::from(x) - x0, i64::from(y) - y0);
        let inside = if group < N_GROUPS / 2 { dx * dx + dy * dy < 81 } else { dx.abs() < 8 && dy.abs() < 8 };
        if inside {
            Rgb([235, 215, 90])
        } else {
            Rgb(ground.map(|v: u8| v.saturating_add(((x * 3 + y * 5) % 17) as u8)))
        }
    })
}

/// The folder of a scan of painted images. Two groups are mostly wrong.
pub fn painted() -> (Dir, PathBuf) {
    let dir = Dir::new();
    let mut manifest = String::from("uri,label\n");
    let mut rows = Vec::new();
    for i in 0..N {
        let group = i % N_GROUPS;
        let label = usize::from(group >= N_GROUPS / 2);
        let wrong = matches!(group, 1 | 7) && i % 30 < 24;
        let predicted = if wrong { 1 - label } else { label };
        let confidence = 0.6 + (i * 37 % 40) as f32 / 100.0;
        let uri = format!("{i:03}.png");
        let mut png = Vec::new();
        paint(group, i).write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
        dir.write(&format!("painted/{uri}"), png);
        manifest += &format!("{uri},{label}\n");
        let mut probs = vec![1.0 - confidence; 2];
        probs[predicted] = confidence;
        let at = |cell: usize| ((cell % 6) as f32 - (group % 6) as f32).abs() + ((cell / 6) as f32 - 2.0).abs();
        let mut embedding: Vec<f32> = (0..12).map(|d| ((i * 13 + d * 7) % 11) as f32 / 50.0).collect();
        embedding[group] += 4.0;
        rows.push(ScanRow {
            facts: Facts { uri, label: label as i32, ..Facts::default() },
            outcome: Ok(Outcome {
                predicted_class: predicted as i32,
                target_class: predicted as i32,
                loss: -probs[label].max(1e-3).ln(),
                probs,
                map: (0..36).map(|cell| (3.0 - at(cell)).max(0.0)).collect(),
                embedding,
                ..Outcome::default()
            }),
        });
    }
    let manifest = dir.write("painted/metadata.csv", manifest);

    let data = DataSection {
        manifest: Some(manifest),
        columns: ColumnsSection { path: "uri".into(), label: "label".into(), ..ColumnsSection::default() },
        class_map: ClassMap::default(),
        ..DataSection::default()
    };
    let mut config = RunConfig { data, ..RunConfig::default() };
    config.model.path = "painted.onnx".into();
    config.model.preprocess.preset = Some("unit".into());
    config.attribution.plugin = "grad_cam".into();
    config.slicing.plugin = "kmeans".into();
    config.slicing.params.insert("n_slices".into(), N_GROUPS.into());
    let plan = ScanPlan {
        format: ascan_store::layout::FORMAT,
        version: "painted".into(),
        data: DataPlan { n_rows: N, ..DataPlan::default() },
        model: ModelPlan {
            input_shape: [3, SIDE as usize, SIDE as usize],
            n_classes: 2,
            class_names: vec!["disc".into(), "square".into()],
            ..ModelPlan::default()
        },
        attribution: AttributionPlan { map_size: [6, 6], stored_map_size: [6, 6], ..AttributionPlan::default() },
        features: FeaturesPlan { n_dims: 12, ..FeaturesPlan::default() },
        batch_size: 1,
        shard_rows: 50,
        ..ScanPlan::default()
    };
    let scan = dir.path().join("scan");
    let storage = LocalStorage::new(&scan);
    let writer = ScanWriter::begin(&storage, &scan, &config, &plan).unwrap();
    for &shard in &writer.missing {
        writer.write_shard(shard, &rows[plan.rows(shard)]).unwrap();
    }
    let opened = Scan::open(&scan).unwrap();
    let context = Context { seed: 0, n_threads: 1, reporter: &Silent };
    let set = slices::slice(&opened.table().unwrap(), &config, &PluginHost::discover(&[]), &context).unwrap();
    set.save(&opened).unwrap();
    (dir, scan)
}
