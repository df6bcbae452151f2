//! What was found, in words.

use super::{CHANCE, EDGES, Figure, MethodReport};

/// A map that is more alike than this to that of a randomised model does not depend on what the model has learnt.
const DEAF: f64 = 0.5;

/// Names of the figures of [`MethodReport::figures`], each with what it means.
pub const HEADINGS: [(&str, &str); 11] = [
    (
        "ROAD",
        "half the difference in probability between removing the least and the most important pixels; high is good, chance is 0",
    ),
    ("deletion", "mean probability as the most important pixels are set to zero; low is good"),
    ("insertion", "mean probability as the most important pixels are restored; high is good"),
    ("sens-n", "correlation of sums of the map with drops of the logit; high is good, chance is 0"),
    ("energy", "share of the attribution in the object's mask"),
    ("pointing", "share of images whose largest attribution lies in the object's mask"),
    ("randomised", "rank correlation with the map of a model with shuffled weights; near 0 is good"),
    ("shuffled", "rank correlation with the map of a model trained on shuffled labels; near 0 is good"),
    ("agreement", "rank correlation with the other methods' maps"),
    ("ms", "milliseconds per image, on one thread"),
    ("MiB", "peak memory while the maps were made"),
];

impl MethodReport {
    /// Whether this is a control and no method.
    pub fn is_control(&self) -> bool {
        self.name == CHANCE || self.name == EDGES
    }

    /// The figures in the order of [`HEADINGS`]; `-` for what is not known.
    pub fn figures(&self) -> [String; 11] {
        let number = |figure: Option<Figure>| figure.map_or_else(|| "-".into(), |figure| format!("{:.3}", figure.mean));
        let road = self.road.map_or_else(|| "-".into(), |road| format!("{:.3} ± {:.3}", road.mean, road.error));
        let seconds = self.seconds.filter(|figure| figure.mean > 0.0);
        let ms = seconds.map_or_else(|| "-".into(), |seconds| format!("{:.0}", seconds.mean * 1e3));
        let mib = self.peak_mib.map_or_else(|| "-".into(), |peak| format!("{peak:.0}"));
        let numbers = [
            self.deletion,
            self.insertion,
            self.sensitivity_n,
            self.energy,
            self.pointing,
            self.randomised,
            self.shuffled_labels,
            self.agreement,
        ];
        let [deletion, insertion, sensitivity, energy, pointing, randomised, shuffled, agreement] = numbers.map(number);
        [road, deletion, insertion, sensitivity, energy, pointing, randomised, shuffled, agreement, ms, mib]
    }

    /// What is odd about the maps; empty if nothing is.
    pub fn remarks(&self) -> String {
        let counts = [(self.n_failed, "failed"), (self.n_empty, "empty"), (self.n_on_border, "largest on the border")];
        let counts = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
        let delta = self.convergence_delta.map(|delta| format!("convergence delta {:.3}", delta.mean));
        counts.chain(delta).collect::<Vec<_>>().join(", ")
    }
}

/// What to make of it.
pub(super) fn verdict(methods: &[MethodReport]) -> Vec<String> {
    let control = |name: &str| methods.iter().find(|report| report.name == name);
    let ranked: Vec<(&MethodReport, Figure)> = methods
        .iter()
        .filter(|report| !report.is_control())
        .filter_map(|report| Some((report, report.road?)))
        .collect();
    let Some(&(best, best_road)) = ranked.first() else {
        return vec!["No method works with this model.".into()];
    };
    // On the same images: what is hard for one method is hard for the other.
    let is_better = |a: &MethodReport, b: &MethodReport| {
        let gaps = a.road_by_image.iter().zip(&b.road_by_image).map(|(a, b)| a - b);
        Figure::of(gaps).is_some_and(|gap| gap.mean > 2.0 * gap.error)
    };
    let named = |reports: Vec<&MethodReport>| -> String {
        reports.iter().map(|report| format!("`{}`", report.name)).collect::<Vec<_>>().join(", ")
    };
    let mut lines = Vec::new();
    if control(CHANCE).is_some_and(|chance| !is_better(best, chance)) {
        lines.push(format!(
            "No method is better than chance on these images, not even `{}`, which comes first.",
            best.name
        ));
        return lines;
    }
    let as_good: Vec<&MethodReport> = ranked[1..].iter().map(|(r, _)| *r).filter(|r| !is_better(best, r)).collect();
    let tied = match as_good.len() {
        _ if ranked.len() == 1 => "no other method was tested".to_owned(),
        0 => "no other method comes close".to_owned(),
        _ => format!("these images cannot tell it from {}", named(as_good)),
    };
    let (mean, error) = (best_road.mean, best_road.error);
    lines.push(format!("Trust `{}` most on this model (ROAD {mean:.3} ± {error:.3}); {tied}.", best.name));
    for (name, what) in [(CHANCE, "chance"), (EDGES, "the edges of the image")] {
        let Some(control) = control(name) else { continue };
        let worse: Vec<&MethodReport> = ranked.iter().map(|(r, _)| *r).filter(|r| !is_better(r, control)).collect();
        if !worse.is_empty() {
            lines.push(format!("Not shown to be better than {what}: {}.", named(worse)));
        }
    }
    let deaf: Vec<String> = methods
        .iter()
        .filter(|report| report.randomised.is_some_and(|figure| figure.mean > DEAF))
        .map(|report| format!("`{}` ({:.2})", report.name, report.randomised.map_or(0.0, |figure| figure.mean)))
        .collect();
    if !deaf.is_empty() {
        lines.push(format!("Hardly changed when the model's weights were randomised: {}.", deaf.join(", ")));
    }
    lines
}
