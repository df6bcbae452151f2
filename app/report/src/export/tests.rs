use super::*;
use crate::judged::Judged;
use arrow::array::{Array, Int64Array, StringArray};
use ascan_engine::testing::{find_in, table};
use ascan_store::annotations::Mark;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use std::collections::BTreeMap;

fn said(mark: Mark, note: &str) -> Judged {
    Judged { mark, note: note.into(), author: "ann".into() }
}

/// Exports to a folder and hands it to `look`. Row 1 has a file in the folder, row 2 one elsewhere, the others none.
fn exported(format: Format, look: impl FnOnce(&Path, &SliceSet)) {
    let (inside, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files = [inside.path().join("one.png"), elsewhere.path().join("two.png")];
    let picture = RgbImage::from_pixel(4, 4, image::Rgb([9, 8, 7]));
    files.iter().for_each(|file| picture.save(file).unwrap());
    let table = table();
    let set = find_in(&table);
    let images = |row: usize| match row {
        0 => Err(Error::unsupported("gone", "")),
        1 | 2 => Ok(Image::File(files[row - 1].clone())),
        _ => Ok(Image::Decoded(picture.clone())),
    };
    let names = ["land, dry".to_owned(), "water".to_owned()];
    let sets = [set];
    let parts = |row: usize, part: Part| {
        let tensor = match part {
            Part::Probs => &table.probs,
            Part::Embeddings => &table.embeddings,
            Part::Maps | Part::Also(_) => &table.maps,
            Part::Numbers | Part::Truth => panic!("no export asks for {part:?}"),
        };
        Tensor::new(&tensor.shape()[1..], tensor.row(row).to_vec())
    };
    let review = Review {
        images: (0..table.n()).map(|i| [None, Some(0), Some(1)][i % 3]).collect(),
        said: vec![said(Mark::Core, ""), said(Mark::Spurious, "the \"water\", again")],
        spuriousness: (0..table.n()).map(|i| if i == 0 { f32::NAN } else { i as f32 / 8.0 }).collect(),
        slices: BTreeMap::from([((sets[0].id.clone(), sets[0].slices[1].id), said(Mark::NoisyLabel, "swapped"))]),
    };
    let (class_names, review, also) = (&names[..], &review, &["layer_cam".to_owned()][..]);
    let export = Export { table: &table, slice_sets: &sets, class_names, review, also, parts: &parts, images: &images };
    for path in export.write(format, inside.path()).unwrap() {
        assert!(path.exists(), "{}", path.display());
    }
    look(inside.path(), &sets[0]);
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn csv_reads_back() {
    exported(Format::Csv, |dir, set| {
        let mut reader = csv::Reader::from_path(dir.join("samples.csv")).unwrap();
        let header = reader.headers().unwrap().clone();
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        let cell = |row: usize, name: &str| &rows[row][header.iter().position(|h| h == name).unwrap()];
        assert_eq!(rows.len(), 9);
        assert_eq!((cell(0, "uri"), cell(0, "label_name"), cell(0, "right")), ("0.png", "land, dry", "false"));
        assert_eq!(cell(5, &format!("slice_{}", set.id)), "2");
        assert_eq!(
            (cell(4, "error"), cell(4, "confidence"), cell(4, &format!("slice_{}", set.id))),
            ("truncated", "", "")
        );
        assert_eq!(cell(3, &format!("slice_{}", set.id)), "-1", "noise is a value, a failed image has none");
        assert_eq!([0, 1, 2].map(|row| cell(row, "verdict")), ["", "core", "spurious"]);
        assert_eq!([1, 2].map(|row| cell(row, "verdict_comment")), ["", "the \"water\", again"]);
        assert_eq!([0, 1].map(|row| cell(row, "verdict_author")), ["", "ann"]);
        let judged = set.slices[1].id;
        let of_slice = |row: usize| cell(row, &format!("slice_verdict_{}", set.id));
        for row in (0..9).filter(|row| *row != 4) {
            assert_eq!(of_slice(row), if set.assignment[row] == judged { "noisy_label" } else { "" }, "row {row}");
        }
        assert_eq!([0, 1, 8].map(|row| cell(row, "spuriousness")), ["", "0.125", "1"]);
        let mut slices = csv::Reader::from_path(dir.join("slices.csv")).unwrap();
        let header = slices.headers().unwrap().clone();
        let rows: Vec<_> = slices.records().map(Result::unwrap).collect();
        for (name, of_slices) in [("verdict", "noisy_label"), ("verdict_comment", "swapped"), ("verdict_author", "ann")]
        {
            let at = header.iter().position(|found| found == name).unwrap();
            assert_eq!(rows.iter().map(|row| &row[at]).collect::<Vec<_>>(), ["", of_slices, ""], "{name}");
        }
    });
}

#[test]
fn parquet_reads_back() {
    exported(Format::Parquet, |dir, set| {
        let file = std::fs::File::open(dir.join("samples.parquet")).unwrap();
        let batches: Vec<_> = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().collect();
        let batch = batches[0].as_ref().unwrap();
        let slices = batch.column_by_name(&format!("slice_{}", set.id)).unwrap();
        let slices = slices.as_any().downcast_ref::<Int64Array>().unwrap();
        assert_eq!((slices.len(), slices.value(8), slices.is_null(4)), (9, 2, true));
        let groups = batch.column_by_name("group_place").unwrap();
        assert_eq!(groups.as_any().downcast_ref::<StringArray>().unwrap().value(8), "true");
    });
}

#[test]
fn json_reads_back() {
    exported(Format::Json, |dir, set| {
        let samples = json(&dir.join("samples.json"));
        assert_eq!(samples[8]["prediction_name"], "land, dry");
        assert_eq!(samples[4]["loss"], serde_json::json!(f64::from(0.1f32)));
        let slices = json(&dir.join("slices.json"));
        let verdict = serde_json::json!({"mark": "noisy_label", "comment": "swapped", "author": "ann"});
        assert_eq!((&slices[0]["slices"][1]["verdict"], &slices[0]["slices"][0]["verdict"]), (&verdict, &Value::Null));
        assert_eq!(samples[2]["verdict_comment"], "the \"water\", again");
        let sets: Vec<SliceSet> = serde_json::from_value(slices).unwrap();
        let facts = |set: &SliceSet| -> Vec<_> {
            set.slices.iter().map(|slice| (slice.id, slice.size, slice.groups.clone(), slice.typical.clone())).collect()
        };
        assert_eq!(facts(&sets[0]), facts(set));
    });
}

/// Shape and values of a NumPy file, read by its specification.
fn read_npy(path: &Path) -> (String, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert_eq!((start % 64, bytes[start - 1]), (0, b'\n'));
    let header = String::from_utf8(bytes[10..start].to_vec()).unwrap();
    let shape = header.split('(').nth(1).unwrap().split(')').next().unwrap().to_owned();
    (shape, bytes[start..].chunks(4).map(|v| f32::from_le_bytes(v.try_into().unwrap())).collect())
}

#[test]
fn npy_holds_the_raw_numbers_and_heat_maps_as_pictures() {
    exported(Format::Npy, |dir, _| {
        let table = table();
        for (name, tensor, shape) in [
            ("attributions.npy", &table.maps, "9, 1, 2"),
            ("attributions_layer_cam.npy", &table.maps, "9, 1, 2"),
            ("embeddings.npy", &table.embeddings, "9, 2"),
            ("probs.npy", &table.probs, "9, 2"),
        ] {
            assert_eq!(read_npy(&dir.join(name)), (shape.to_owned(), tensor.data().to_vec()));
        }
        let heatmap = image::open(dir.join("heatmaps/000000.png")).unwrap().into_luma8();
        assert_eq!((heatmap.dimensions(), heatmap.as_raw().as_slice()), ((2, 1), &[255u8, 0][..]));
        assert!(!dir.join("heatmaps/000004.png").exists(), "a failed image has no map");
    });
}

#[test]
fn a_fiftyone_dataset_has_what_its_importer_reads() {
    exported(Format::FiftyOne, |dir, set| {
        let metadata = json(&dir.join("metadata.json"));
        assert!(metadata.get("version").is_none() && metadata["default_classes"][1] == "water");
        let samples = json(&dir.join("samples.json"));
        let samples = samples["samples"].as_array().unwrap();
        assert_eq!(samples.len(), 7, "neither the failed image nor the lost one");
        assert_eq!(samples[0]["filepath"], "one.png");
        assert!(Path::new(samples[1]["filepath"].as_str().unwrap()).is_absolute());
        assert_eq!(samples[2]["filepath"], "data/000003.png");
        assert!(dir.join("data/000003.png").exists());
        assert_eq!(samples[0]["ground_truth"], serde_json::json!({"_cls": "Classification", "label": "water"}));
        assert!((samples[0]["predictions"]["confidence"].as_f64().unwrap() - 0.9).abs() < 1e-6);
        // Row 2 is the second sample.
        assert_eq!((&samples[1]["verdict"], &samples[1]["verdict_author"]), (&"spurious".into(), &"ann".into()));
        assert_eq!(metadata["info"]["slice_sets"][0]["slices"][1]["verdict"]["comment"], "swapped");
        assert_eq!(samples[6][format!("slice_{}", set.id.replace('-', "_"))], 2);
    });
}

#[test]
fn an_image_folder_has_its_images_inside() {
    exported(Format::HuggingFace, |dir, _| {
        let text = std::fs::read_to_string(dir.join("metadata.jsonl")).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let names: Vec<&str> = lines.iter().map(|line| line["file_name"].as_str().unwrap()).collect();
        assert_eq!(names[..3], ["one.png", "images/000002.png", "images/000003.png"]);
        assert!(names.iter().all(|name| dir.join(name).is_file()), "{names:?}");
        assert_eq!((&lines[1]["verdict"], &lines[1]["verdict_author"]), (&"spurious".into(), &"ann".into()));
        assert_eq!((lines.len(), &lines[0]["label_name"]), (7, &Value::from("water")));
    });
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let table = table();
    let images = |_: usize| Err(Error::unsupported("", ""));
    let parts = |_: usize, _: Part| Err(Error::unsupported("", ""));
    let review = &Review::default();
    let export =
        Export { table: &table, slice_sets: &[], class_names: &[], review, also: &[], parts: &parts, images: &images };
    let error = export.write(Format::Csv, file.path()).unwrap_err();
    assert!(error.to_string().contains("cannot be written"), "{error}");
}
