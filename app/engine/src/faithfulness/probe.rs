//! The images and the model that all methods are judged with, and how a method's maps are judged.

use super::maps::{Map, Subject};
use super::masks::{masks, overlap};
use super::removal::{self, Curves, Removal};
use super::{Figure, MethodReport, sensitivity};
use crate::scanned;
use crate::seeds::seed_of;
use crate::workers::logits;
use ascan_config::host::PluginHost;
use ascan_core::{Context, Kind, OpenModel, OutputKind, Result, Runtime, metrics};
use ascan_images::Preprocess;
use ascan_math::likeness::agreement;
use ascan_store::Scan;
use ascan_store::table::ScanTable;

/// The images, and what the model says of them whatever the method.
pub(super) struct Probe {
    pub subjects: Vec<Subject>,
    /// Height and width of the model's input.
    pub size: [usize; 2],
    /// `[c, h, w]` each, as the model takes them.
    pub images: Vec<Vec<f32>>,
    blurred: Vec<Vec<f32>>,
    masks: Vec<Option<Vec<f32>>>,
    answers: Vec<Answer>,
    runtime: Box<dyn Runtime>,
    open: OpenModel,
    kind: OutputKind,
}

/// What the model says of one image and its standard disturbances.
struct Answer {
    prob: f64,
    blurred_prob: f64,
    /// How far the target's logit falls without each subset of sensitivity-n.
    falls: Vec<f64>,
}

impl Probe {
    /// Loads the images and runs the model on them, on their blurred forms and without each subset.
    ///
    /// # Errors
    /// `File` if images or model have gone; `Cancelled`.
    pub fn new(
        scan: &Scan,
        host: &PluginHost,
        table: &ScanTable,
        subjects: Vec<Subject>,
        context: &Context,
    ) -> Result<Self> {
        let (model, plan) = (&scan.config.model, &scan.plan);
        host.ask(&scan.dir, Kind::Backend, &plan.model.backend, &plan.model.params)?;
        let set = scanned::images(scan)?;
        let preprocess = Preprocess::new(&model.preprocess, plan.model.input_shape)?;
        let images = subjects.iter().map(|subject| preprocess.load(&set, subject.row)).collect::<Result<Vec<_>>>()?;
        let [_, h, w] = plan.model.input_shape;
        let mut probe = Self {
            size: [h, w],
            blurred: images.iter().map(|image| removal::blurred(image, [h, w])).collect(),
            images,
            masks: masks(scan, table, subjects.iter().map(|subject| subject.row)),
            answers: Vec::new(),
            runtime: host.backend(&plan.model.backend, &plan.model.params)?,
            open: model.open(1),
            kind: plan.model.output_kind(),
            subjects,
        };
        let per_image = 2 + sensitivity::N_SUBSETS;
        let seed = context.seed;
        let logits = probe.ask(per_image, context, &|i, k| match k {
            0 => probe.images[i].clone(),
            1 => probe.blurred[i].clone(),
            _ => sensitivity::without(&probe.images[i], &sensitivity::subset([h, w], seed, k - 2)),
        })?;
        let answers = probe.subjects.iter().zip(logits.chunks_exact(per_image)).map(|(subject, logits)| {
            let logit = |k: usize| f64::from(logits[k][subject.target_class]);
            Answer {
                prob: prob(probe.kind, &logits[0], subject.target_class),
                blurred_prob: prob(probe.kind, &logits[1], subject.target_class),
                falls: (2..per_image).map(|k| logit(0) - logit(k)).collect(),
            }
        });
        probe.answers = answers.collect();
        Ok(probe)
    }

    /// Logits of `per_image` disturbances of every image, image by image.
    fn ask(
        &self,
        per_image: usize,
        context: &Context,
        disturb: &(dyn Fn(usize, usize) -> Vec<f32> + Sync),
    ) -> Result<Vec<Vec<f32>>> {
        let load = |i: usize| Ok(disturb(i / per_image, i % per_image));
        let found = logits(&*self.runtime, &self.open, self.subjects.len() * per_image, &load, context)?;
        // Disturbed images are all there: nothing is read from a file here.
        Ok(found.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// All figures of a method's maps that need no other method.
    ///
    /// # Errors
    /// What the backend reports; `Cancelled`.
    pub fn judge(&self, name: &str, maps: &[Option<Map>], context: &Context) -> Result<MethodReport> {
        let removals = removal::removals();
        let blank = vec![0.0; self.size[0] * self.size[1]];
        let seed_of = |i: usize| seed_of(context.seed, [19, self.subjects[i].row as u64]);
        let values = |i: usize| maps[i].as_ref().map_or(&blank, |map| &map.values);
        let rankings: Vec<Vec<u32>> = (0..maps.len()).map(|i| removal::ranking(values(i), seed_of(i))).collect();
        let logits = self.ask(removals.len(), context, &|i, k| {
            let removal: Removal = removals[k];
            removal.apply(&self.images[i], &self.blurred[i], &rankings[i], self.size, seed_of(i))
        })?;
        let of_image = |i: usize| -> Option<Curves> {
            maps[i].as_ref()?;
            let (answer, class) = (&self.answers[i], self.subjects[i].target_class);
            let probs: Vec<f64> = logits[i * removals.len()..][..removals.len()]
                .iter()
                .map(|logits| prob(self.kind, logits, class))
                .collect();
            Some(Curves::of(answer.prob, answer.blurred_prob, &probs))
        };
        let by_image: Vec<Option<Curves>> = (0..maps.len()).map(of_image).collect();
        let curves: Vec<Curves> = by_image.iter().flatten().copied().collect();
        let made = || maps.iter().enumerate().filter_map(|(i, map)| Some((i, map.as_ref()?)));
        let on_object = || made().filter_map(|(i, map)| Some((map, self.masks[i].as_ref()?)));
        let positive = |map: &Map| map.values.iter().map(|value| value.max(0.0)).collect::<Vec<f32>>();
        let hits = |(map, mask): (&Map, &Vec<f32>)| f64::from(u8::from(mask[metrics::argmax(&map.values)] > 0.5));
        Ok(MethodReport {
            name: name.to_owned(),
            n_failed: maps.iter().filter(|map| map.is_none()).count(),
            n_empty: made().filter(|(_, map)| map.values.iter().all(|&value| value == 0.0)).count(),
            n_on_border: made().filter(|(_, map)| self.is_on_border(metrics::argmax(&map.values))).count(),
            deletion: Figure::of(curves.iter().map(|curves| curves.deletion)),
            insertion: Figure::of(curves.iter().map(|curves| curves.insertion)),
            road: Figure::of(curves.iter().map(|curves| curves.road)),
            road_by_image: by_image.iter().map(|curves| curves.map_or(f64::NAN, |curves| curves.road)).collect(),
            sensitivity_n: Figure::of(made().filter_map(|(i, map)| {
                sensitivity::correlation(&map.values, self.size, context.seed, &self.answers[i].falls)
            })),
            energy: Figure::of(on_object().filter_map(|(map, mask)| Some(overlap(&positive(map), mask)?.0))),
            pointing: Figure::of(on_object().map(hits)),
            convergence_delta: Figure::of(made().filter_map(|(_, map)| Some(f64::from(map.convergence_delta?.abs())))),
            seconds: Figure::of(made().map(|(_, map)| map.seconds)),
            ..MethodReport::default()
        })
    }

    fn is_on_border(&self, place: usize) -> bool {
        let [h, w] = self.size;
        let (y, x) = (place / w, place % w);
        let edge = |at: usize, n: usize| at < n / 16 || at >= n - n / 16;
        edge(y, h) || edge(x, w)
    }

    /// How alike the maps of two methods are, for each image that has both.
    pub fn likenesses<'a>(&'a self, a: &'a [Option<Map>], b: &'a [Option<Map>]) -> impl Iterator<Item = f64> + 'a {
        let pairs = a.iter().zip(b).filter_map(|(a, b)| Some((a.as_ref()?, b.as_ref()?)));
        pairs.filter_map(|(a, b)| agreement(&[(&a.values, self.size), (&b.values, self.size)]))
    }
}

/// The probability of a class.
fn prob(kind: OutputKind, logits: &[f32], class: usize) -> f64 {
    kind.probs(logits).get(class).map_or(f64::NAN, |&prob| f64::from(prob))
}
