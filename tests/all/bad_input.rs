//! Bad input: each a sentence that says what is wrong and what to do; what can be done is done.

use crate::harness::{Dir, Run};
use crate::small::{CONFIG, encoded, fixture, picture, pillows, png, write_model};
use ascan_onnx::builder::GraphBuilder;
use image::{DynamicImage, ImageFormat};
use std::process::Command;

fn scan(dir: &Dir) -> Run {
    dir.ascan(&["scan", "run.toml", "--out", "scan", "--json"])
}

/// The reasons of the failed images, from the scan's JSON.
fn failures(run: &Run) -> String {
    run.json()["failed"].to_string()
}

#[test]
fn good_input_is_fine() {
    let summary = scan(&fixture()).exits(0).json();
    assert_eq!((summary["n"].as_u64(), summary["n_failed"].as_u64()), (Some(4), Some(0)));
}

// ---- the model ----

#[test]
fn a_missing_model() {
    let dir = fixture();
    std::fs::remove_file(dir.path().join("model.onnx")).unwrap();
    scan(&dir).exits(2).says(&["model.onnx", "run.toml:4:8"]);
}

#[test]
fn an_empty_model() {
    let dir = fixture();
    dir.write("model.onnx", "");
    scan(&dir).exits(2).says(&["model.onnx", "empty"]);
}

#[test]
fn a_truncated_model() {
    let dir = fixture();
    let bytes = std::fs::read(dir.path().join("model.onnx")).unwrap();
    dir.write("model.onnx", &bytes[..bytes.len() / 2]);
    scan(&dir).exits(2).says(&["model.onnx", "cut off"]);
}

#[test]
fn a_model_that_is_no_onnx() {
    let dir = fixture();
    dir.write("model.onnx", "These are not the weights you are looking for.\n".repeat(20));
    scan(&dir).exits(2).says(&["model.onnx", "ONNX"]);
}

#[test]
fn a_model_whose_input_is_no_image() {
    let dir = fixture();
    let mut graph = GraphBuilder::with_input_shape("tokens", &[8], 7);
    let logits = graph.linear("head", "tokens", 8, 2);
    let path = dir.path().join("model.onnx");
    graph.finish(&logits, &path).save(&path).unwrap();
    scan(&dir).exits(2).says(&["model.onnx", "tokens", "image"]);
}

#[test]
fn nan_logits_are_the_images_failure() {
    let dir = fixture();
    write_model(&dir.path().join("model.onnx"), f32::NAN);
    let run = scan(&dir);
    assert!(run.code == 3 || run.code == 1, "{run:?}");
    assert!(format!("{}{}", run.stdout, run.stderr).contains("not finite"), "{run:?}");
}

#[test]
fn attributions_without_weight_fall_back_are_recorded_and_no_success() {
    let dir = fixture();
    write_model(&dir.path().join("model.onnx"), 0.0);
    let summary = scan(&dir).exits(1).says(&["all 4 attribution maps are empty"]).json();
    assert_eq!(summary["n_attribution_empty"], 4, "{summary:#}");
}

// ---- the data set ----

#[test]
fn a_label_outside_the_classes() {
    let dir = fixture();
    dir.write("table.csv", "file_name,label\nimages/cat/a.png,0\nimages/cat/b.png,7\n");
    dir.write("run.toml", CONFIG.replace("images = \"images\"", "manifest = \"table.csv\""));
    scan(&dir).exits(2).says(&["7", "2 "]);
}

#[test]
fn a_missing_column() {
    let dir = fixture();
    dir.write("table.csv", "file_name,kind\nimages/cat/a.png,0\n");
    let columns = "manifest = \"table.csv\"\ncolumns = { label = \"species\" }";
    dir.write("run.toml", CONFIG.replace("images = \"images\"", columns));
    scan(&dir).exits(2).says(&["species", "file_name", "kind"]);
}

#[test]
fn an_empty_data_set() {
    let dir = fixture();
    std::fs::remove_dir_all(dir.path().join("images")).unwrap();
    std::fs::create_dir_all(dir.path().join("images/cat")).unwrap();
    scan(&dir).exits(2).says(&["no images"]);
}

#[test]
fn bad_images_are_listed_and_the_rest_is_done() {
    let dir = fixture();
    let jpeg = encoded(picture(9).into(), ImageFormat::Jpeg);
    dir.write("images/cat/corrupt.png", [&png(1)[..20], &[0x55; 300]].concat());
    dir.write("images/cat/truncated.jpg", &jpeg[..jpeg.len() * 2 / 3]);
    dir.write("images/cat/zero.png", "");
    dir.write("images/cat/text.jpg", "no picture at all");
    let run = scan(&dir).exits(3);
    let summary = run.json();
    assert_eq!((summary["n"].as_u64(), summary["n_failed"].as_u64()), (Some(8), Some(4)), "{summary:#}");
    for name in ["corrupt.png", "truncated.jpg", "zero.png", "text.jpg"] {
        assert!(failures(&run).contains(name), "{name} is not in {}", failures(&run));
    }
    dir.ascan(&["slice", "scan", "--json"]).exits(0);
}

#[test]
fn a_misnamed_image_is_read_for_what_it_is() {
    let dir = fixture();
    dir.write("images/cat/really-a-png.jpg", png(3));
    dir.write("images/cat/really-a-jpeg.png", encoded(picture(4).into(), ImageFormat::Jpeg));
    assert_eq!(scan(&dir).exits(0).json()["n"], 6);
}

#[test]
fn a_decompression_bomb_is_refused() {
    let dir = fixture();
    // A PNG that claims 60,000 × 60,000 pixels: the header is believed only as far as the limit.
    let mut bomb = png(1);
    bomb[16..20].copy_from_slice(&60_000u32.to_be_bytes());
    bomb[20..24].copy_from_slice(&60_000u32.to_be_bytes());
    let crc = crc32(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&crc.to_be_bytes());
    dir.write("images/cat/bomb.png", bomb);
    let run = scan(&dir).exits(3);
    assert!(failures(&run).contains("bomb.png") && failures(&run).contains("60000"), "{}", failures(&run));
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 })
    })
}

#[test]
fn every_colour_mode_is_read() {
    let dir = fixture();
    let rgb = DynamicImage::from(picture(5));
    let modes = [
        ("grey.png", encoded(rgb.to_luma8().into(), ImageFormat::Png)),
        ("grey-alpha.png", encoded(rgb.to_luma_alpha8().into(), ImageFormat::Png)),
        ("rgba.png", encoded(rgb.to_rgba8().into(), ImageFormat::Png)),
        ("rgb16.png", encoded(rgb.to_rgb16().into(), ImageFormat::Png)),
        ("grey16.png", encoded(rgb.to_luma16().into(), ImageFormat::Png)),
        ("grey.jpg", encoded(rgb.to_luma8().into(), ImageFormat::Jpeg)),
        ("colour.webp", encoded(rgb.clone(), ImageFormat::WebP)),
        ("colour.bmp", encoded(rgb, ImageFormat::Bmp)),
        ("colour.tiff", pillows("rgb.tif")),
    ];
    let n = modes.len() as u64;
    for (name, bytes) in modes {
        dir.write(&format!("images/cat/{name}"), bytes);
    }
    assert_eq!(scan(&dir).exits(0).json()["n"], 4 + n);
}

#[test]
fn names_beyond_ascii_are_fine() {
    let dir = fixture();
    dir.write("images/pingüino/größe – 企鹅 🐧.png", png(8));
    std::fs::remove_dir_all(dir.path().join("images/dog")).unwrap();
    assert_eq!(scan(&dir).exits(0).json()["n"], 3);
    dir.ascan(&["report", "scan", "-o", "report.html"]).exits(0);
    assert!(std::fs::read_to_string(dir.path().join("report.html")).unwrap().contains("pingüino"));
}

#[test]
fn an_unreadable_file() {
    let dir = fixture();
    // Permissions do not stop root, who runs tests in containers: a link to nowhere does.
    std::os::unix::fs::symlink("nowhere", dir.path().join("images/cat/gone.png")).unwrap();
    let run = scan(&dir).exits(3);
    assert!(failures(&run).contains("gone.png"), "{}", failures(&run));
}

// ---- the configuration ----

#[test]
fn all_mistakes_of_a_configuration_at_once_with_their_places() {
    let dir = fixture();
    dir.write(
        "run.toml",
        "[data]\nimages = \"images\"\nsplt = \"test\"\n\n[model]\npath = 3\npreprocess = { preset = \"unit\" }\n\n\
         [attribution]\nplugin = \"grad_camm\"\n\n[slicing]\nplugin = \"kmeans\"\n[slicing.params]\nn_slices = 0\n",
    );
    scan(&dir).exits(2).says(&[
        "run.toml:3:1",
        "splt",
        "split",        // unknown key, with the nearest known one
        "run.toml:6:8", // wrong type
        "run.toml:10:10",
        "grad_camm",
        "grad_cam", // unknown plugin
        "run.toml:15:12",
        "n_slices", // out of range
    ]);
}

#[test]
fn a_mistake_in_a_flag_points_at_the_flag() {
    let dir = fixture();
    dir.ascan(&["check", "run.toml", "--set", "run.shard_rows=none"]).exits(2).says(&["--set", "shard_rows"]);
}

// ---- the output ----

#[test]
fn an_output_folder_that_cannot_be_written() {
    let dir = fixture();
    dir.write("occupied", "a file where a folder should be");
    dir.ascan(&["scan", "run.toml", "--out", "occupied/scan"]).exits(1).says(&["occupied"]);
}

#[test]
fn a_full_disk_keeps_what_is_done() {
    let dir = fixture();
    for i in 0..40 {
        dir.write(&format!("images/cat/{i}.png"), png(i));
    }
    let program = dir.command(&[]).get_program().to_owned();
    // A limit on the size of files, with its signal ignored, fails writes as a full disk does.
    let full = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" scan run.toml --out scan --set run.shard_rows=8"])
        .arg(program)
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert_eq!(full.status.code(), Some(1), "{full:?}");
    let said = String::from_utf8_lossy(&full.stderr).into_owned();
    assert!(said.contains("scan") && !said.contains("panicked"), "{said}");
    let summary = dir.ascan(&["scan", "run.toml", "--out", "scan", "--set", "run.shard_rows=8", "--json"]).exits(0);
    assert_eq!(summary.json()["n"], 44);
}
