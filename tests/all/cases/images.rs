//! Pictures as they lie in the folders of people.

use super::{init, scan, with_model};
use crate::harness::Dir;
use crate::small::{encoded, pillows, png, write_model};
use image::{DynamicImage, ImageFormat, RgbImage};

/// A folder with a picture in each of two classes.
fn two_classes() -> Dir {
    let dir = with_model();
    dir.write("imgs/cat/1.png", png(3));
    dir.write("imgs/dog/1.png", png(90));
    dir
}

#[test]
fn f2_gif_avif_heic_as_jpg() {
    let dir = two_classes();
    dir.write("imgs/cat/gif.jpg", pillows("palette.gif"));
    dir.write("imgs/cat/avif.jpg", pillows("420.avif"));
    dir.write("imgs/cat/heic.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic");
    dir.write("imgs/dog/scan.jp2", b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\0");
    init(&dir, "imgs", &[]).exits(0);
    let run = scan(&dir).exits(3);
    let failed = run.json()["failed"].to_string();
    assert_eq!(run.json()["n_failed"], 2, "{failed}");
    for told in ["is a HEIC image", "is a JPEG 2000 image", "expected JPEG, PNG"] {
        assert!(failed.contains(told), "{failed}");
    }
}

#[test]
fn f4_strip_40000x1() {
    let dir = two_classes();
    let strip = RgbImage::from_pixel(40_000, 1, image::Rgb([200, 100, 50]));
    dir.write("imgs/cat/strip.png", encoded(DynamicImage::from(strip), ImageFormat::Png));
    init(&dir, "imgs", &[]).exits(0);
    let start = std::time::Instant::now();
    let crop = ["--set", "model.preprocess.preset=imagenet", "--set", "slicing.plugin=confusion_matrix"];
    let summary = dir.ascan(&[&["scan", "scan.toml", "--out", "scan", "--json"], &crop[..]].concat()).exits(0).json();
    // It took 25 s and 8 GB.
    assert!(start.elapsed().as_secs() < 15, "{:?}", start.elapsed());
    if let Some(peak) = summary["peak_rss_mib"].as_f64() {
        assert!(peak < 500.0, "{peak} MiB");
    }
}

#[test]
fn f_tiffs_that_pillow_reads() {
    let dir = two_classes();
    let names =
        ["tiled", "planar", "planar_tiled", "palette", "jpeg", "shared_chroma", "big", "two_bit", "four_bit", "pages"];
    for name in names {
        dir.write(&format!("imgs/cat/{name}.tif"), pillows(&format!("{name}.tif")));
    }
    init(&dir, "imgs", &[]).exits(0);
    let run = scan(&dir).exits(0).says(&["1 image: a TIFF file of several pages, of which the first is read"]);
    assert_eq!(run.json()["n"], 2 + names.len() as u64);
}

#[test]
fn f_ends_that_are_missing_are_told() {
    let dir = two_classes();
    let jpeg = pillows("420.jpg");
    dir.write("imgs/cat/padded.jpg", [&jpeg[..jpeg.len() - 2], &[0; 50]].concat());
    let whole = png(7);
    dir.write("imgs/dog/no_end.png", &whole[..whole.len() - 12]);
    init(&dir, "imgs", &[]).exits(0);
    scan(&dir).exits(0).says(&["1 image: a JPEG without its end", "1 image: a PNG without its end", "cat/padded.jpg"]);
}

#[test]
fn f_a_decoder_that_gives_up_prints_nothing_of_its_own() {
    let dir = two_classes();
    // libjpeg stops by unwinding; so does a decoder that panics.
    dir.write("imgs/cat/broken.jpg", b"\xff\xd8\xff\xe0\x00\x04ab\xff\xda\x00\x02\xff\xd9");
    init(&dir, "imgs", &[]).exits(0);
    let run = scan(&dir).exits(3);
    assert!(run.json()["failed"].to_string().contains("damaged"));
    assert!(!run.stderr.contains("panic") && !run.stderr.contains("RUST_BACKTRACE"), "{}", run.stderr);
}

#[test]
fn f_folders_of_systems_are_no_classes() {
    let dir = two_classes();
    for folder in ["@eaDir", "$RECYCLE.BIN", "lost+found", "__MACOSX", "cat/@eaDir", "System Volume Information"] {
        dir.write(&format!("imgs/{folder}/SYNOPHOTO.jpg"), png(1));
    }
    dir.write("imgs/cat/labels.txt", "x");
    dir.write("imgs/cat/README", "x");
    init(&dir, "imgs", &[])
        .exits(0)
        .says(&["2 classes", "2 files whose names are not those of images were left out: 1 .txt, 1 without an ending"]);
    assert_eq!(scan(&dir).exits(0).json()["n"], 2);
}

#[test]
fn f_sixteen_bits_by_index() {
    let dir = Dir::new();
    write_model(&dir.path().join("model.onnx"), 1.0);
    for (i, class) in ["a", "b"].iter().enumerate() {
        dir.write(&format!("imgs/{class}/{i}.tif"), pillows("bands.tif"));
    }
    let config = |channels: &str| {
        format!(
            "[data]\nimages = \"imgs\"\n[model]\npath = \"model.onnx\"\n[model.preprocess]\nchannels = {channels}\nscale = 0.0001\nmean = [0.0, 0.0, 0.0]\nstd = [1.0, 1.0, 1.0]\n[slicing]\nplugin = \"confusion_matrix\"\n"
        )
    };
    dir.write("scan.toml", config("[3, 2, 1]"));
    let scanned = |code: i32| dir.ascan(&["scan", "scan.toml", "--out", "scan", "--json"]).exits(code);
    assert_eq!(scanned(0).json()["n_failed"], 0);
    dir.ascan(&["check", "scan.toml"]).exits(0).prints(&["channels [3, 2, 1] of the file"]);
    dir.ascan(&["mosaic", "scan", "-o", "mosaic.png"]).exits(0);
    // Colours that nobody named, and a channel that is not there.
    dir.write("scan.toml", config("\"rgb\""));
    std::fs::remove_dir_all(dir.path().join("scan")).unwrap();
    assert!(scanned(1).json()["failed"].to_string().contains("has 5 channels that are no colours"));
    dir.write("scan.toml", config("[0, 1, 5]"));
    std::fs::remove_dir_all(dir.path().join("scan")).unwrap();
    assert!(
        scanned(1).json()["failed"]
            .to_string()
            .contains("has 5 channels, but `model.preprocess.channels` asks for number 5")
    );
    dir.write("scan.toml", config("[0, 1]"));
    dir.ascan(&["check", "scan.toml"]).exits(2).says(&["lists 2 channels, but the model's input has 3"]);
}

#[test]
fn f_dicom() {
    let dir = two_classes();
    for name in ["window.dcm", "monochrome_1.dcm", "rgb.dcm", "frames.dcm"] {
        dir.write(&format!("imgs/cat/{name}"), pillows(name));
    }
    init(&dir, "imgs", &[]).exits(0);
    let failed = scan(&dir).exits(3).json()["failed"].to_string();
    assert!(failed.contains("frames.dcm") && failed.contains("of 2 frames") && !failed.contains("rgb.dcm"), "{failed}");
}
