//! The tables of an export: one row per image, and one row per slice.

use super::Export;
use crate::judged::Judged;
use serde_json::{Map, Value, json};

/// A table by columns.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Names and values, all of one length.
    pub columns: Vec<(String, Column)>,
}

/// A column; `None` is an empty cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Whole numbers.
    Int(Vec<Option<i64>>),
    /// Numbers.
    Float(Vec<Option<f64>>),
    /// Yes and no.
    Bool(Vec<Option<bool>>),
    /// Text.
    Text(Vec<Option<String>>),
}

impl Table {
    fn add(&mut self, name: impl Into<String>, column: Column) {
        self.columns.push((name.into(), column));
    }

    fn ints(&mut self, name: impl Into<String>, values: impl Iterator<Item = Option<i64>>) {
        self.add(name, Column::Int(values.collect()));
    }

    fn floats(&mut self, name: impl Into<String>, values: impl Iterator<Item = Option<f64>>) {
        self.add(name, Column::Float(values.map(|v| v.filter(|v| v.is_finite())).collect()));
    }

    fn bools(&mut self, name: impl Into<String>, values: impl Iterator<Item = Option<bool>>) {
        self.add(name, Column::Bool(values.collect()));
    }

    fn text(&mut self, name: impl Into<String>, values: impl Iterator<Item = Option<String>>) {
        self.add(name, Column::Text(values.collect()));
    }

    /// Three columns of what people said: the mark, why, and who.
    fn verdicts<'a, I: Iterator<Item = Option<&'a Judged>>>(&mut self, said: impl Fn() -> I) {
        let known = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        self.text("verdict", said().map(|said| Some(said?.mark.name().to_owned())));
        self.text("verdict_comment", said().map(|said| known(&said?.note)));
        self.text("verdict_author", said().map(|said| known(&said?.author)));
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        match self.columns.first() {
            None => 0,
            Some((_, Column::Int(values))) => values.len(),
            Some((_, Column::Float(values))) => values.len(),
            Some((_, Column::Bool(values))) => values.len(),
            Some((_, Column::Text(values))) => values.len(),
        }
    }

    /// One row as a JSON object, empty cells as `null`.
    pub fn row(&self, i: usize) -> Map<String, Value> {
        let cell = |column: &Column| match column {
            Column::Int(values) => json!(values[i]),
            Column::Float(values) => json!(values[i]),
            Column::Bool(values) => json!(values[i]),
            Column::Text(values) => json!(values[i]),
        };
        self.columns.iter().map(|(name, column)| (name.clone(), cell(column))).collect()
    }

    /// All rows.
    pub fn to_json(&self) -> Vec<Map<String, Value>> {
        (0..self.n_rows()).map(|i| self.row(i)).collect()
    }
}

impl Export<'_> {
    /// One row per image: what the scan found, the annotated groups, and the slice of each slice set.
    pub fn samples(&self) -> Table {
        let scan = self.table;
        let n = 0..scan.n();
        let class = |class: i32| (class >= 0).then_some(i64::from(class));
        let ok = |i: &usize| scan.errors[*i].is_none();
        let mut table = Table::default();
        table.ints("id", n.clone().map(|i| Some(i as i64)));
        table.text("uri", scan.uris.iter().cloned().map(Some));
        table.ints("label", scan.labels.iter().map(|&v| class(v)));
        table.ints("prediction", scan.predicted_classes.iter().map(|&v| class(v)));
        if !self.class_names.is_empty() {
            let names = |classes: &[i32]| -> Vec<Option<String>> {
                classes.iter().map(|&v| self.class_name(v).map(str::to_owned)).collect()
            };
            table.text("label_name", names(&scan.labels).into_iter());
            table.text("prediction_name", names(&scan.predicted_classes).into_iter());
        }
        let right = |i| (scan.labels[i] >= 0 && ok(&i)).then(|| scan.labels[i] == scan.predicted_classes[i]);
        table.bools("right", n.clone().map(right));
        table.floats("confidence", n.clone().map(|i| ok(&i).then(|| scan.confidences[i].into())));
        table.floats("loss", scan.losses.iter().map(|&v| Some(v.into())));
        table.ints("target_class", scan.target_classes.iter().map(|&v| class(v)));
        table.bools("attribution_empty", n.clone().map(|i| ok(&i).then(|| scan.attribution_empty[i])));
        if let Some(deltas) = &scan.convergence_delta {
            table.floats("convergence_delta", deltas.iter().map(|&v| Some(v.into())));
        }
        if let Some(agreement) = &scan.agreement {
            table.floats("agreement", agreement.iter().map(|&v| Some(v.into())));
        }
        table.text("error", scan.errors.iter().cloned());
        if let Some(splits) = &scan.splits {
            table.text("split", splits.iter().cloned().map(Some));
        }
        if let Some(masks) = &scan.masks {
            table.text("mask", masks.iter().cloned().map(Some));
        }
        table.verdicts(|| n.clone().map(|i| self.review.of_image(i)));
        table.floats("spuriousness", n.clone().map(|i| self.review.spuriousness.get(i).map(|&v| v.into())));
        for group in &scan.groups {
            table.text(format!("group_{}", group.name), group.values.iter().cloned().map(Some));
        }
        for set in self.slice_sets {
            let slice = |i: usize| ok(&i).then(|| i64::from(set.assignment[i]));
            table.ints(format!("slice_{}", set.id), n.clone().map(slice));
            let said =
                |i: usize| self.review.of_slice(&set.id, set.assignment[i]).map(|said| said.mark.name().to_owned());
            table.text(format!("slice_verdict_{}", set.id), n.clone().map(said));
        }
        table
    }

    /// One row per slice of each set, including the images in no slice.
    pub fn slices(&self) -> Table {
        let sets = self.slice_sets.iter();
        let rows: Vec<_> = sets.flat_map(|set| set.slices.iter().chain(&set.noise).map(|s| (&set.id, s))).collect();
        let all = || rows.iter().map(|(_, slice)| *slice);
        let cell = |s: &ascan_engine::slices::SliceReport| s.confusion.first().copied();
        let mut table = Table::default();
        table.text("slice_set", rows.iter().map(|(id, _)| Some((*id).clone())));
        table.ints("id", all().map(|s| Some(s.id.into())));
        table.ints("size", all().map(|s| Some(s.size as i64)));
        table.floats("accuracy", all().map(|s| s.accuracy));
        table.floats("gap", all().map(|s| s.gap));
        table.floats("interval_low", all().map(|s| s.interval.map(|[low, _]| low)));
        table.floats("interval_high", all().map(|s| s.interval.map(|[_, high]| high)));
        table.floats("q_value", all().map(|s| s.q_value));
        table.bools("needs_verdict", all().map(|s| Some(s.needs_verdict)));
        table.verdicts(|| rows.iter().map(|(set, slice)| self.review.of_slice(set, slice.id)));
        table.floats("mean_confidence", all().map(|s| Some(s.mean_confidence)));
        table.floats("mean_loss", all().map(|s| s.mean_loss));
        table.floats("coherence", all().map(|s| s.coherence));
        table.floats("compactness", all().map(|s| s.compactness));
        table.ints("main_label", all().map(|s| cell(s).map(|cell| cell.label.into())));
        table.ints("main_prediction", all().map(|s| cell(s).map(|cell| cell.predicted_class.into())));
        table.ints("main_count", all().map(|s| cell(s).map(|cell| cell.count as i64)));
        if rows.iter().any(|(_, slice)| !slice.groups.is_empty()) {
            let main = |s: &ascan_engine::slices::SliceReport| {
                s.groups.iter().max_by_key(|(_, n)| **n).map(|(g, _)| g.clone())
            };
            table.text("main_group", all().map(main));
            table.ints("main_group_count", all().map(|s| s.groups.values().max().map(|&n| n as i64)));
        }
        table
    }
}
