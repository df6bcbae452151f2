//! The store as a whole, on rows made by hand.

use super::*;
use crate::plan::AttributionPlan;
use crate::table::ScanTable;
use crate::testing::{MemoryStorage, plan, row};
use ascan_core::Tensor;
use serde_json::json;

const DIR: &str = "the/scan";

fn write(storage: &MemoryStorage, plan: &ScanPlan) {
    let writer = ScanWriter::begin(storage, Path::new(DIR), &RunConfig::default(), plan).unwrap();
    for &shard in &writer.missing {
        writer.write_shard(shard, &plan.rows(shard).map(row).collect::<Vec<_>>()).unwrap();
    }
}

fn open(storage: &MemoryStorage) -> Result<Scan> {
    Scan::open_in(Path::new(DIR), Box::new(storage.clone()))
}

fn open_error(storage: &MemoryStorage) -> String {
    open(storage).err().unwrap().to_string()
}

#[test]
fn rows_come_back_as_they_were() {
    let storage = MemoryStorage::default();
    write(&storage, &plan("f32"));
    let scan = open(&storage).unwrap();
    assert!(scan.is_complete());
    let table = scan.table().unwrap();
    assert_eq!(table.n(), 5);
    assert_eq!(table.uris[4], "blå/4.jpg");
    assert_eq!(table.labels, [1, 1, -1, 1, 1]);
    assert_eq!(table.predicted_classes, [1, 1, 1, -1, 1]);
    assert_eq!(table.target_classes, [1, 1, 1, -1, 1]);
    assert_eq!(table.probs.row(0), [0.25, 0.75]);
    assert_eq!(table.probs.row(3), [0.0, 0.0]);
    assert_eq!(table.confidences, [0.75, 0.75, 0.75, 0.0, 0.75]);
    assert_eq!(table.losses[4], 4.0);
    assert!(table.losses[2].is_nan() && table.losses[3].is_nan());
    assert_eq!(table.embeddings.row(4), [4.5, 1.0 / 3.0]);
    assert_eq!(table.embeddings.row(3), [0.0, 0.0]);
    assert_eq!(table.maps.shape(), [5, 1, 3]);
    assert_eq!(table.maps.row(1), [-1.0, 0.0, 2.0]);
    assert_eq!(table.attribution_empty, [false, true, false, false, false]);
    let deltas = table.convergence_delta.as_ref().unwrap();
    assert!(deltas[..4].iter().all(|v| v.is_nan()) && deltas[4] == 0.125);
    assert_eq!(table.errors.iter().flatten().collect::<Vec<_>>(), ["is empty"]);
    assert_eq!(table.splits.as_ref().unwrap()[0], "test");
    assert_eq!(table.masks, None);
    // A group column may be called like one of ours.
    assert_eq!(table.group(1).unwrap(), "y=1,split=other");
}

#[test]
fn large_arrays_are_mapped_and_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, storage) = (plan("f16"), LocalStorage::new(dir.path()));
    let writer = ScanWriter::begin(&storage, dir.path(), &RunConfig::default(), &plan).unwrap();
    for &shard in &writer.missing {
        writer.write_shard(shard, &plan.rows(shard).map(row).collect::<Vec<_>>()).unwrap();
    }
    drop(writer);
    let scan = Scan::open(dir.path()).unwrap();
    let cache = dir.path().join("cache");
    let in_memory = scan.table().unwrap();
    assert!(!cache.exists(), "small ones are not written");
    let values = |table: &ScanTable| (table.embeddings.clone(), table.maps.clone());
    for _ in 0..2 {
        assert_eq!(values(&scan.table_mapped_from(0).unwrap()), values(&in_memory));
    }
    let mut files: Vec<_> = std::fs::read_dir(&cache).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 2, "{files:?}");
    // What is asked for again comes from there, without the shards.
    std::fs::write(&files[0], 7.0f32.to_ne_bytes().repeat(10)).unwrap();
    assert_eq!(scan.table_mapped_from(0).unwrap().embeddings.data(), [7.0; 10]);
    // A file that is not whole is made again.
    std::fs::write(&files[0], [0; 12]).unwrap();
    assert_eq!(values(&scan.table_mapped_from(0).unwrap()), values(&in_memory));
    // Where nothing can be written, all stays in memory.
    std::fs::remove_dir_all(&cache).unwrap();
    std::fs::write(&cache, b"a file").unwrap();
    assert_eq!(values(&scan.table_mapped_from(0).unwrap()), values(&in_memory));
    let picked = scan.table_mapped_from(0).unwrap();
    assert_eq!(picked.slice_input().embeddings.n_rows(), 4, "of the rows that did not fail");
}

#[test]
fn the_maps_of_further_methods_lie_beside() {
    let storage = MemoryStorage::default();
    let method =
        |name: &str, stored_map_size| AttributionPlan { name: name.into(), stored_map_size, ..Default::default() };
    let plan = ScanPlan { also: vec![method("layer", [1, 2]), method("rise", [2, 2])], ..plan("f32") };
    let beside = |i: usize| {
        let mut row = row(i);
        if let Ok(outcome) = &mut row.outcome {
            outcome.also = vec![vec![i as f32; 2], vec![-(i as f32); 4]];
            outcome.agreement = (i != 1).then_some(i as f32 / 10.0);
        }
        row
    };
    let writer = ScanWriter::begin(&storage, Path::new(DIR), &RunConfig::default(), &plan).unwrap();
    for &shard in &writer.missing {
        writer.write_shard(shard, &plan.rows(shard).map(beside).collect::<Vec<_>>()).unwrap();
    }
    let scan = open(&storage).unwrap();
    assert_eq!(scan.part(2, Part::Also(0)).unwrap(), Tensor::new([1, 1, 2], vec![4.0; 2]).unwrap());
    assert_eq!(scan.part(0, Part::Also(1)).unwrap().shape(), [2, 2, 2]);
    assert_eq!(scan.part(0, Part::Also(1)).unwrap().row(1), [-1.0; 4]);
    assert_eq!(scan.part(1, Part::Also(1)).unwrap().row(1), [0.0; 4], "a failed row has a blank");
    assert!(scan.part(0, Part::Also(2)).unwrap_err().to_string().contains("one of 2 beside the first"));
    let agreement = scan.table().unwrap().agreement.unwrap();
    assert_eq!([agreement[0], agreement[2], agreement[4]], [0.0, 0.2, 0.4]);
    assert!(agreement[1].is_nan() && agreement[3].is_nan());
    let other = ScanPlan { also: vec![method("layer", [1, 2])], ..plan };
    let refused = ScanWriter::begin(&storage, Path::new(DIR), &RunConfig::default(), &other).err().unwrap().to_string();
    assert!(refused.contains("also.1.name: the scan has \"rise\", now nothing"), "{refused}");
}

#[test]
fn an_overview_is_the_table_without_its_tensors() {
    let storage = MemoryStorage::default();
    write(&storage, &plan("f32"));
    let scan = open(&storage).unwrap();
    let (mut table, overview) = (scan.table().unwrap(), scan.overview().unwrap());
    let shards =
        |part: Part| -> Vec<f32> { (0..3).flat_map(|shard| scan.part(shard, part).unwrap().into_data()).collect() };
    assert_eq!(shards(Part::Probs), table.probs.data());
    assert_eq!(shards(Part::Embeddings), table.embeddings.data());
    assert_eq!(shards(Part::Maps), table.maps.data());
    assert_eq!(scan.part(2, Part::Maps).unwrap().shape(), [1, 1, 3]);
    assert!(scan.part(3, Part::Maps).is_err());
    (table.probs, table.embeddings, table.maps) = Default::default();
    // NaN is not equal to itself.
    assert_eq!(format!("{overview:?}"), format!("{table:?}"));
}

#[test]
fn an_overview_reads_past_what_is_missing_or_damaged() {
    let storage = MemoryStorage::default();
    write(&storage, &plan("f32"));
    storage.blobs.lock().unwrap().get_mut("data/samples-00001.parquet").unwrap()[100] ^= 1;
    storage.blobs.lock().unwrap().remove("commits/00002.json");
    let scan = open(&storage).unwrap();
    let (table, problems) = scan.overview_partly();
    assert_eq!(table.errors.iter().map(Option::is_none).collect::<Vec<_>>(), [true, true, false, false, false]);
    assert_eq!((table.n(), table.uris[1].as_str(), table.labels[4], table.confidences.len()), (5, "blå/1.jpg", -1, 5));
    assert_eq!(table.splits.unwrap(), ["test", "test", "", "", ""]);
    assert_eq!(table.groups[0].values, ["0", "1", "", "", ""]);
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("not finished: 4 of 5"), "{problems:?}");
    assert!(problems[1].contains("samples-00001.parquet was changed after it was written"), "{problems:?}");
    assert!(scan.overview().is_err());
}

#[test]
fn a_scan_of_a_newer_version_or_without_its_configuration_opens_partly() {
    let storage = MemoryStorage::default();
    write(&storage, &plan("f32"));
    let newer = ScanPlan { format: layout::FORMAT + 1, ..plan("f32") }.to_json().unwrap();
    storage.put(layout::PLAN, &newer).unwrap();
    storage.put(layout::CONFIG, b"[hologram").unwrap();
    assert!(open_error(&storage).contains("a newer version"));
    let (scan, problems) = Scan::open_partly_in(Path::new(DIR), Box::new(storage.clone())).unwrap();
    assert_eq!(scan.overview().unwrap().n(), 5);
    assert_eq!(problems.len(), 2);
    assert!(problems[1].to_string().contains("scan.toml"), "{}", problems[1]);
    storage.put(layout::PLAN, br#"{"format": 2}"#).unwrap();
    assert!(Scan::open_partly_in(Path::new(DIR), Box::new(storage)).is_err());
}

#[test]
fn half_precision_keeps_three_digits() {
    let storage = MemoryStorage::default();
    write(&storage, &plan("f16"));
    let table = open(&storage).unwrap().table().unwrap();
    assert_eq!(table.embeddings.row(4)[0], 4.5);
    assert!((table.embeddings.row(4)[1] - 1.0 / 3.0).abs() < 1e-3);
    assert_ne!(table.embeddings.row(4)[1], 1.0 / 3.0);
    assert_eq!(table.maps.row(1), [-1.0, 0.0, 2.0]);
}

#[test]
fn a_drawn_map_is_the_map_in_256_steps() {
    use arrow::array::{Array, BinaryArray, Float32Array};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let storage = MemoryStorage::default();
    write(&storage, &plan("f32"));
    let bytes = bytes::Bytes::from(storage.blob("data/samples-00000.parquet"));
    let mut batches = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    let batch = batches.next().unwrap().unwrap();
    let column = |name: &str| batch.column_by_name(name).unwrap().as_any();
    let pixels = column("heatmap").downcast_ref::<BinaryArray>().unwrap();
    let min = column("heatmap_min").downcast_ref::<Float32Array>().unwrap();
    let scale = column("heatmap_scale").downcast_ref::<Float32Array>().unwrap();
    assert_eq!(pixels.value(1), [0, 85, 255]);
    assert_eq!(min.value(1) + scale.value(1) * 85.0, 0.0);
    assert_eq!(pixels.len(), 2);
}

#[test]
fn a_missing_or_damaged_shard_is_named_and_done_again() {
    let storage = MemoryStorage::default();
    write(&storage, &plan("f32"));
    let whole = storage.all();

    // Bytes that changed in place show when they are read, a changed size at once.
    storage.blobs.lock().unwrap().get_mut("data/features-00001.arrow").unwrap()[100] ^= 1;
    let scan = open(&storage).unwrap();
    assert_eq!(scan.damaged, Vec::<String>::new());
    let error = scan.table().unwrap_err();
    assert!(error.to_string().contains("data/features-00001.arrow was changed after it was written"), "{error}");
    storage.blobs.lock().unwrap().get_mut("data/samples-00002.parquet").unwrap().pop();
    let scan = open(&storage).unwrap();
    assert!(scan.damaged[0].starts_with("data/samples-00002.parquet has"), "{:?}", scan.damaged);
    assert!(!scan.is_complete() && scan.n_rows_done() == 4);
    storage.blobs.lock().unwrap().remove("data/samples-00000.parquet");
    storage.blobs.lock().unwrap().insert("commits/00001.json".into(), b"{".to_vec());

    let plan = plan("f32");
    let writer = ScanWriter::begin(&storage, Path::new(DIR), &RunConfig::default(), &plan).unwrap();
    assert_eq!(writer.missing, [0, 1, 2]);
    assert_eq!(writer.damaged.len(), 2);
    drop(writer);
    write(&storage, &plan);
    assert_eq!(storage.all(), whole);
}

#[test]
fn what_is_no_finished_scan_says_what_to_do() {
    let storage = MemoryStorage::default();
    assert!(open_error(&storage).contains("holds no scan"));
    let plan = plan("f32");
    let writer = ScanWriter::begin(&storage, Path::new(DIR), &RunConfig::default(), &plan).unwrap();
    writer.write_shard(1, &plan.rows(1).map(row).collect::<Vec<_>>()).unwrap();
    let error = open(&storage).unwrap().table().unwrap_err();
    assert!(error.to_string().contains("not finished: 2 of 5 images are done"), "{error}");

    storage.put(layout::PLAN, br#"{"format": 2}"#).unwrap();
    assert!(open_error(&storage).contains("a newer version"));
    let begun = ScanWriter::begin(&storage, Path::new(DIR), &RunConfig::default(), &plan);
    assert!(begun.err().unwrap().to_string().contains("a newer version"));
}

#[test]
fn a_scan_goes_on_only_under_its_own_plan() {
    let storage = MemoryStorage::default();
    write(&storage, &plan("f32"));
    let begin = |plan: &ScanPlan| {
        ScanWriter::begin(&storage, Path::new(DIR), &RunConfig::default(), plan).err().map(|error| error.to_string())
    };
    assert_eq!(begin(&plan("f32")), None);
    let error = begin(&plan("f16")).unwrap();
    assert!(error.contains("other settings:\n  features.dtype: the scan has \"f32\", now \"f16\""), "{error}");

    let strange = MemoryStorage::default();
    strange.put("holiday.jpg", b"").unwrap();
    let error = ScanWriter::begin(&strange, Path::new(DIR), &RunConfig::default(), &plan("f32")).err().unwrap();
    assert!(error.to_string().contains("`holiday.jpg`"), "{error}");
    assert_eq!(strange.all().len(), 1);
}

#[test]
fn slice_sets_stand_side_by_side() {
    let storage = MemoryStorage::default();
    write(&storage, &plan("f32"));
    let scan = open(&storage).unwrap();
    let (params, report) = (json!({"n_slices": 2}), json!({"slices": [{"id": 0}]}));
    scan.save_slices("kmeans-2", &params, &[0, 1, 0, -1, 1], &report).unwrap();
    scan.save_slices("kmeans-1", &params, &[0; 5], &report).unwrap();
    // A set that was being written when the power went.
    storage.put("slices/half/params.json", b"{}").unwrap();
    assert_eq!(scan.slice_sets().unwrap(), ["kmeans-1", "kmeans-2"]);
    let stored = scan.load_slices("kmeans-2").unwrap();
    assert_eq!(
        (stored.assignment, stored.params, stored.report),
        (vec![0, 1, 0, -1, 1], params.clone(), report.clone())
    );

    let unknown = scan.load_slices("half").unwrap_err();
    assert_eq!(unknown.hint().unwrap(), "available: kmeans-1, kmeans-2");
    assert!(scan.save_slices("../out", &params, &[0; 5], &report).is_err());
    assert!(scan.save_slices("short", &params, &[0; 4], &report).is_err());
}

#[test]
fn a_spread_is_read_back_and_a_review_belongs_to_its_spread() {
    let storage = MemoryStorage::default();
    write(&storage, &plan("f32"));
    let scan = open(&storage).unwrap();
    assert_eq!(scan.load_spread().unwrap(), None);
    let marks = [Some("core"), None, None, Some("spurious"), None];
    let none = json!({});
    scan.save_spread(&json!({"seed": 1}), &[0.0, f32::NAN, 0.5, 1.0, 0.25], &marks, &none).unwrap();
    scan.save_spread_review(&json!({"accepted": true})).unwrap();
    let stored = scan.load_spread().unwrap().unwrap();
    assert_eq!((&stored.report, &stored.review), (&json!({"seed": 1}), &Some(json!({"accepted": true}))));
    assert!(stored.spuriousness[1].is_nan() && stored.spuriousness[2..] == [0.5, 1.0, 0.25]);
    assert_eq!(stored.marks, marks.map(|mark| mark.map(str::to_owned)));

    // Another spread comes with what was taken over, and leaves nothing of the earlier one behind.
    scan.save_spread(&json!({"seed": 2}), &[0.5; 5], &marks, &json!({"taken": "over"})).unwrap();
    let anew = scan.load_spread().unwrap().unwrap();
    assert_eq!((anew.report, anew.review), (json!({"seed": 2}), Some(json!({"taken": "over"}))));
    let files = || storage.all().into_keys().filter(|name| name.starts_with("spread/")).collect::<Vec<_>>();
    assert_eq!(files().len(), 3, "{:?}", files());
    // A table that somebody changed is no spread, and says so.
    let table = files().into_iter().find(|name| name.ends_with(".parquet")).unwrap();
    storage.put(&table, b"other").unwrap();
    let error = scan.load_spread().unwrap_err();
    assert!(error.to_string().contains("not the table that spread.json was written for"), "{error}");
    assert!(scan.save_spread(&json!({}), &[0.5; 4], &marks, &none).is_err());
}

#[test]
fn a_spread_that_breaks_down_leaves_the_one_before() {
    let storage = MemoryStorage::default();
    write(&storage, &plan("f32"));
    let marks = [None; 5];
    open(&storage).unwrap().save_spread(&json!({"seed": 1}), &[0.5; 5], &marks, &json!({"mine": 1})).unwrap();
    for (n, breaks_after) in (0..3).flat_map(|n| [(n, false), (n, true)]) {
        let scan = Scan::open_in(Path::new(DIR), Box::new(storage.breaking(n, breaks_after))).unwrap();
        assert!(scan.save_spread(&json!({"seed": 2}), &[0.1; 5], &marks, &json!({"mine": 2})).is_err());
        let stored = open(&storage).unwrap().load_spread().unwrap().unwrap();
        let whole = [(json!({"seed": 1}), json!({"mine": 1})), (json!({"seed": 2}), json!({"mine": 2}))];
        assert!(whole.contains(&(stored.report, stored.review.unwrap())), "{n} {breaks_after}");
    }
}

#[test]
fn a_spread_of_the_layout_before_is_read() {
    let storage = MemoryStorage::default();
    write(&storage, &plan("f32"));
    let scan = open(&storage).unwrap();
    scan.save_spread(&json!({"seed": 1}), &[0.5; 5], &[None; 5], &json!({"accepted": true})).unwrap();
    for (name, bytes) in storage.all().into_iter().filter(|(name, _)| name.contains('-') && name.starts_with("spread/"))
    {
        let (stem, extension) = (name.split('-').next().unwrap(), name.rsplit('.').next().unwrap());
        storage.put(&format!("{stem}.{extension}"), &bytes).unwrap();
        storage.remove(&name).unwrap();
    }
    let stored = scan.load_spread().unwrap().unwrap();
    assert_eq!((stored.spuriousness, stored.review), (vec![0.5; 5], Some(json!({"accepted": true}))));
}

#[test]
fn a_scan_lives_in_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("new scan");
    let plan = plan("f32");
    let storage = LocalStorage::new(&dir);
    let writer = ScanWriter::begin(&storage, &dir, &RunConfig::default(), &plan).unwrap();
    for &shard in &writer.missing {
        writer.write_shard(shard, &plan.rows(shard).map(row).collect::<Vec<_>>()).unwrap();
    }
    let scan = Scan::open(&dir).unwrap();
    assert_eq!((scan.table().unwrap().n(), &scan.config, &scan.plan), (5, &RunConfig::default(), &plan));
}
