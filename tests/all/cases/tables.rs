//! Tables as data sets publish them.

use super::{init, scan, with_model};
use crate::harness::Dir;
use crate::small::{pillows, png};

/// Two classes, two images each, in this form.
fn labelled(name: &str, text: impl AsRef<[u8]>, images: &[&str]) -> Dir {
    let dir = with_model();
    for (i, image) in images.iter().enumerate() {
        dir.write(image, if image.ends_with(".ppm") { pillows("rgb.ppm") } else { png(i as u8 * 50) });
    }
    dir.write(name, text);
    dir
}

/// Initialised and scanned: `n` images with labels, without a failure.
#[track_caller]
fn reads(dir: &Dir, table: &str, n: u64) {
    init(dir, table, &[]).exits(0);
    let summary = scan(dir).exits(0).json();
    assert_eq!((summary["n"].as_u64(), summary["n_failed"].as_u64()), (Some(n), Some(0)), "{summary:#}");
    assert!(summary["accuracy"].is_number(), "no labels: {summary:#}");
}

const FOUR: [&str; 4] = ["images/1.png", "images/2.png", "images/3.png", "images/4.png"];

#[test]
fn e1_f1_gtsrb_official() {
    let names = ["Images/00000.ppm", "Images/00001.ppm", "Images/00002.ppm"];
    let csv = "Filename;Width;Height;RoiX1;RoiY1;RoiX2;RoiY2;ClassId;\r\n\
        00000.ppm;53;54;6;5;48;49;1;\r\n00001.ppm;42;45;5;5;36;40;1;\r\n00002.ppm;48;52;6;6;43;47;0;\r\n";
    let dir = labelled("Images/GT-final_test.csv", csv, &names);
    reads(&dir, "Images/GT-final_test.csv", 3);
    // The folder alone has no labels, and says which table may have them.
    init(&dir, "Images", &[]).exits(0).says(&["3 images", "GT-final_test.csv", "data.manifest"]);
}

#[test]
fn e_caps_csv() {
    let csv = "Path,ClassId\nimages/1.png,1\nimages/2.png,1\nimages/3.png,0\nimages/4.png,0\n";
    let dir = labelled("Caps.csv", csv, &FOUR);
    reads(&dir, "Caps.csv", 4);
    init(&dir, "Caps.csv", &["--set", "data.columns.path=Path", "--set", "data.columns.label=ClassId"]).exits(0);
    let written = std::fs::read_to_string(dir.path().join("scan.toml")).unwrap();
    assert!(written.contains("path = \"Path\"") && written.contains("label = \"ClassId\""), "{written}");
}

#[test]
fn e_semicolon_csv() {
    let csv = "filename;label\nimages/1.png;waterbird\nimages/2.png;waterbird\nimages/3.png;landbird\nimages/4.png;landbird\n";
    reads(&labelled("semicolon.csv", csv, &FOUR), "semicolon.csv", 4);
}

#[test]
fn e_latin1_csv() {
    let csv = b"filename,label\nimages/1.png,M\xf6we\nimages/2.png,M\xf6we\nimages/3.png,Fink\nimages/4.png,Fink\n";
    let dir = labelled("latin1.csv", csv, &FOUR);
    reads(&dir, "latin1.csv", 4);
    init(&dir, "latin1.csv", &[]).exits(0).says(&["latin1.csv is not UTF-8 and was read as Windows-1252", "Möwe"]);
}

#[test]
fn e_noext_csv() {
    let csv = "image_id,label\n1,1\n2,1\n3,0\n4,0\n";
    let dir = labelled("noext.csv", csv, &FOUR);
    reads(&dir, "noext.csv", 4);
    init(&dir, "noext.csv", &[]).exits(0).says(&["4 images were found by their id", "`1` is `images/1.png`"]);
}

#[test]
fn e_utf16_and_tabs() {
    let text = "filename\tlabel\r\nimages/1.png\tb\r\nimages/2.png\tb\r\nimages/3.png\ta\r\nimages/4.png\ta\r\n";
    let utf_16: Vec<u8> = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    reads(&labelled("excel.csv", utf_16, &FOUR), "excel.csv", 4);
}

#[test]
fn e_celeba_txt() {
    let text = "4\nBald Smiling\n1.png -1  1\n2.png -1  1\n3.png  1 -1\n4.png  1 -1\n";
    let dir = labelled("images/list_attr_celeba.txt", text, &FOUR);
    init(&dir, "images/list_attr_celeba.txt", &[]).exits(0).says(&["data.columns.one_hot"]);
    reads(&dir, "images/list_attr_celeba.txt", 4);
}

#[test]
fn e_one_hot_and_multi_label() {
    let csv = "image,cat,dog\nimages/1.png,1,0\nimages/2.png,0,1\nimages/3.png,0,1\nimages/4.png,1,0\n";
    reads(&labelled("one_hot.csv", csv, &FOUR), "one_hot.csv", 4);
    let several = csv.replace("2.png,0,1", "2.png,1,1");
    let dir = labelled("several.csv", several, &FOUR);
    init(&dir, "several.csv", &[]).exits(0).says(&["1 of 4 images have several classes", "multi-label"]);
}

#[test]
fn e_backslashes() {
    let csv = "path,label\nimages\\1.png,1\nimages\\2.png,0\n";
    reads(&labelled("windows.csv", csv, &FOUR), "windows.csv", 2);
}

#[test]
fn e_absolute_paths_of_another_machine() {
    let csv = "path,label\n/home/them/set/images/1.png,1\n/home/them/set/images/2.png,0\n";
    let dir = labelled("theirs.csv", csv, &FOUR);
    // What they begin with is found out, and may be said.
    init(&dir, "theirs.csv", &[]).exits(0).says(&["data.root_map", "/home/them/set"]);
    assert_eq!(scan(&dir).exits(0).json()["n_failed"], 0);
    let csv = "path,label\nD:\\other\\1.png,1\nD:\\other\\2.png,0\n";
    let dir = labelled("theirs.csv", csv, &FOUR);
    dir.write(
        "scan.toml",
        "[data]\nmanifest = \"theirs.csv\"\nroot_map = { 'D:\\other' = \"images\" }\n[model]\npath = \"model.onnx\"\npreprocess = { preset = \"unit\" }\n",
    );
    assert_eq!(scan(&dir).exits(0).json()["n_failed"], 0);
}

#[test]
fn e_hub_folder_of_parquet_shards() {
    let dir = with_model();
    for shard in ["test-00000-of-00002", "test-00001-of-00002", "train-00000-of-00001"] {
        dir.write(&format!("hub/data/{shard}.parquet"), pillows("images.parquet"));
    }
    init(&dir, "hub", &["--set", "data.columns.split=none"]).exits(0).says(&["the folder holds .parquet files"]);
    let summary = scan(&dir).exits(0).json();
    // Of the split that the names of the files say.
    assert_eq!((summary["n"].as_u64(), summary["n_failed"].as_u64()), (Some(6), Some(0)), "{summary:#}");
}

#[test]
fn e_coco_for_labels_of_images() {
    let coco = r#"{"images": [{"id": 1, "file_name": "images/1.png"}, {"id": 2, "file_name": "images/2.png"}],
        "annotations": [{"image_id": 1, "category_id": 3}, {"image_id": 2, "category_id": 8}],
        "categories": [{"id": 8, "name": "ant"}, {"id": 3, "name": "bee"}]}"#;
    let dir = labelled("instances.json", coco, &FOUR);
    init(&dir, "instances.json", &[]).exits(0).says(&["bee, ant"]);
    reads(&dir, "instances.json", 2);
}

#[test]
fn e_a_table_that_cannot_be_guessed() {
    let dir = labelled("odd.csv", "wert,farbe\n1,rot\n2,blau\n", &[]);
    init(&dir, "odd.csv", &[]).exits(0).says(&["to do: say which column is meant", "wert, farbe"]);
    let written = std::fs::read_to_string(dir.path().join("scan.toml")).unwrap();
    assert!(written.contains("The columns are: wert, farbe") && written.contains("\npath = \"auto\""), "{written}");
    // What is written is a configuration; it lacks one word.
    dir.ascan(&["check", "scan.toml"]).exits(2).says(&["its columns: wert, farbe"]);
}

#[test]
fn e_nan_and_contradictions() {
    let csv = "path,label\nimages/1.png,cat\nimages/2.png,NaN\nimages/3.png,dog\nimages/3.png,cat\n";
    let dir = labelled("m.csv", csv, &FOUR);
    let told = ["1 rows have no label", "1 image is in several rows with different labels", "cat, dog"];
    init(&dir, "m.csv", &[]).exits(0).says(&told);
    assert_eq!(scan(&dir).exits(0).json()["n"], 4);
}
