use super::{shared_data, write};
use crate::ImageSet;
use crate::outputs::map_to_outputs;
use ascan_config::sections::{ClassMap, ClassNames, DataSection};
use std::path::Path;

fn names(names: &[&str]) -> Option<ClassNames> {
    Some(ClassNames::List(names.iter().map(|&name| name.to_owned()).collect()))
}

/// A set of one image per label, and its section.
fn labelled(dir: &Path, labels: &[&str]) -> DataSection {
    let rows: String = labels.iter().enumerate().map(|(i, label)| format!("{i}.png,{label}\n")).collect();
    write(dir, "m.csv", format!("path,label\n{rows}").as_bytes());
    DataSection { manifest: Some(dir.join("m.csv")), ..Default::default() }
}

fn map(data: &DataSection, n_outputs: usize) -> Result<Vec<i32>, String> {
    let set = ImageSet::open(data).unwrap();
    map_to_outputs(&set, data, n_outputs).map_err(|error| format!("{error}; {}", error.hint().unwrap_or_default()))
}

fn table(entries: &[(&str, usize)]) -> ClassMap {
    ClassMap::Table(entries.iter().map(|&(label, output)| (label.to_owned(), output)).collect())
}

#[test]
fn by_index() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(map(&labelled(dir.path(), &["1", "0", "", "1.0"]), 2).unwrap(), [1, 0, -1, 1]);
    // Numbers may use a part of the outputs, names have to be as many.
    assert_eq!(map(&labelled(dir.path(), &["7"]), 1000).unwrap(), [7]);
    assert_eq!(map(&labelled(dir.path(), &["dog", "cat"]), 2).unwrap(), [1, 0]);
    let error = map(&labelled(dir.path(), &["0", "2"]), 2).unwrap_err();
    assert!(error.contains("label 2 of `1.png` is outside the model's outputs 0..1"), "{error}");
}

#[test]
fn a_mismatch_shows_both_sides_and_the_fix() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = labelled(dir.path(), &["n01", "n02"]);
    data.output_names = names(&["tench", "goldfish", "shark"]);
    let error = map(&data, 3).unwrap_err();
    for part in ["2 labels: n01, n02", "3 outputs: tench, goldfish, shark", "{ \"n01\" = 0, … }", "\"name\""] {
        assert!(error.contains(part), "{part} in {error}");
    }
    let error = map(&data, 4).unwrap_err();
    assert!(error.contains("has 3 names, but the model has 4 outputs"), "{error}");
}

#[test]
fn by_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = labelled(dir.path(), &["Golf_Ball", "tinca  tinca", "cardigan"]);
    data.class_map = ClassMap::Rule("name".into());
    assert!(map(&data, 4).unwrap_err().contains("set `data.output_names`"));
    data.output_names = names(&["tench, Tinca tinca", "Cardigan, Cardigan Welsh corgi", "golf-ball", "cardigan"]);
    assert_eq!(map(&data, 4).unwrap(), [2, 0, 3]);

    let mut data =
        DataSection { output_names: names(&["crane", "crane", "tench"]), ..labelled(dir.path(), &["crane"]) };
    data.class_map = ClassMap::Rule("name".into());
    let error = map(&data, 3).unwrap_err();
    assert!(error.contains("more than one output: [0, 1]") && error.contains("\"crane\" = 0"), "{error}");
    let data = DataSection {
        class_map: ClassMap::Rule("name".into()),
        output_names: data.output_names,
        ..labelled(dir.path(), &["tensh"])
    };
    let error = map(&data, 3).unwrap_err();
    assert!(error.contains("no output is named tensh; closest to `tensh`: `tench`"), "{error}");
    let numbers = DataSection {
        class_map: ClassMap::Rule("name".into()),
        output_names: names(&["a"]),
        ..labelled(dir.path(), &["0"])
    };
    assert!(map(&numbers, 1).unwrap_err().contains("set `data.classes`"));
    let named = DataSection { classes: names(&["a"]), ..numbers };
    assert_eq!(map(&named, 1).unwrap(), [0]);
}

#[test]
fn by_a_table_or_a_file_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = labelled(dir.path(), &["n02", "n01"]);
    data.class_map = table(&[("n01", 5), ("n02", 900), ("other", 3)]);
    assert_eq!(map(&data, 1000).unwrap(), [900, 5]);
    let error = map(&data, 100).unwrap_err();
    assert!(error.contains("`n02` = 900, but the model's outputs are 0..99"), "{error}");
    data.class_map = table(&[("n01", 5)]);
    let error = map(&data, 1000).unwrap_err();
    assert!(error.contains("the table has no entry for n02; it has n01"), "{error}");

    write(dir.path(), "map.json", br#"{"n01": 5, "n02": 900}"#);
    write(dir.path(), "map.csv", b"label,index\nn01,5\nn02,900\n");
    write(dir.path(), "bad.csv", b"label,index\nn01,five\n");
    for name in ["map.json", "map.csv"] {
        data.class_map = ClassMap::Rule(dir.path().join(name).to_string_lossy().into());
        assert_eq!(map(&data, 1000).unwrap(), [900, 5], "{name}");
    }
    data.class_map = ClassMap::Rule(dir.path().join("bad.csv").to_string_lossy().into());
    assert!(map(&data, 1000).unwrap_err().contains("line 2 has no index"));
    data.class_map = ClassMap::Rule("indx".into());
    assert!(map(&data, 1000).unwrap_err().contains("unknown rule \"indx\""));
}

#[test]
fn imagenette_meets_the_outputs_of_imagenet() {
    let Some(shared) = shared_data() else { return };
    // From labels.csv of the set: folder, ImageNet index.
    let imagenet = [
        ("n01440764", 0),
        ("n02102040", 217),
        ("n02979186", 482),
        ("n03000684", 491),
        ("n03028079", 497),
        ("n03394916", 566),
        ("n03417042", 569),
        ("n03425413", 571),
        ("n03445777", 574),
        ("n03888257", 701),
    ];
    let mut data =
        DataSection { images: Some(shared.join("imagenette160")), split: Some("val".into()), ..Default::default() };
    let error = map(&data, 1000).unwrap_err();
    assert!(error.contains("10 labels: n01440764") && error.contains("1000 outputs"), "{error}");
    data.class_map = table(&imagenet);
    let outputs = map(&data, 1000).unwrap();
    assert_eq!((outputs.len(), outputs[0], outputs[999]), (1000, 0, 701));
    // The same by name, through the names of the classes in the order of the folders.
    data.classes = names(&imagenet.map(|(wnid, _)| wnid));
    data.class_map = ClassMap::Rule("name".into());
    data.output_names = Some(ClassNames::File(shared.join("models/imagenet_labels.txt")));
    assert!(map(&data, 1000).unwrap_err().contains("no output is named n01440764"));
}
