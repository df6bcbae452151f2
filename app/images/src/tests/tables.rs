//! Tables as people publish them.

use super::{fixture, write};
use crate::{ImageSet, TextTable, outputs};
use ascan_config::sections::{ClassNames, ColumnsSection, DataSection};
use std::path::Path;
use std::sync::Arc;

fn manifest(dir: &Path, name: &str) -> DataSection {
    DataSection { manifest: Some(dir.join(name)), ..Default::default() }
}

/// A set from this text, whose pictures `a.png` and `b.png` lie beside it.
fn set_of(name: &str, text: impl AsRef<[u8]>) -> (tempfile::TempDir, ImageSet) {
    let dir = tempfile::tempdir().unwrap();
    for picture in ["a.png", "b.png"] {
        write(dir.path(), picture, &fixture("rgb.png"));
    }
    write(dir.path(), name, text.as_ref());
    let set = ImageSet::open(&manifest(dir.path(), name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    (dir, set)
}

fn labels(set: &ImageSet) -> Vec<&str> {
    set.samples.iter().map(|sample| sample.label.as_deref().unwrap_or("-")).collect()
}

#[test]
fn separators_line_ends_and_encodings() {
    let utf_16 = |text: &str, little: bool| -> Vec<u8> {
        let bytes = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    };
    let plain = "filename,label\na.png,M\u{f6}we\nb.png,Fink\n";
    let latin_1: Vec<u8> = plain.chars().map(|c| c as u8).collect();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("comma.csv", plain.into()),
        ("semicolon.csv", plain.replace(',', ";").into()),
        ("crlf.csv", plain.replace(',', ";").replace('\n', ";\r\n").into()),
        ("tab.csv", plain.replace(',', "\t").into()),
        ("bar.csv", plain.replace(',', "|").into()),
        ("tab.tsv", plain.replace(',', "\t").into()),
        ("space.txt", plain.replace(',', "   ").into()),
        ("comma.txt", plain.into()),
        ("says.csv", format!("sep=;\n{}", plain.replace(',', ";")).into()),
        ("commas_within.csv", "filename;label;area\na.png;Möwe;1,5\nb.png;Fink;2,5\n".into()),
        ("blank_lines.csv", plain.replace('\n', "\n\n").into()),
        ("empty_rows.csv", format!("{plain},\n,\n").into()),
        ("capitals.csv", plain.replace("filename,label", "File Name,ClassId").into()),
        ("latin1.csv", latin_1),
        ("utf16.csv", [&[0xff, 0xfe], utf_16(plain, true).as_slice()].concat()),
        ("utf16_be.csv", [&[0xfe, 0xff], utf_16(plain, false).as_slice()].concat()),
        ("utf16_without_mark.csv", utf_16(plain, true)),
        ("bom.csv", format!("\u{feff}{plain}").into()),
        ("list.json", r#"[{"file_name": "a.png", "label": "Möwe"}, {"file_name": "b.png", "label": "Fink"}]"#.into()),
    ];
    for (name, bytes) in cases {
        let (_dir, set) = set_of(name, bytes);
        assert_eq!(labels(&set), ["Möwe", "Fink"], "{name}");
        assert!(set.load(0).is_ok() && set.load(1).is_ok(), "{name}");
        let is_guessed = ["latin1.csv", "utf16_without_mark.csv"].contains(&name);
        assert_eq!(set.notes.iter().any(|note| note.contains("is not UTF-8")), is_guessed, "{name}: {:?}", set.notes);
    }
}

#[test]
fn a_list_without_a_header() {
    let (_dir, set) = set_of("list.txt", "a.png 3\nb.png 0\n");
    assert_eq!(labels(&set), ["-", "-"]);
    assert!(set.notes.iter().any(|note| note.contains("has no header")), "{:?}", set.notes);
    assert!(set.notes.iter().any(|note| note.contains("column `column_1`")), "{:?}", set.notes);
    let (dir, _) = set_of("list.txt", "1 a.png\n2 b.png\n");
    let mut data = manifest(dir.path(), "list.txt");
    data.columns.label = "column_1".into();
    let set = ImageSet::open(&data).unwrap();
    assert_eq!((labels(&set), set.load(1).is_ok()), (vec!["1", "2"], true));
}

/// The number of rows first, a header that is one short, columns of -1 and 1.
const CELEBA: &str = "2\nBald Smiling\na.png  1 -1\nb.png -1  1\n";

#[test]
fn celebas_table_of_attributes() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "list_attr_celeba.txt", CELEBA.as_bytes());
    let table = TextTable::read(&dir.path().join("list_attr_celeba.txt")).unwrap();
    assert_eq!(table.columns, ["file_name", "Bald", "Smiling"]);
    let mut data = manifest(dir.path(), "list_attr_celeba.txt");
    data.columns.one_hot = vec!["Smiling".into(), "Bald".into()];
    let set = ImageSet::open(&data).unwrap();
    assert_eq!(labels(&set), ["Bald", "Smiling"]);
    // Classes stand in the order of the columns, not of the alphabet.
    assert_eq!((set.samples[0].label_index, set.samples[1].label_index), (Some(1), Some(0)));
}

#[test]
fn several_marks_are_told_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "m.csv", b"image,cat,dog,cow\na.png,1,0,1\nb.png,0,1,0\nc.png,0,0,0\n");
    let mut data = manifest(dir.path(), "m.csv");
    data.columns.one_hot = ["cat", "dog", "cow"].map(str::to_owned).to_vec();
    let set = ImageSet::open(&data).unwrap();
    assert_eq!(labels(&set), ["-", "dog", "-"]);
    assert_eq!(set.marked_classes, ["cat", "dog", "cow"]);
    let marks: Vec<&[usize]> = set.samples.iter().map(|sample| sample.marks.as_slice()).collect();
    assert_eq!(marks, [&[0, 2][..], &[1], &[]]);
    let note = "1 of 3 images have several classes (the first: `a.png` has cat, cow), so the set is multi-label";
    assert!(
        set.notes.iter().any(|told| told.starts_with(note) && told.contains("1 images have no class")),
        "{:?}",
        set.notes
    );
    write(dir.path(), "n.csv", b"image,cat,dog\na.png,1,0.3\n");
    let mut data = manifest(dir.path(), "n.csv");
    data.columns.one_hot = ["cat", "dog"].map(str::to_owned).to_vec();
    let error = ImageSet::open(&data).unwrap_err().to_string();
    assert!(error.contains("row 1 of `dog` holds `0.3`"), "{error}");
}

#[test]
fn a_column_of_lists_marks_classes() {
    let dir = tempfile::tempdir().unwrap();
    let jsonl = "{\"image\": \"a.png\", \"tags\": [\"dog\", \"cat\"]}\n{\"image\": \"b.png\", \"tags\": []}\n{\"image\": \"c.png\"}\n";
    write(dir.path(), "m.jsonl", jsonl.as_bytes());
    write(dir.path(), "m.csv", b"image,tags\na.png,dog|cat\nb.png,\nc.png,\n");
    write(dir.path(), "p.csv", b"image,tags\na.png,\"['dog', 'cat']\"\nb.png,[]\nc.png,\n");
    for name in ["m.jsonl", "m.csv", "p.csv"] {
        let mut data = manifest(dir.path(), name);
        data.columns.label_list = "tags".into();
        let set = ImageSet::open(&data).unwrap();
        assert_eq!(set.marked_classes, ["cat", "dog"], "{name}");
        let marks: Vec<&[usize]> = set.samples.iter().map(|sample| sample.marks.as_slice()).collect();
        assert_eq!(marks, [&[0, 1][..], &[], &[]], "{name}");
    }
    let mut data = manifest(dir.path(), "m.csv");
    (data.columns.label_list, data.output_names) =
        ("tags".into(), Some(ClassNames::List(vec!["bird".into(), "Dog".into(), "cat".into()])));
    let set = ImageSet::open(&data).unwrap();
    assert_eq!(outputs::presences(&set, &data, 3).unwrap(), [0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn coco_gives_labels_where_an_image_has_one_category() {
    let coco = r#"{"images": [{"id": 7, "file_name": "a.png", "width": 3}, {"id": 9, "file_name": "b.png"}],
        "annotations": [{"image_id": 7, "category_id": 18, "bbox": [0, 0, 1, 1]}, {"image_id": 7, "category_id": 18},
                        {"image_id": 9, "category_id": 1}, {"image_id": 9, "category_id": 18}],
        "categories": [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}]}"#;
    let (_dir, set) = set_of("instances.json", coco);
    assert_eq!(
        (labels(&set), set.class_names.as_slice()),
        (vec!["dog", "-"], &["person".to_owned(), "dog".to_owned()][..])
    );
    assert_eq!((set.samples[0].label_index, set.samples[1].marks.as_slice()), (Some(1), &[0, 1][..]));
    assert!(set.notes.iter().any(|note| note.contains("multi-label")), "{:?}", set.notes);
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "x.json", br#"{"shapes": []}"#);
    let error = ImageSet::open(&manifest(dir.path(), "x.json")).unwrap_err();
    assert!(error.to_string().contains("is no table of images") && error.hint().unwrap().contains("COCO"), "{error}");
}

#[test]
fn paths_of_other_systems_and_other_machines() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "images/cat/1.png", &fixture("rgb.png"));
    write(dir.path(), "m.csv", b"path,y\nimages\\cat\\1.png,0\n");
    let set = ImageSet::open(&manifest(dir.path(), "m.csv")).unwrap();
    assert_eq!(set.samples[0].uri, "images/cat/1.png");
    assert!(set.load(0).is_ok());
    for path in ["/home/them/set/cat/1.png", "D:\\set\\cat\\1.png"] {
        write(dir.path(), "n.csv", format!("path,y\n{path},0\n").as_bytes());
        let mut data = manifest(dir.path(), "n.csv");
        let set = ImageSet::open(&data).unwrap();
        assert!(set.notes.iter().any(|note| note.contains("`data.root_map`")), "{:?}", set.notes);
        data.root_map = [("/home/them/set", "images"), ("D:\\set\\", "images")]
            .map(|(from, to)| (from.to_owned(), dir.path().join(to)))
            .into();
        let set = ImageSet::open(&data).unwrap();
        assert!(set.load(0).is_ok(), "{path}");
        // The name stays that of the table, so that a scan is the same on both machines.
        assert_eq!(set.samples[0].uri, path.replace('\\', "/"));
    }
}

#[test]
fn ids_without_an_ending_are_found() {
    let dir = tempfile::tempdir().unwrap();
    for path in ["part_1/ISIC_1.jpg", "part_2/ISIC_2.jpg", "part_1/twice.jpg", "part_2/twice.jpg"] {
        write(dir.path(), path, &fixture("rgb.png"));
    }
    write(dir.path(), "m.csv", b"image_id,dx\nISIC_1,nv\nISIC_2,mel\ntwice,nv\ngone,mel\npart_2/twice,mel\n");
    let set = ImageSet::open(&manifest(dir.path(), "m.csv")).unwrap();
    let uris: Vec<&str> = set.samples.iter().map(|sample| sample.uri.as_str()).collect();
    assert_eq!(uris, ["part_1/ISIC_1.jpg", "part_2/ISIC_2.jpg", "twice", "gone", "part_2/twice.jpg"]);
    assert!(set.load(0).is_ok() && set.load(1).is_ok() && set.load(4).is_ok());
    let error = set.load(2).unwrap_err().to_string();
    assert!(error.contains("may be any of 2 images: part_1/twice.jpg, part_2/twice.jpg"), "{error}");
    assert!(set.load(3).unwrap_err().to_string().contains("does not exist"));
    assert!(set.notes.iter().any(|note| note.starts_with("3 images were found by their id")), "{:?}", set.notes);
}

#[test]
fn nan_is_no_class_and_contradictions_are_told() {
    let (_dir, set) = set_of("m.csv", "path,label\na.png,cat\nb.png,NaN\na.png,dog\nb.png,\n");
    assert_eq!(labels(&set), ["cat", "-", "dog", "-"]);
    assert_eq!(set.class_names, ["cat", "dog"]);
    for told in
        ["2 rows have no label", "1 image is in several rows with different labels (the first: `a.png` is cat and dog)"]
    {
        assert!(set.notes.iter().any(|note| note.contains(told)), "{:?}", set.notes);
    }
}

#[test]
fn a_folder_of_parquet_files_is_one_table() {
    use arrow::array::{ArrayRef, BinaryArray, Int64Array};
    let dir = tempfile::tempdir().unwrap();
    let png = fixture("rgb.png");
    for (name, labels) in
        [("test-00000-of-00001", vec![5]), ("train-00000-of-00002", vec![1, 2]), ("train-00001-of-00002", vec![3])]
    {
        let images: ArrayRef = Arc::new(BinaryArray::from_iter_values(labels.iter().map(|_| png.as_slice())));
        let columns: Vec<(&str, ArrayRef)> = vec![("image", images), ("label", Arc::new(Int64Array::from(labels)))];
        let path = dir.path().join("data").join(format!("{name}.parquet"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        super::sets::write_parquet(&path, columns, 10);
    }
    let data = DataSection { manifest: Some(dir.path().into()), ..Default::default() };
    let set = ImageSet::open(&data).unwrap();
    assert_eq!(labels(&set), ["5", "1", "2", "3"]);
    assert_eq!(
        (set.splits.join(" "), set.samples[3].uri.as_str()),
        ("test train".into(), "train-00001-of-00002.parquet#0")
    );
    assert!((0..set.len()).all(|i| set.load(i).is_ok()));
    let train = ImageSet::open(&DataSection { split: Some("train".into()), ..data }).unwrap();
    assert_eq!(labels(&train), ["1", "2", "3"]);
}

#[test]
fn one_column_may_be_named_in_any_way() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "m.csv", b"Path,Class Id,group\na.png,1,x\n");
    let mut data = manifest(dir.path(), "m.csv");
    data.columns = ColumnsSection { label: "class_id".into(), group: vec!["Group".into()], ..Default::default() };
    let set = ImageSet::open(&data).unwrap();
    assert_eq!((labels(&set), set.samples[0].groups.as_slice()), (vec!["1"], &["x".to_owned()][..]));
}
