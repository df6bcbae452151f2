//! Parameters of [`super::Optics`].

use ascan_core::{Params, Problems};
use ascan_math::points::Normalise;
use serde::{Deserialize, Serialize};

/// Parameters of [`super::Optics`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OpticsParams {
    /// Distance at which the order is cut into slices; 0 finds one, as in `dbscan`.
    pub eps: f64,
    /// Distance beyond which images are not looked at; 0 looks at all.
    pub max_eps: f64,
    /// Images within reach, itself included, that make an image a core of a slice. The default is ours.
    pub min_samples: usize,
    /// What is done to each embedding first.
    pub normalise: Normalise,
}

impl Default for OpticsParams {
    fn default() -> Self {
        Self { eps: 0.0, max_eps: 0.0, min_samples: 10, normalise: Normalise::None }
    }
}

impl Params for OpticsParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("eps", "distance at which the order is cut into slices; 0 finds one from the distances themselves"),
        ("min_samples", "images within reach, itself included, that make an image a core of a slice"),
        ("max_eps", "distance beyond which images are ignored; 0: no limit"),
        ("normalise", "\"none\" or \"l2\": whether embeddings are scaled to length 1 first"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("eps", self.eps, 0.0, 1e18);
        let hint = "raise `max_eps`, or set it to 0 to look at all images";
        let ok = self.max_eps == 0.0 || self.max_eps >= self.eps;
        problems.require(ok, "max_eps", format!("must be 0 or at least `eps`, got {}", self.max_eps), hint);
        problems.range("max_eps", self.max_eps, 0.0, 1e18);
        problems.range("min_samples", self.min_samples, 2, 1_000);
    }
}
