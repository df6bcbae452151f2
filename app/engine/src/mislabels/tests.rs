use super::*;
use ascan_config::sections::{ColumnsSection, DataSection};
use ascan_core::testing::toy_slice_table;
use ascan_core::{Context, Tensor, metrics};
use ascan_store::annotations::Fix;
use ascan_store::table::{GroupColumn, ScanTable};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

fn find(labels: &[i32], probs: &[f32], basis: Basis) -> Candidates {
    let probs = Tensor::new([labels.len(), probs.len() / labels.len()], probs.to_vec()).unwrap();
    candidates(labels, probs.view(), basis).unwrap()
}

/// cleanlab 2.9.0 on the probabilities of `tests/golden/make_mislabels.py`: the same confident joint, a better ranking.
#[test]
fn finds_what_cleanlab_finds_and_ranks_no_worse() {
    let golden: Value = serde_json::from_str(include_str!("../../../../tests/golden/mislabels.json")).unwrap();
    let mut sums = [0.0; 2];
    for set in golden["sets"].as_array().unwrap() {
        let ints =
            |key: &str| -> Vec<i64> { set[key].as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect() };
        let labels: Vec<i32> = ints("labels").into_iter().map(|v| v as i32).collect();
        let probs: Vec<f32> = ints("parts").into_iter().map(|v| v as f32 / 10_000.0).collect();
        let wrong: Vec<bool> = ints("wrong").into_iter().map(|v| v == 1).collect();
        let found = find(&labels, &probs, Basis::OutOfSample);

        let mut confident: Vec<i64> = found.candidates.iter().filter(|c| c.confident).map(|c| c.row as i64).collect();
        confident.sort_unstable();
        assert_eq!(confident, ints("issues"));
        // cleanlab rounds each of the 25 cells.
        let (ours, theirs) = (found.n_estimated.unwrap(), set["n_estimated"].as_f64().unwrap());
        assert!((ours - theirs).abs() < 6.0, "{ours} wrong labels, cleanlab {theirs}");

        let figures = |found: &Candidates| {
            let ap = metrics::average_precision(&found.scores, &wrong);
            [ap, metrics::precision_at_scores(&found.scores, &wrong, 100)]
        };
        let theirs = ["average_precision", "precision_at_100"];
        let theirs = theirs.map(|key| set["self_confidence"][key].as_f64().unwrap());
        let ours = figures(&found);
        assert!(ours[0] >= theirs[0], "average precision {} (cleanlab {})", ours[0], theirs[0]);
        sums = [sums[0] + ours[1], sums[1] + theirs[1]];
        // The other basis is cleanlab's ranking itself.
        let plain = figures(&find(&labels, &probs, Basis::SelfConfidence));
        assert!((plain[0] - theirs[0]).abs() < 5e-3, "average precision {} (cleanlab {})", plain[0], theirs[0]);
    }
    assert!(sums[0] >= sums[1], "precision at 100 over all sets: {} (cleanlab {})", sums[0], sums[1]);
}

#[test]
fn a_class_on_which_the_model_is_modest_is_not_suspicious() {
    // Class 1 never gets more than 0.4; class 0 gets 0.9. Row 4 is wrong.
    let labels = [0, 0, 1, 1, 1];
    let probs = [0.9, 0.1, 0.9, 0.1, 0.6, 0.4, 0.6, 0.4, 0.95, 0.05];
    let found = find(&labels, &probs, Basis::OutOfSample);
    assert_eq!(found.candidates.iter().map(|c| (c.row, c.given, c.suggested)).collect::<Vec<_>>(), [(4, 1, 0)]);
    assert!(found.candidates[0].confident && found.candidates[0].score > 0.8);
    // Of class 1, two count as themselves and one as class 0: a third of its three images.
    assert!((found.n_estimated.unwrap() - 1.0).abs() < 1e-9);
    let plain = find(&labels, &probs, Basis::SelfConfidence);
    assert_eq!(plain.candidates.iter().map(|c| c.row).collect::<Vec<_>>(), [4, 2, 3], "ties in the order of rows");
    assert!(plain.n_estimated.is_none() && plain.candidates.iter().all(|c| !c.confident));
}

#[test]
fn only_classes_that_occur_take_part_and_failed_images_do_not() {
    // Output 1 of three is no class of the data set; the last image failed, the one before has no label.
    let found = find(
        &[0, 2, 2, -1, 0],
        &[0.1, 0.8, 0.1, 0.0, 1.0, 0.0, 0.3, 0.1, 0.6, 0.1, 0.1, 0.8, 0.0, 0.0, 0.0],
        Basis::OutOfSample,
    );
    assert_eq!(found.n_labelled, 3);
    assert!(found.scores[3].is_nan() && found.scores[4].is_nan() && found.scores[1].is_finite());
    assert!(found.candidates.iter().all(|c| c.suggested != 1));
    let one_class = find(&[0, 0], &[0.9, 0.1, 0.2, 0.8], Basis::OutOfSample);
    assert!(one_class.candidates.is_empty(), "there is nothing else that it could be");
    let error = candidates(&[5], Tensor::new([1, 2], vec![0.5; 2]).unwrap().view(), Basis::OutOfSample).unwrap_err();
    assert!(error.to_string().contains("classes below 2"), "{error}");
}

/// Clusters that are classes, a tenth of the labels wrong, and a model that has learnt the wrong ones by heart.
fn memorised(n: usize) -> (ScanTable, Vec<bool>) {
    let toy = toy_slice_table(n, 6, 3);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(9);
    let wrong: Vec<bool> = (0..n).map(|_| rng.random::<f32>() < 0.1).collect();
    let labels: Vec<i32> = (0..n).map(|i| (toy.planted[i] as i32 + i32::from(wrong[i])) % 4).collect();
    let mut probs = Tensor::zeros([n, 4]);
    (0..n).for_each(|i| probs.data_mut()[i * 4 + labels[i] as usize] = 1.0);
    let table = ScanTable {
        uris: (0..n).map(|i| format!("{i}.png")).collect(),
        predicted_classes: labels.clone(),
        labels,
        probs,
        embeddings: toy.embeddings,
        errors: vec![None; n],
        groups: vec![GroupColumn { name: "fold".into(), values: (0..n).map(|i| (i % 3).to_string()).collect() }],
        ..ScanTable::default()
    };
    (table, wrong)
}

#[test]
fn folds_see_what_a_model_has_learnt_by_heart() {
    let (table, wrong) = memorised(800);
    let plain = candidates(&table.labels, table.probs.view(), Basis::SelfConfidence).unwrap();
    assert!(plain.candidates.is_empty());
    for folds in [Folds::Random(5), Folds::Column("fold".into())] {
        let with = |n_threads| out_of_sample(&table, &folds, &Context { n_threads, ..Context::default() }).unwrap();
        let probs = with(2);
        assert_eq!(with(1), probs);
        let found = candidates(&table.labels, probs.view(), Basis::OutOfSample).unwrap();
        let ap = metrics::average_precision(&found.scores, &wrong);
        assert!(ap > 0.9, "{folds:?}: {ap}");
        let n_wrong = wrong.iter().filter(|&&is| is).count() as f64;
        assert!((found.n_estimated.unwrap() / n_wrong - 1.0).abs() < 0.25, "{:?} of {n_wrong}", found.n_estimated);
    }
}

#[test]
fn folds_that_are_none_are_refused() {
    let (table, _) = memorised(20);
    let error = |folds| out_of_sample(&table, &folds, &Context::default()).unwrap_err();
    assert!(error(Folds::Random(1)).to_string().contains("there are 1"));
    assert_eq!(error(Folds::Column("place".into())).hint().unwrap(), "available: fold");
}

#[test]
fn the_noise_of_a_slice_counts_images_with_labels() {
    let candidate = |row, confident| Candidate { row, given: 0, suggested: 1, score: 0.9, confident };
    let found = Candidates {
        basis: Basis::OutOfSample,
        n_labelled: 5,
        n_estimated: Some(2.0),
        candidates: vec![candidate(0, true), candidate(1, true), candidate(3, false)],
        scores: vec![0.9, 0.9, 0.1, 0.9, 0.2, f32::NAN],
    };
    let noise = slice_noise(&found, &[7, 7, 7, 2, 2, 2]);
    let counts: Vec<_> = noise.iter().map(|slice| (slice.slice, slice.n, slice.n_candidates)).collect();
    assert_eq!(counts, [(7, 3, 2), (2, 2, 0)]);
    assert!((noise[0].share - 2.0 / 3.0).abs() < 1e-9 && noise[1].interval[0] == 0.0);
}

fn picture(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::RgbImage::new(2, 2).save(path).unwrap();
}

/// A scan of these images and labels.
fn scanned(uris: &[&str], labels: &[i32]) -> ScanTable {
    ScanTable { uris: uris.iter().map(|&uri| uri.to_owned()).collect(), labels: labels.into(), ..Default::default() }
}

#[test]
fn a_corrected_manifest_keeps_what_was_not_decided_on() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c", "d", "e"] {
        picture(&dir.path().join(format!("{name}.png")));
    }
    let manifest = dir.path().join("table.csv");
    let text = "file,note,y,split\na.png,\"one, two\",cat,test\nb.png,,dog,train\nc.png,,dog,test\nd.png,,cat,test\ne.png,,cat,test\n";
    std::fs::write(&manifest, text).unwrap();
    let data = DataSection {
        manifest: Some(manifest.clone()),
        split: Some("test".into()),
        columns: ColumnsSection::default(),
        ..Default::default()
    };
    let table = scanned(&["a.png", "c.png", "d.png", "e.png"], &[0, 1, 0, 0]);
    let fixes = BTreeMap::from([(0, Fix::Relabel(1)), (1, Fix::Keep), (2, Fix::Drop), (3, Fix::Relabel(0))]);
    let out = dir.path().join("corrected.csv");
    let corrected = write_corrected(&out, &data, &table, &fixes).unwrap();
    assert_eq!(corrected, Corrected { n_rows: 4, n_relabelled: 1, n_dropped: 1 });
    let expected =
        "file,note,y,split\na.png,\"one, two\",dog,test\nb.png,,dog,train\nc.png,,dog,test\ne.png,,cat,test\n";
    assert_eq!(std::fs::read_to_string(&out).unwrap(), expected);
    assert_eq!(std::fs::read_to_string(&manifest).unwrap(), text);

    let error =
        |path: &Path, fix| write_corrected(path, &data, &table, &BTreeMap::from([(0, fix)])).unwrap_err().to_string();
    assert!(error(&manifest, Fix::Drop).contains("stays as it is"));
    assert!(error(&out, Fix::Relabel(5)).contains("class 5 has no image"));
    let other = scanned(&["a.png", "b.png"], &[0, 1]);
    let moved = write_corrected(&out, &data, &other, &fixes).unwrap_err();
    assert!(moved.to_string().contains("has changed since the scan"), "{moved}");
}

#[test]
fn a_folder_becomes_a_table() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["cat/a.png", "cat/b.png", "dog/c.png"] {
        picture(&dir.path().join("images").join(name));
    }
    let data = DataSection { images: Some(dir.path().join("images")), ..Default::default() };
    let table = scanned(&["cat/a.png", "cat/b.png", "dog/c.png"], &[0, 0, 1]);
    let out = dir.path().join("corrected.csv");
    let fixes = BTreeMap::from([(0, Fix::Relabel(1)), (2, Fix::Drop)]);
    write_corrected(&out, &data, &table, &fixes).unwrap();
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "file_name,label\ncat/a.png,dog\ncat/b.png,cat\n");
}
