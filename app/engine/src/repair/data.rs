//! The images of a repair: those of the scan, and those that choose the epoch.

use crate::question::Question;
use crate::reliance::Reliance;
use crate::scanned::mask::mask;
use crate::scanned::{Labelled, Objects};
use crate::seeds::seed_of;
use crate::slices::SliceSet;
use crate::spread::Spread;
use ascan_config::sections::DataSection;
use ascan_config::sections::{Groups, RepairSection};
use ascan_core::{Error, Result, TrainingSet};
use ascan_images::ImageSet;
use ascan_store::Scan;
use ascan_store::annotations::{Annotations, Fix, Mark, Subject};
use ascan_store::table::ScanTable;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use std::collections::{BTreeMap, BTreeSet};

/// What is trained on.
pub struct Training {
    /// The images, in the order of everything below.
    pub data: Labelled,
    /// `[n]` in [0, 1].
    pub spuriousness: Vec<f32>,
    /// `[n]`, whether that comes from a verdict.
    pub is_known: Vec<bool>,
    /// Standing verdicts `spurious`.
    pub spurious_verdicts: Vec<SpuriousVerdict>,
    /// `[n]`: whether the model, when it was asked, said of the image's slice that it follows what is around the object, as the
    /// verdict does. Where the attribution lies does not count against both.
    pub is_upheld: Vec<bool>,
    /// Object maps of the images for which the model said so: what should not count there is all around the object, wherever
    /// the attribution lies. Empty before they are known.
    pub cores: Objects,
    /// `[n]`, −1 for none.
    pub groups: Vec<i32>,
    /// `[n]`
    pub predicted_classes: Vec<i32>,
    /// `[n]`: the probability that the model before gave to the label.
    pub label_probs: Vec<f32>,
    /// `[n]`: how far the model before disagrees with itself, where the method asks; see [`TrainingSet::disagreement`].
    pub disagreement: Option<Vec<f32>>,
    /// `[n]`, where somebody has looked at labels.
    pub corrected_labels: Option<Vec<i32>>,
    /// `[n]`, the raw maps, each of `map_size`.
    pub maps: Vec<Vec<f32>>,
    /// Height and width.
    pub map_size: [usize; 2],
    /// What is worth knowing, one sentence each.
    pub notes: Vec<String>,
}

/// A standing verdict `spurious`.
#[derive(Debug, Clone, PartialEq)]
pub struct SpuriousVerdict {
    /// The set of [`Labelled`].
    pub set: usize,
    /// Its images, as rows there.
    pub rows: Vec<usize>,
    /// What it was given to, as people say it.
    pub name: String,
    /// Whether the model said so too when it was asked; see [`Training::is_upheld`].
    pub is_upheld: bool,
}

impl SpuriousVerdict {
    /// Those of a scan, as its first set.
    fn all(scan: &Scan, annotations: &Annotations) -> Vec<Self> {
        let spurious = annotations.in_force().into_iter().filter(|verdict| verdict.mark() == Some(Mark::Spurious));
        let of = |subject: &Subject| match subject {
            Subject::Slice { set, slice, .. } => {
                let asked =
                    Reliance::kept(scan, set).and_then(|kept| kept.of_slice(*slice).map(|found| found.proposal().0));
                (format!("slice {slice}"), asked == Some(Some(Mark::Spurious)))
            }
            Subject::Images { rows } => (format!("{} picked images", rows.len()), false),
        };
        let verdict = |subject: &Subject| {
            let (name, is_upheld) = of(subject);
            Self { set: 0, rows: subject.rows().to_vec(), name, is_upheld }
        };
        spurious.map(|found| verdict(&found.subject)).collect()
    }
}

impl Training {
    /// The images of a scan with what was found out about them.
    ///
    /// # Errors
    /// `File` for a scan that is not finished, or whose images have moved; `Unsupported` for images of one class only.
    pub fn open(scan: &Scan, repair: &RepairSection, seed: u64) -> Result<Self> {
        let table = scan.table()?;
        let images = ImageSet::open(&scan.config.data)?;
        let is_same = images.len() >= table.n() && images.samples.iter().zip(&table.uris).all(|(s, uri)| s.uri == *uri);
        if !is_same {
            return Err(Error::file(&scan.dir, "was made from other images than those there now", "scan again"));
        }
        let rows: Vec<usize> = table.valid_rows().into_iter().filter(|&row| table.labels[row] >= 0).collect();
        let mut labels: Vec<usize> = rows.iter().map(|&row| table.labels[row] as usize).collect();
        check_classes(&labels, scan)?;
        let mut notes = Vec::new();
        if repair.shuffle_labels {
            labels.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed_of(seed, [3, 0])));
            notes.push(
                "labels are shuffled: the resulting model is a control that has learnt nothing about the classes"
                    .into(),
            );
        }
        let annotations = Annotations::read(&scan.dir)?;
        let mut spuriousness = spuriousness((scan, &annotations), &rows, &table, repair, &mut notes)?;
        let is_known = spuriousness.iter().map(|value| !value.is_nan()).collect();
        spuriousness.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = repair.unknown);
        let spurious_verdicts = SpuriousVerdict::all(scan, &annotations);
        let upheld: BTreeSet<usize> = spurious_verdicts
            .iter()
            .filter(|verdict| verdict.is_upheld)
            .flat_map(|verdict| verdict.rows.clone())
            .collect();
        let groups = match repair.groups {
            // Known once the model has run over the images, or all scans are open.
            Groups::Cue | Groups::Annotated => vec![0; rows.len()],
            Groups::Spuriousness => {
                labels.iter().zip(&spuriousness).map(|(&label, &s)| 2 * label as i32 + i32::from(s > 0.5)).collect()
            }
            Groups::Slices => {
                let set = SliceSet::load(scan, None)?;
                rows.iter().map(|&row| set.assignment[row]).collect()
            }
        };
        let corrected_labels = corrected(&annotations, scan.plan.data.n_rows, &rows, &labels);
        let is_upheld = rows.iter().map(|row| upheld.contains(row)).collect();
        let predicted_classes = rows.iter().map(|&row| table.predicted_classes[row]).collect();
        Ok(Self {
            label_probs: rows.iter().zip(&labels).map(|(&row, &label)| table.probs.row(row)[label]).collect(),
            disagreement: None,
            maps: rows.iter().map(|&row| table.maps.row(row).to_vec()).collect(),
            map_size: [table.maps.shape()[1], table.maps.shape()[2]],
            data: Labelled::of(images, rows, labels),
            spuriousness,
            is_known,
            spurious_verdicts,
            is_upheld,
            cores: Objects::default(),
            groups,
            predicted_classes,
            corrected_labels,
            notes,
        })
    }

    /// These images and then those of another scan.
    ///
    /// # Errors
    /// `Shape` for maps of another size: the scans differ in more than their images.
    pub fn append(&mut self, other: Self, groups: Groups) -> Result<()> {
        if self.map_size != other.map_size {
            let expected = format!("maps of {:?}, as in the other scan", self.map_size);
            return Err(Error::shape("attribution maps", expected, other.map_size));
        }
        if self.corrected_labels.is_some() || other.corrected_labels.is_some() {
            let own = |of: &Self| of.data.labels.iter().map(|&label| label as i32).collect();
            let more = other.corrected_labels.clone().unwrap_or_else(|| own(&other));
            let mut corrected = self.corrected_labels.take().unwrap_or_else(|| own(self));
            corrected.extend(more);
            self.corrected_labels = Some(corrected);
        }
        let n_sets = self.data.sets.len();
        let later = |verdict: SpuriousVerdict| SpuriousVerdict { set: n_sets + verdict.set, ..verdict };
        self.spurious_verdicts.extend(other.spurious_verdicts.into_iter().map(later));
        // The slices of two scans have nothing to do with each other.
        let after = self.groups.iter().max().filter(|_| groups == Groups::Slices).map_or(0, |largest| largest + 1);
        self.groups.extend(other.groups.into_iter().map(|group| if group < 0 { group } else { after + group }));
        self.data.append(other.data);
        self.spuriousness.extend(other.spuriousness);
        self.is_known.extend(other.is_known);
        self.is_upheld.extend(other.is_upheld);
        self.predicted_classes.extend(other.predicted_classes);
        self.label_probs.extend(other.label_probs);
        self.maps.extend(other.maps);
        self.notes.extend(other.notes);
        Ok(())
    }

    /// Takes the annotated groups as groups.
    ///
    /// # Errors
    /// `Unsupported` for images without.
    pub fn annotate(&mut self) -> Result<()> {
        let group = |&(set, row): &(usize, usize)| self.data.sets[set].samples[row].groups.join("/");
        let named: Vec<String> = self.data.rows.iter().map(group).collect();
        let names: BTreeSet<&String> = named.iter().collect();
        if names.len() < 2 {
            let hint = "name columns of the table in `data.columns.group`, or leave `repair.groups` out";
            return Err(Error::unsupported("`repair.groups = \"annotated\"` needs annotated groups", hint));
        }
        let ids: BTreeMap<&String, i32> = names.into_iter().zip(0..).collect();
        self.groups = named.iter().map(|name| ids[name]).collect();
        self.notes
            .push("the annotated groups are trained with: the result is a ceiling, not a repair without them".into());
        Ok(())
    }

    /// What a regularizer may choose from.
    pub fn set(&self, epoch: u64) -> TrainingSet<'_> {
        TrainingSet {
            labels: &self.data.labels,
            spuriousness: Some(&self.spuriousness),
            groups: Some(&self.groups),
            predicted_classes: Some(&self.predicted_classes),
            corrected_labels: self.corrected_labels.as_deref(),
            label_probs: Some(&self.label_probs),
            disagreement: self.disagreement.as_deref(),
            epoch,
        }
    }

    /// The frozen mask of image `i`, `[h, w]`, and its spuriousness. Where the map says nothing, both are such that
    /// no region counts less.
    pub fn mask(&self, i: usize, size: [usize; 2], absolute: bool, repair: &RepairSection) -> (Vec<f32>, f32) {
        if let Some(core) = self.cores.region(i, size) {
            return (core, 0.0);
        }
        match mask(&self.maps[i], self.map_size, size, absolute, &repair.masks) {
            Some(mask) => (mask, self.spuriousness[i]),
            None => (vec![1.0; size[0] * size[1]], 0.0),
        }
    }

    /// Holds out a share of each class for validation.
    fn hold_out(&mut self, share: f64, seed: u64) -> Vec<usize> {
        let n_classes = self.data.labels.iter().max().map_or(0, |&label| label + 1);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed_of(seed, [2, 0]));
        let mut held_out = Vec::new();
        for class in 0..n_classes {
            let mut of_class: Vec<usize> = (0..self.data.n()).filter(|&i| self.data.labels[i] == class).collect();
            of_class.shuffle(&mut rng);
            of_class.truncate((of_class.len() as f64 * share).round() as usize);
            held_out.append(&mut of_class);
        }
        held_out.sort_unstable();
        held_out
    }

    fn keep(&mut self, is_kept: &dyn Fn(usize) -> bool) {
        fn filter<T: Clone>(values: &mut Vec<T>, is_kept: &dyn Fn(usize) -> bool) {
            *values = values.iter().enumerate().filter(|(i, _)| is_kept(*i)).map(|(_, value)| value.clone()).collect();
        }
        filter(&mut self.data.rows, is_kept);
        filter(&mut self.data.labels, is_kept);
        filter(&mut self.spuriousness, is_kept);
        filter(&mut self.is_known, is_kept);
        filter(&mut self.is_upheld, is_kept);
        filter(&mut self.groups, is_kept);
        filter(&mut self.predicted_classes, is_kept);
        filter(&mut self.label_probs, is_kept);
        filter(&mut self.maps, is_kept);
        if let Some(labels) = &mut self.corrected_labels {
            filter(labels, is_kept);
        }
    }

    /// The images that choose the epoch: another split, or some of the scan's own, which are then not trained on; with
    /// shuffled labels, of which nothing holds elsewhere, those that are trained on.
    ///
    /// # Errors
    /// `UnknownName` for a split that does not exist; `Param` if it is the one that is trained on.
    pub fn validation(&mut self, scan: &Scan, repair: &RepairSection, seed: u64) -> Result<Labelled> {
        let data = &scan.config.data;
        if repair.shuffle_labels {
            return Ok(self.data.clone());
        }
        let Some(split) = &repair.validation_split else {
            let held_out = self.hold_out(repair.validation_share, seed);
            let validation = self.data.pick(&held_out);
            self.keep(&|i| held_out.binary_search(&i).is_err());
            return Ok(validation);
        };
        if data.split.as_ref() == Some(split) {
            let message = format!("`repair.validation_split`: \"{split}\" is the split that is trained on");
            return Err(Error::param("validation_split", message, "choose another, or leave it out"));
        }
        let other = DataSection { split: Some(split.clone()), ..data.clone() };
        let images = ImageSet::open(&other)?;
        let outputs = Question::of(&scan.plan.model).truth(&images, &other)?.labels;
        let known = outputs.iter().enumerate().filter_map(|(row, &label)| Some((row, usize::try_from(label).ok()?)));
        let (rows, labels) = known.unzip();
        Ok(Labelled::of(images, rows, labels))
    }
}

fn check_classes(labels: &[usize], scan: &Scan) -> Result<()> {
    let Some(&first) = labels.first() else {
        let hint = "scan images that have labels: they are what is trained on";
        return Err(Error::file(&scan.dir, "has no image with a label: the training split is empty", hint));
    };
    if labels.iter().all(|&label| label == first) {
        let name = scan.plan.model.class_names.get(first).cloned().unwrap_or_else(|| first.to_string());
        let message = format!("has images of one class only (`{name}`): a model trained on them forgets the others");
        return Err(Error::file(&scan.dir, message, "scan a training split with at least two classes"));
    }
    Ok(())
}

/// `[rows]`: what the review says, NaN where it says nothing.
fn spuriousness(
    (scan, annotations): (&Scan, &Annotations),
    rows: &[usize],
    table: &ScanTable,
    repair: &RepairSection,
    notes: &mut Vec<String>,
) -> Result<Vec<f32>> {
    let Some(spread) = Spread::load(scan)? else {
        let without = match repair.evidence {
            true => "where the object probably is decides alone".to_owned(),
            false => format!("the spuriousness of all images is {}", repair.unknown),
        };
        notes.push(format!("no verdicts were spread: {without}; spread verdicts with `ascan spread`"));
        return Ok(vec![f32::NAN; rows.len()]);
    };
    if !spread.review.accepted {
        notes.push("the spread of the marks is not accepted yet (`ascan spread SCAN --accept`)".into());
    }
    let gone = annotations.in_force().into_iter().filter(|verdict| !spread.verdicts.contains(&verdict.id)).count();
    if gone > 0 {
        notes.push(format!("{gone} verdicts are newer than the spread: run `ascan spread` to include them"));
    }
    if let Some(auroc) = spread.check.auroc.filter(|_| spread.check.is_chance()) {
        notes.push(format!(
            "the verdicts say nothing about verdicts that are held out (AUROC {auroc:.2}, chance is 0.5): they contradict each other. \
             What this repair gains, it gains from the pictures"
        ));
    }
    let (mut reviewed, at_prior) = (spread.reviewed(), spread.at_prior());
    if reviewed.len() != table.n() {
        return Err(Error::file(
            &scan.dir,
            "has a spread for another number of images",
            "spread again with `ascan spread`",
        ));
    }
    // The prior is a guess about a class, not about an image.
    for row in (0..reviewed.len()).filter(|row| at_prior[*row] && !spread.review.overrides.contains_key(row)) {
        reviewed[row] = f32::NAN;
    }
    Ok(rows.iter().map(|&row| reviewed[row]).collect())
}

/// `[rows]`: labels after decisions on them, without the images that are marked `noisy_label` and were not decided on.
fn corrected(annotations: &Annotations, n_rows: usize, rows: &[usize], labels: &[usize]) -> Option<Vec<i32>> {
    let (fixes, marks) = (annotations.fixes(), annotations.marks(n_rows));
    if fixes.is_empty() && !marks.contains(&Some(Mark::NoisyLabel)) {
        return None;
    }
    let label = |(&row, &label): (&usize, &usize)| match (fixes.get(&row), marks[row]) {
        (Some(Fix::Keep), _) => label as i32,
        (Some(Fix::Relabel(class)), _) => *class,
        (Some(Fix::Drop), _) | (None, Some(Mark::NoisyLabel)) => -1,
        (None, _) => label as i32,
    };
    Some(rows.iter().zip(labels).map(label).collect())
}
