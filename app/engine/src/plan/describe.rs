//! The plan in words, for `ascan check`.

use super::{Method, RunPlan};
use crate::question::Question;
use ascan_config::sections::ChannelOrder;
use ascan_core::{OutputKind, ParamMap};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// How many classes are listed before the rest is summed up.
const N_LISTED: usize = 12;

impl RunPlan {
    /// The plan as a text of aligned lines.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.lines() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:<12} {value}");
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// The plan for machines.
    pub fn to_json(&self) -> Value {
        let [c, h, w] = self.model.input_shape;
        let requirements = &self.method.requirements;
        json!({
            "images": {
                "n": self.n_images(), "form": self.images.form, "split": self.config.data.split,
                "group_columns": self.images.group_columns,
            },
            "classes": { "n": self.question.n_answers(), "label_counts": self.label_counts() },
            "model": {
                "path": self.config.model.path, "input": self.model.input, "input_shape": [c, h, w],
                "output": self.config.model.output,
                "logits": self.model.logits, "layers": self.model.layers.iter().map(|l| &l.name).collect::<Vec<_>>(),
            },
            "backend": { "name": self.backend_name, "engine": self.model.engine, "reason": self.backend_reason },
            "attribution": {
                "plugin": self.config.attribution.plugin, "params": self.config.attribution.params,
                "target": self.config.attribution.target, "method": requirements.method,
                "gradients": requirements.gradients, "layers": requirements.layers,
                "map_size": requirements.map_size, "also": self.config.attribution.also,
            },
            "layer": self.feature_layer,
            "head": self.head(),
            "preprocess": self.preprocess.section(),
            "projection": self.config.projection,
            "slicing": self.config.slicing,
            "run": {
                "n_threads": self.n_threads, "batch_size": self.batch_size, "seed": self.config.run.seed,
                "shard_rows": self.config.run.shard_rows,
            },
            "notes": self.notes,
        })
    }

    fn n_images(&self) -> usize {
        match self.config.run.limit {
            0 => self.images.len(),
            limit => self.images.len().min(limit),
        }
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let RunPlan { config, model, method: Method { requirements, .. }, .. } = self;
        let split = config.data.split.as_ref().map_or(String::new(), |split| format!(", split \"{split}\""));
        let limited =
            if self.n_images() < self.images.len() { format!(" of {}", self.images.len()) } else { String::new() };
        let [c, h, w] = model.input_shape;
        let [map_h, map_w] = requirements.map_size;
        let groups = match &self.images.group_columns[..] {
            [] => "none known".to_owned(),
            columns => format!("{} (used only to score)", columns.join(", ")),
        };
        let layer = model.layer(&self.feature_layer).map(|layer| format!("{:?} from {}", layer.shape, layer.operator));
        let attribution = &config.attribution;
        let also: Vec<&str> = self.also.iter().map(|method| method.title.as_str()).collect();
        let also = if also.is_empty() { String::new() } else { format!("; also {}", also.join(", ")) };
        let method = if requirements.method.is_empty() { String::new() } else { format!(": {}", requirements.method) };
        vec![
            ("images", format!("{}{limited}, {}{split}", self.n_images(), self.images.form)),
            ("labels", self.labels_line()),
            ("groups", groups),
            ("model", format!("{}", config.model.path.display())),
            ("input", format!("`{}` [{c}, {h}, {w}]", model.input)),
            ("outputs", self.outputs_line()),
            ("backend", format!("{} ({}), {}", self.backend_name, model.engine, self.backend_reason)),
            ("preprocess", self.preprocess_line()),
            (
                "attribution",
                format!(
                    "{}({}) of the {} class, maps {map_h} x {map_w}{method}{also}",
                    attribution.plugin,
                    params_line(&attribution.params),
                    attribution.target,
                ),
            ),
            ("layer", format!("`{}` {}", self.feature_layer, layer.unwrap_or_default())),
            ("head", self.head().to_owned()),
            (
                "features",
                format!(
                    "{}, {}, {} part of the map, {}",
                    config.features.weighting, config.features.direction, config.features.sign, config.features.dtype
                ),
            ),
            ("projection", plugin_line(&config.projection.plugin, &config.projection.params)),
            ("slicing", plugin_line(&config.slicing.plugin, &config.slicing.params)),
            (
                "run",
                format!(
                    "{} threads, batches of {}, shards of {} images, seed {}",
                    self.n_threads, self.batch_size, config.run.shard_rows, config.run.seed
                ),
            ),
        ]
    }

    /// Whether the attribution's gradients need a backward pass.
    fn head(&self) -> &'static str {
        match (&self.model.linear_head, self.methods().any(|method| method.requirements.gradients)) {
            (_, true) => "gradients by a backward pass",
            (Some(_), false) => "pool and linear: gradients in closed form",
            (None, false) => "no gradients needed",
        }
    }

    fn outputs_line(&self) -> String {
        let RunPlan { model, classifier, .. } = self;
        let end = match model.output {
            OutputKind::Logits => String::new(),
            OutputKind::Softmax => format!(", a softmax gives `{}`", classifier.output),
            OutputKind::Sigmoid => format!(", a sigmoid for each class gives `{}`", classifier.output),
            OutputKind::Binary => format!(", from the one number of `{}`", classifier.output),
            OutputKind::MultiLabel => {
                let (no, yes) = (&self.class_names()[0], &self.class_names()[1]);
                let (n, output) = (classifier.n_scores, &classifier.output);
                let threshold = self.config.model.output.threshold;
                return format!(
                    "{n} classes of `{output}` that may be there together; asked: {yes} or {no}, from probability {threshold} on"
                );
            }
            OutputKind::Regression => {
                let tolerance = self.config.model.output.tolerance.unwrap_or_default();
                return format!(
                    "a quantity, number {} of `{}`, right within ±{tolerance}",
                    classifier.class, classifier.output
                );
            }
        };
        format!("{} classes, logits `{}`{end}", model.n_classes, model.logits)
    }

    fn preprocess_line(&self) -> String {
        let section = self.preprocess.section();
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let numbers =
            |values: &Option<Vec<f32>>| values.iter().flatten().map(f32::to_string).collect::<Vec<_>>().join(", ");
        let [_, h, w] = self.preprocess.input_shape();
        let crop = match (section.resize.as_deref(), section.crop_fraction) {
            (Some("crop"), Some(fraction)) => format!(" {fraction}"),
            _ => String::new(),
        };
        format!(
            "{}{crop} to {h} x {w} ({}), {}, (pixel * {} - [{}]) / [{}]",
            text(&section.resize),
            text(&section.interpolation),
            match &section.channels {
                Some(ChannelOrder::Named(name)) => name.clone(),
                Some(ChannelOrder::Indices(indices)) => format!("channels {indices:?} of the file"),
                None => String::new(),
            },
            section.scale.unwrap_or(1.0),
            numbers(&section.mean),
            numbers(&section.std),
        )
    }

    fn name_of_output(&self, output: usize) -> String {
        self.class_names().get(output).cloned().unwrap_or_else(|| output.to_string())
    }

    /// Images for each output that has any.
    fn label_counts(&self) -> BTreeMap<String, usize> {
        self.counts().into_iter().map(|(output, n)| (output.to_string(), n)).collect()
    }

    fn counts(&self) -> BTreeMap<usize, usize> {
        let mut counts = BTreeMap::new();
        for output in self.truth.labels[..self.n_images()].iter().filter_map(|&label| usize::try_from(label).ok()) {
            *counts.entry(output).or_insert(0) += 1;
        }
        counts
    }

    fn labels_line(&self) -> String {
        let counts = self.counts();
        let n_labelled: usize = counts.values().sum();
        let n_unknown = self.n_images() - n_labelled;
        let shown = counts.iter().take(N_LISTED).map(|(&output, n)| match self.name_of_output(output) {
            name if name == output.to_string() => format!("{output}: {n}"),
            name => format!("{output} {name}: {n}"),
        });
        let mut parts: Vec<String> = shown.collect();
        if counts.len() > N_LISTED {
            parts.push(format!("{} more", counts.len() - N_LISTED));
        }
        if n_unknown > 0 {
            parts.push(format!("unknown: {n_unknown}"));
        }
        if let Question::Quantity { .. } = self.question {
            return format!(
                "{n_labelled} quantities{}",
                if n_unknown > 0 { format!(", unknown: {n_unknown}") } else { String::new() }
            );
        }
        let answers = if matches!(self.question, Question::Class { .. }) { "outputs" } else { "answers" };
        format!("{} of {} {answers}; {}", counts.len(), self.question.n_answers(), parts.join(", "))
    }
}

fn plugin_line(name: &str, params: &ParamMap) -> String {
    if name == "none" { "none".into() } else { format!("{name}({})", params_line(params)) }
}

fn params_line(params: &ParamMap) -> String {
    params
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| format!("{key}={value}"))
        .collect::<Vec<_>>()
        .join(", ")
}
