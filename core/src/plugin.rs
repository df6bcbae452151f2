//! What makes a type a plugin: a config name, parameters, and a way to be made from them.

use crate::Result;
use crate::params::Params;
use serde::{Deserialize, Serialize};

/// The kinds of plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u32)]
pub enum Kind {
    /// A [`crate::Runtime`], which opens [`crate::ModelBackend`]s.
    Backend = 1,
    /// An [`crate::Attributor`].
    Attributor = 2,
    /// A [`crate::Slicer`].
    Slicer = 3,
    /// A [`crate::Projector`].
    Projector = 4,
    /// A [`crate::Regularizer`].
    Regularizer = 5,
}

impl Kind {
    /// Every kind, in the order of the data flow.
    pub const ALL: [Self; 5] = [Self::Backend, Self::Attributor, Self::Projector, Self::Slicer, Self::Regularizer];

    /// The word for it in messages and configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Attributor => "attributor",
            Self::Slicer => "slicer",
            Self::Projector => "projector",
            Self::Regularizer => "regularizer",
        }
    }

    /// The kind with this number.
    pub fn from_u32(kind: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|&known| known as u32 == kind)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What a plugin is good at: what the program goes by where the user leaves a choice to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strengths {
    /// Of a backend: forward passes of ResNet-18 beside PyTorch's on the same CPU, in percent (100: as fast), as its
    /// author measured; 0 if nobody has. `backend = "auto"` tries the fastest first.
    pub speed: u32,
    /// Of a projector that suits a map for people to look at: its parameters for one beside `n_dims`, a JSON object.
    /// The window offers it for its scatter.
    pub map_params: Option<&'static str>,
    /// Of a regularizer: what the program must know of it.
    pub habits: Habits,
}

/// What a program must know of a regularizer beside its functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Habits {
    /// It decides itself how often each image comes: `balance = "auto"` adds nothing to that.
    pub balances: bool,
    /// It is not meant to change where a model looks, so a repair by it is not checked for that.
    pub has_other_aim: bool,
    /// It needs [`crate::TrainingSet::disagreement`], which costs a pass over all images.
    pub needs_disagreement: bool,
    /// It has a direction to suppress: [`crate::Regularizer::suppress`].
    pub suppresses: bool,
}

impl Habits {
    /// None.
    pub const fn none() -> Self {
        Self { balances: false, has_other_aim: false, needs_disagreement: false, suppresses: false }
    }

    /// As the bits of a plugin's descriptor: 1 `balances`, 2 `has_other_aim`, 4 `needs_disagreement`, 8
    /// `suppresses`.
    pub(crate) const fn bits(self) -> u32 {
        self.balances as u32
            | (self.has_other_aim as u32) << 1
            | (self.needs_disagreement as u32) << 2
            | (self.suppresses as u32) << 3
    }

    /// Bits that this program does not know are left out.
    #[cfg(feature = "host")]
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self {
            balances: bits & 1 != 0,
            has_other_aim: bits & 2 != 0,
            needs_disagreement: bits & 4 != 0,
            suppresses: bits & 8 != 0,
        }
    }
}

impl Strengths {
    /// None that are known.
    pub const fn none() -> Self {
        Self { speed: 0, map_params: None, habits: Habits::none() }
    }
}

/// A type that [`crate::export_library!`] can export: it also implements the trait of its kind.
pub trait Plugin: Sized + 'static {
    /// The name in configurations: snake_case, the same as the folder's.
    const NAME: &'static str;

    /// One line for `ascan plugins`: what it does, and the paper it follows.
    const SUMMARY: &'static str;

    /// What it is good at.
    const STRENGTHS: Strengths = Strengths::none();

    /// Its parameters.
    type Params: Params;

    /// Makes one from parameters that have passed their checks.
    ///
    /// # Errors
    /// What only shows when it is made: a missing file, an engine that is not there.
    fn new(params: Self::Params) -> Result<Self>;

    /// More for `ascan plugins NAME`: the operators a backend claims, say. Plain text.
    fn detail() -> String {
        String::new()
    }
}
