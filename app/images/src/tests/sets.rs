use super::{fixture, shared_data, write};
use crate::ImageSet;
use ascan_config::sections::{ClassNames, ColumnsSection, DataSection};
use ascan_core::Error;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

fn folder(path: &Path) -> DataSection {
    DataSection { images: Some(path.into()), ..Default::default() }
}

fn manifest(path: impl AsRef<Path>) -> DataSection {
    DataSection { manifest: Some(path.as_ref().into()), ..Default::default() }
}

fn uris(set: &ImageSet) -> Vec<&str> {
    set.samples.iter().map(|sample| sample.uri.as_str()).collect()
}

fn told(error: &Error) -> String {
    format!("{error}; {}", error.hint().unwrap_or_default())
}

#[test]
fn a_folder_a_class() {
    let dir = tempfile::tempdir().unwrap();
    let png = fixture("rgb.png");
    for path in
        ["ключ/b.PNG", "ключ/a.png", "crane/日本.jpg", "crane/deep/er.webp", "crane/.DS_Store", "crane/Thumbs.db"]
    {
        write(dir.path(), path, &png);
    }
    write(dir.path(), "crane/readme.txt", b"text");
    write(dir.path(), "top.png", &png);
    let set = ImageSet::open(&folder(dir.path())).unwrap();
    assert_eq!(uris(&set), ["crane/deep/er.webp", "crane/日本.jpg", "ключ/a.png", "ключ/b.PNG"]);
    assert_eq!(set.class_names, ["crane", "ключ"]);
    assert_eq!(set.samples[3].label_index, Some(1));
    assert_eq!(set.form, "one folder per class (2 classes)");
    assert_eq!(set.notes.len(), 2, "{:?}", set.notes);
    assert!(set.notes[1].starts_with("1 files"), "{:?}", set.notes);
    // The name says .jpg and .webp, the content is PNG.
    assert!((0..set.len()).all(|i| set.load(i).is_ok()));
}

#[test]
fn a_folder_a_split_and_class() {
    let dir = tempfile::tempdir().unwrap();
    for path in ["train/cat/1.png", "train/dog/2.png", "val/dog/3.png", "val/dog/4.png"] {
        write(dir.path(), path, &fixture("rgb.png"));
    }
    let all = ImageSet::open(&folder(dir.path())).unwrap();
    assert_eq!(all.form, "one folder per split and class (2 splits, 2 classes)");
    assert_eq!(all.splits, ["train", "val"]);
    let val = ImageSet::open(&DataSection { split: Some("val".into()), ..folder(dir.path()) }).unwrap();
    assert_eq!(uris(&val), ["val/dog/3.png", "val/dog/4.png"]);
    // Classes are those of the whole set, so that an index means the same in every split.
    assert_eq!(val.class_names, ["cat", "dog"]);
    assert_eq!(val.samples[0].label_index, Some(1));
    let error = ImageSet::open(&DataSection { split: Some("test".into()), ..folder(dir.path()) }).unwrap_err();
    assert_eq!(told(&error), "unknown split `test`; available: train, val");
}

#[test]
fn a_split_of_any_name_is_recognised_when_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    for path in ["hospital_a/cat/1.png", "hospital_b/dog/2.png"] {
        write(dir.path(), path, &fixture("rgb.png"));
    }
    let set = ImageSet::open(&DataSection { split: Some("hospital_b".into()), ..folder(dir.path()) }).unwrap();
    assert_eq!((uris(&set), set.samples[0].label.as_deref()), (vec!["hospital_b/dog/2.png"], Some("dog")));
    let classes = ImageSet::open(&folder(dir.path())).unwrap();
    assert_eq!(classes.class_names, ["hospital_a", "hospital_b"]);
    assert_eq!(classes.splits, [""; 0]);
}

#[test]
fn images_without_class_folders_have_no_labels() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "1.png", &fixture("rgb.png"));
    let set = ImageSet::open(&folder(dir.path())).unwrap();
    assert_eq!(set.samples[0].label, None);
    assert!(set.form.contains("labels are unknown"));
}

#[test]
fn an_empty_set_says_what_was_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "cat/notes.txt", b"");
    let error = told(&ImageSet::open(&folder(dir.path())).unwrap_err());
    assert!(error.contains("holds no images (and 1 other files: 1 .txt)") && error.contains(".jpg"), "{error}");
    let error = told(&ImageSet::open(&folder(&dir.path().join("nowhere"))).unwrap_err());
    assert!(error.contains("does not exist"), "{error}");
    write(dir.path(), "empty.csv", b"path,label\n");
    let error = told(&ImageSet::open(&manifest(dir.path().join("empty.csv"))).unwrap_err());
    assert!(error.contains("holds no images"), "{error}");
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_not_in_circles() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "cat/1.png", &fixture("rgb.png"));
    std::os::unix::fs::symlink(dir.path(), dir.path().join("cat/loop")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("cat"), dir.path().join("dog")).unwrap();
    std::os::unix::fs::symlink("nowhere.png", dir.path().join("cat/2.png")).unwrap();
    let set = ImageSet::open(&folder(dir.path())).unwrap();
    assert_eq!(uris(&set), ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"]);
    assert!(set.load(2).is_ok());
    assert!(told(&set.load(1).unwrap_err()).contains("does not exist"));
}

#[cfg(unix)]
#[test]
fn names_that_are_no_text_stay_apart() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    for name in [&b"caf\xe9.png"[..], b"caf\xea.png"] {
        std::fs::write(dir.path().join(OsStr::from_bytes(name)), fixture("rgb.png")).unwrap();
    }
    let set = ImageSet::open(&folder(dir.path())).unwrap();
    assert_eq!(uris(&set), ["caf\\xe9.png", "caf\\xea.png"]);
    assert!((0..2).all(|i| set.load(i).is_ok()));
}

#[test]
fn bad_images_fail_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let jpeg = fixture("420.jpg");
    write(dir.path(), "a/cut.jpg", &jpeg[..jpeg.len() / 2]);
    write(dir.path(), "a/empty.png", b"");
    write(dir.path(), "a/good.png", &fixture("rgb.png"));
    write(dir.path(), "a/text.png", b"not an image at all");
    write(dir.path(), "m.csv", b"path\na/cut.jpg\na/empty.png\na/text.png\na/gone.png\na\na/good.png\n");
    let set = ImageSet::open(&manifest(dir.path().join("m.csv"))).unwrap();
    let expected = ["cut off", "empty", "not an image", "does not exist", "not a file"];
    for (i, part) in expected.iter().enumerate() {
        let error = set.load(i).unwrap_err().to_string();
        assert!(error.starts_with(&set.samples[i].uri) && error.contains(part), "{error}");
    }
    assert!(set.load(5).is_ok());
    assert!(set.notes.iter().any(|note| note.contains("labels are unknown")), "{:?}", set.notes);
}

#[test]
fn a_csv_manifest_with_mapped_columns() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "images/vögel 1.jpg", &fixture("420.jpg"));
    let csv = "\u{feff}img_filename,y,split,place,mask,note\nimages/vögel 1.jpg,0,2,1,m/1.png,\"a, b\"\n\
               images/vögel 1.jpg,1,0,0,,x\nimages/vögel 1.jpg,,2,0,,x\n";
    write(dir.path(), "m.csv", csv.as_bytes());
    let mut data = manifest(dir.path().join("m.csv"));
    data.columns =
        ColumnsSection { group: vec!["y".into(), "place".into()], mask: "mask".into(), ..Default::default() };
    let set = ImageSet::open(&data).unwrap();
    assert_eq!(set.group_columns, ["y", "place"]);
    assert_eq!(set.samples[0].groups, ["0", "1"]);
    assert_eq!(set.samples[0].mask.as_deref(), Some("m/1.png"));
    assert_eq!((set.samples[1].label_index, set.samples[1].mask.as_deref()), (Some(1), None));
    assert_eq!((set.samples[2].label.as_deref(), set.samples[2].label_index), (None, None));
    assert!(set.labels_are_indices && set.class_names.is_empty());
    assert!(set.load(0).is_ok());
    data.split = Some("2".into());
    assert_eq!(ImageSet::open(&data).unwrap().len(), 2);

    data.columns.label = "label".into();
    let error = told(&ImageSet::open(&data).unwrap_err());
    assert_eq!(error, "unknown column of m.csv `label`; available: img_filename, mask, note, place, split, y");
    write(dir.path(), "n.csv", b"picture,y\na,0\n");
    let error = told(&ImageSet::open(&manifest(dir.path().join("n.csv"))).unwrap_err());
    assert!(error.contains("no column named file_name") && error.contains("its columns: picture, y"), "{error}");
    write(dir.path(), "o.csv", b"path,y\na.png,0\nb.png\n");
    let error = told(&ImageSet::open(&manifest(dir.path().join("o.csv"))).unwrap_err());
    assert!(error.contains("cannot be read as CSV: line 3 has 1 cell, but the header has 2"), "{error}");
    let error = told(&ImageSet::open(&manifest(dir.path().join("gone.csv"))).unwrap_err());
    assert!(error.contains("gone.csv: does not exist"), "{error}");
}

#[test]
fn a_manifest_whose_root_is_wrong_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "m.csv", b"path\na.png\nb.png\n");
    let set = ImageSet::open(&manifest(dir.path().join("m.csv"))).unwrap();
    assert!(set.notes.iter().any(|note| note.contains("is `data.root` right?")), "{:?}", set.notes);
}

#[test]
fn a_json_lines_manifest() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "m.jsonl", b"{\"file_name\": \"a.png\", \"label\": \"cat\"}\n\n{\"file_name\": \"b.png\", \"label\": \"ant\", \"n\": 1.5}\n");
    let mut data = manifest(dir.path().join("m.jsonl"));
    data.columns.group = vec!["n".into()];
    let set = ImageSet::open(&data).unwrap();
    assert_eq!(set.class_names, ["ant", "cat"]);
    assert_eq!((set.samples[0].label_index, set.samples[1].label_index), (Some(1), Some(0)));
    assert_eq!((set.samples[0].groups[0].as_str(), set.samples[1].groups[0].as_str()), ("", "1.5"));
    write(dir.path(), "bad.jsonl", b"{\"path\": \"a.png\"}\n{\"path\": \n");
    let error = told(&ImageSet::open(&manifest(dir.path().join("bad.jsonl"))).unwrap_err());
    assert!(error.contains("line 2 is not JSON"), "{error}");
}

/// Writes columns to a Parquet file with this many rows in a group.
pub(super) fn write_parquet(path: &Path, columns: Vec<(&str, arrow::array::ArrayRef)>, group_rows: usize) {
    let batch = arrow::record_batch::RecordBatch::try_from_iter(columns).unwrap();
    let properties = parquet::file::properties::WriterProperties::builder();
    let properties = properties.set_max_row_group_row_count(Some(group_rows)).build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn a_parquet_manifest_with_paths() {
    use arrow::array::{Int64Array, StringArray};
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.png", &fixture("rgb.png"));
    let path = dir.path().join("m.parquet");
    let columns: Vec<(&str, arrow::array::ArrayRef)> = vec![
        ("label", Arc::new(Int64Array::from(vec![Some(3), None]))),
        ("file_name", Arc::new(StringArray::from(vec!["a.png", "b.png"]))),
    ];
    write_parquet(&path, columns, 10);
    let set = ImageSet::open(&manifest(&path)).unwrap();
    assert_eq!(uris(&set), ["a.png", "b.png"]);
    assert_eq!((set.samples[0].label_index, set.samples[1].label_index), (Some(3), None));
    assert!(set.load(0).is_ok() && set.load(1).is_err());
    write(dir.path(), "bad.parquet", b"PAR1 is how it starts");
    let error = told(&ImageSet::open(&manifest(dir.path().join("bad.parquet"))).unwrap_err());
    assert!(error.contains("cannot be read as Parquet"), "{error}");
}

#[test]
fn images_inside_parquet_are_read_by_row_from_any_thread() {
    use arrow::array::{ArrayRef, BinaryArray, Int32Array, StringArray, StructArray};
    use arrow::datatypes::{DataType, Field};
    let dir = tempfile::tempdir().unwrap();
    let n = 70;
    // Each image has a width of its own, so that a mix-up shows.
    let image = |i: usize| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(i as u32 + 1, 2).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    };
    let images: Vec<Vec<u8>> = (0..n).map(image).collect();
    let bytes = BinaryArray::from_iter((0..n).map(|i| (i != 5).then_some(images[i].as_slice())));
    let paths = StringArray::from_iter((0..n).map(|i| (i != 7).then(|| format!("{i}.png"))));
    let column = StructArray::from(vec![
        (Arc::new(Field::new("bytes", DataType::Binary, true)), Arc::new(bytes) as ArrayRef),
        (Arc::new(Field::new("path", DataType::Utf8, true)), Arc::new(paths) as ArrayRef),
    ]);
    let labels = Int32Array::from_iter_values((0..n).map(|i| i as i32 % 2));
    let path = dir.path().join("m.parquet");
    write_parquet(&path, vec![("image", Arc::new(column)), ("label", Arc::new(labels))], 30);
    let set = ImageSet::open(&manifest(&path)).unwrap();
    assert_eq!((set.samples[1].uri.as_str(), set.samples[7].uri.as_str()), ("1.png", "m.parquet#7"));
    std::thread::scope(|scope| {
        for start in 0..4 {
            let set = &set;
            scope.spawn(move || {
                for i in (start * 17..n).chain(0..start * 17).filter(|&i| i != 5) {
                    assert_eq!(set.load(i).unwrap().width() as usize, i + 1);
                }
            });
        }
    });
    assert!(told(&set.load(5).unwrap_err()).contains("holds no bytes"));
}

/// A tar archive with these members.
fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn an_archive_with_a_folder_a_class() {
    let dir = tempfile::tempdir().unwrap();
    let png = fixture("rgb.png");
    let long = format!("set/dog/{}/2.png", "very long name ".repeat(12));
    let members: &[(&str, &[u8])] = &[(&long, &png), ("set/cat/größe.png", &png), ("set/cat/x.txt", b"")];
    write(dir.path(), "a.tar", &tar(members));
    write(dir.path(), "a.tar.gz", &gzip(&tar(members)));
    for name in ["a.tar", "a.tar.gz"] {
        let data = DataSection { archive: Some(dir.path().join(name)), ..Default::default() };
        let set = ImageSet::open(&data).unwrap();
        assert_eq!(set.form, "an archive with one folder per class (2 classes)");
        assert_eq!(set.samples[0].uri, format!("{name}!set/cat/größe.png"));
        assert_eq!(set.class_names, ["cat", "dog"]);
        assert!(set.load(0).is_ok() && set.load(1).is_ok());
    }
}

#[test]
fn an_archive_with_a_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let png = fixture("rgb.png");
    let bytes = tar(&[("./test/1.png", &png), ("test/2.png", &png)]);
    // Cut inside the last member's bytes: that image fails, the first does not.
    write(dir.path(), "a.tar", &bytes[..512 + 1024 + 512 + 100]);
    write(dir.path(), "m.csv", b"file,label\ntest/1.png,0\ntest/gone.png,1\ntest/2.png,1\n");
    let data = DataSection { archive: Some(dir.path().join("a.tar")), ..manifest(dir.path().join("m.csv")) };
    let set = ImageSet::open(&data).unwrap();
    assert_eq!(uris(&set), ["a.tar!test/1.png", "a.tar!test/gone.png", "a.tar!test/2.png"]);
    assert!(set.load(0).is_ok());
    assert!(told(&set.load(1).unwrap_err()).contains("not in the archive"));
    assert!(told(&set.load(2).unwrap_err()).contains("cut off"));
    write(dir.path(), "b.tar", &[7; 2000]);
    let error =
        ImageSet::open(&DataSection { archive: Some(dir.path().join("b.tar")), ..Default::default() }).unwrap_err();
    assert!(told(&error).contains("is not a tar archive"), "{error}");
}

#[test]
fn a_pair_of_idx_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut images = vec![0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3];
    images.extend(0..12u8);
    let labels = [0, 0, 8, 1, 0, 0, 0, 2, 7, 4];
    write(dir.path(), "i", &images);
    write(dir.path(), "l.gz", &gzip(&labels));
    write(dir.path(), "short", &images[..20]);
    write(dir.path(), "one", &[0, 0, 8, 1, 0, 0, 0, 1, 7]);
    let pair = |images: &str, labels: &str| DataSection {
        idx: Some(dir.path().join(images)),
        idx_labels: Some(dir.path().join(labels)),
        ..Default::default()
    };
    let set = ImageSet::open(&pair("i", "l.gz")).unwrap();
    assert_eq!(uris(&set), ["i#0", "i#1"]);
    assert_eq!((set.samples[0].label_index, set.samples[1].label_index), (Some(7), Some(4)));
    let image = set.load(1).unwrap();
    assert_eq!((image.dimensions(), image.get_pixel(2, 1).0), ((3, 2), [11; 3]));
    for (images, labels, part) in
        [("short", "l.gz", "cut off"), ("i", "one", "has 1 labels"), ("l.gz", "i", "expected an idx file")]
    {
        let error = told(&ImageSet::open(&pair(images, labels)).unwrap_err());
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn the_fingerprint_is_of_the_content_not_of_the_place() {
    let print = |label: &str, size: usize| {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &format!("{label}/1.png"), &vec![0; size]);
        ImageSet::open(&folder(dir.path())).unwrap().fingerprint()
    };
    assert_eq!(print("cat", 10), print("cat", 10));
    assert_ne!(print("cat", 10), print("dog", 10));
    assert_ne!(print("cat", 10), print("cat", 11));
}

#[test]
fn classes_give_the_order_and_refuse_other_labels() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "m.csv", b"path,label\na.png,dog\nb.png,cow\n");
    write(dir.path(), "names.txt", "dog\nкот\ncow\n\n".as_bytes());
    let mut data = manifest(dir.path().join("m.csv"));
    data.classes = Some(ClassNames::File(dir.path().join("names.txt")));
    let set = ImageSet::open(&data).unwrap();
    assert_eq!(set.samples[1].label_index, Some(2));
    data.classes = Some(ClassNames::List(vec!["dog".into(), "cat".into()]));
    let error = told(&ImageSet::open(&data).unwrap_err());
    assert!(error.contains("label `cow` is outside the 2 classes: dog, cat (first of `b.png`)"), "{error}");
}

#[test]
fn the_shared_sets_open_and_load() {
    let Some(shared) = shared_data() else { return };
    let waterbirds = DataSection {
        columns: ColumnsSection { group: vec!["y".into(), "place".into()], ..Default::default() },
        split: Some("2".into()),
        ..manifest(shared.join("waterbirds_lite/metadata.csv"))
    };
    let imagenette = DataSection { split: Some("val".into()), ..folder(&shared.join("imagenette160")) };
    let cifar = DataSection {
        archive: Some(shared.join("cifar10_jpeg/test.tar")),
        ..manifest(shared.join("cifar10_jpeg/test_labels.csv"))
    };
    let mnist = DataSection {
        idx: Some(shared.join("mnist/t10k-images-idx3-ubyte.gz")),
        idx_labels: Some(shared.join("mnist/t10k-labels-idx1-ubyte.gz")),
        ..Default::default()
    };
    for (data, n, n_classes) in
        [(waterbirds, 1200, 2), (imagenette, 1000, 10), (cifar, 10_000, 10), (mnist, 10_000, 10)]
    {
        let set = ImageSet::open(&data).unwrap();
        assert_eq!(set.len(), n, "{}", set.form);
        assert_eq!(set.samples.iter().filter_map(|sample| sample.label_index).max(), Some(n_classes - 1));
        for i in (0..n).step_by(n / 20) {
            set.load(i).unwrap();
        }
    }
}
