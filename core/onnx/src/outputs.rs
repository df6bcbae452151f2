//! Which output of a graph is that of the classes, and what each of the others seems to be.

use crate::tail::{End, Tail, is_zip_map};
use crate::unknown;
use crate::view::View;
use ascan_core::output::{OutputChoice, OutputKind};
use ascan_core::{Error, Result};
use std::collections::HashSet;

/// The output that is explained.
#[derive(Debug, Clone)]
pub(crate) struct Chosen<'f> {
    /// Its name in the graph.
    pub name: &'f str,
    pub kind: OutputKind,
    /// The tensor with the logits, in the file's own form.
    pub logits: &'f str,
    /// Numbers of the output.
    pub n_scores: usize,
    /// The one that is asked for, where one is.
    pub class: usize,
    /// Names of the classes, where the graph has them; else empty.
    pub class_names: Vec<String>,
    /// What was found and decided, one sentence each.
    pub notes: Vec<String>,
}

/// What an output seems to be.
#[derive(Debug, Clone, PartialEq)]
enum Role {
    /// A vector of numbers of the image.
    Vector,
    /// A vector with a name that says it is something else than classes.
    Named(&'static str),
    /// A list of boxes, of candidates or of words.
    Boxes,
    Steps,
    /// Numbers for each place.
    Map,
    /// The index or name of a class.
    Label,
    /// Not known, and why.
    Unknown(String),
    /// Does not depend on the image.
    Constant,
    Other,
}

/// An output of the graph.
struct Output<'f> {
    name: &'f str,
    tail: Option<Tail<'f>>,
    role: Role,
}

/// Words in the names of outputs, and what they say; the first that is found counts.
const WORDS: [(&[&str], &str); 4] = [
    (&["box", "coord", "landmark", "keypoint", "offset", "delta", "anchor", "regress"], "places or measures"),
    (&["aux"], "an auxiliary head"),
    (&["embed", "feat", "hidden", "latent", "pool"], "features"),
    (&["uncertain", "quality", "variance"], "a measure of quality"),
];

/// Words in the names of outputs of classes.
const CLASS_WORDS: [&str; 5] = ["prob", "logit", "class", "label", "softmax"];

/// Finds the output of the classes.
///
/// Unless it is named: among vectors of the image one that is computed from another, then the one that most nodes lead to,
/// then the one whose name says so. Where a quantity is asked for, the first measure, or the first vector.
///
/// # Errors
/// `File` if there is none, saying what the outputs are; `UnknownName` (`output`), `Param` (`model.output.kind`) for a
/// choice that does not fit.
pub(crate) fn choose<'f>(view: &View<'f>, choice: &OutputChoice) -> Result<Chosen<'f>> {
    let outputs: Vec<Output> =
        view.flat.graph.output.iter().map(|output| Output::of(view, output.name.as_str())).collect();
    let chosen = match &choice.name {
        Some(name) => named(view, &outputs, name)?,
        None => found(view, &outputs, choice.kind)?,
    };
    let Some(tail) = &chosen.tail else { return Err(refusal(view, &outputs)) };
    let (kind, logits) = meaning(view, chosen.name, tail, choice.kind)?;
    let mut notes = Vec::new();
    if outputs.len() > 1 {
        let list: Vec<String> = outputs.iter().map(|output| output.describe(view)).collect();
        notes.push(format!(
            "the model has {} outputs: {}; `{}` is the one explained (`model.output.name` chooses another)",
            outputs.len(),
            list.join("; "),
            chosen.name
        ));
    }
    notes.extend(match (kind, tail.end) {
        (OutputKind::Sigmoid, _) => Some(format!(
            "`{}` is a sigmoid for each of {} classes: probabilities are sigmoids and do not sum to 1",
            chosen.name, tail.n
        )),
        (OutputKind::MultiLabel, _) => Some(format!(
            "`{}` has {} classes that may be there together: a scan asks for one of them (`model.output.class`)",
            chosen.name, tail.n
        )),
        (OutputKind::Regression, _) if tail.n > 1 => Some(format!(
            "`{}` has {} numbers: a scan asks for one of them (`model.output.class`)",
            chosen.name, tail.n
        )),
        (OutputKind::Binary, end) => Some(format!(
            "`{}` is one number{}: two classes, output 0 for low values (negative) and 1 for high values (positive)",
            chosen.name,
            if end == End::Sigmoid { ", the sigmoid of a logit" } else { ", taken for a logit" }
        )),
        _ => None,
    });
    let class = choice.class.unwrap_or(0);
    if class >= tail.n && [OutputKind::MultiLabel, OutputKind::Regression].contains(&kind) {
        let message = format!("is {class}, but `{}` has {} numbers, counted from 0", chosen.name, tail.n);
        return Err(Error::param("model.output.class", message, ""));
    }
    Ok(Chosen { name: chosen.name, kind, logits, n_scores: tail.n, class, class_names: tail.names.clone(), notes })
}

/// What an output means, and the tensor with its logits.
fn meaning<'f>(view: &View, name: &str, tail: &Tail<'f>, asked: Option<OutputKind>) -> Result<(OutputKind, &'f str)> {
    let natural = match (tail.n, tail.end) {
        (1, _) => OutputKind::Binary,
        (_, End::Softmax) => OutputKind::Softmax,
        (_, End::Sigmoid) => OutputKind::Sigmoid,
        (_, End::Nothing) => OutputKind::Logits,
    };
    let wrong = |kind: OutputKind, why: String, hint: &str| {
        Err(Error::param("model.output.kind", format!("is \"{}\", but {why}", kind.name()), hint))
    };
    match asked {
        None => Ok((natural, tail.logits)),
        // The number as it is: what comes before a last sigmoid is another one.
        Some(kind @ OutputKind::Regression) => Ok((kind, tail.scores)),
        Some(kind @ OutputKind::MultiLabel) if tail.n > 1 => match tail.end {
            End::Softmax => {
                wrong(kind, format!("`{name}` is a softmax, of which the classes share one"), "use \"softmax\"")
            }
            End::Sigmoid | End::Nothing => Ok((kind, tail.logits)),
        },
        Some(kind) if (kind == OutputKind::Binary) != (tail.n == 1) => {
            let (n, hint) = (tail.n, if tail.n == 1 { "use \"binary\"" } else { "use \"sigmoid\" or \"softmax\"" });
            wrong(kind, format!("`{name}` has {n} numbers an image"), hint)
        }
        Some(kind) if kind == natural => Ok((kind, tail.logits)),
        Some(kind @ OutputKind::Softmax) => {
            let operator = view.producer(tail.scores).map_or_else(|| "no node".into(), |(_, node)| node.operator());
            wrong(kind, format!("`{name}` is given by {operator}"), "use \"logits\" for values before the softmax")
        }
        // The file gives logits, or the user knows better what its numbers mean.
        Some(kind @ OutputKind::Sigmoid) if tail.end == End::Nothing => Ok((kind, tail.logits)),
        Some(kind) => Ok((kind, tail.scores)),
    }
}

/// The output with this name.
fn named<'o, 'f>(view: &View<'f>, outputs: &'o [Output<'f>], name: &str) -> Result<&'o Output<'f>> {
    let Some(output) = outputs.iter().find(|output| output.name == name) else {
        return Err(Error::unknown_name("output", name, outputs.iter().map(|output| output.name)));
    };
    match output.tail {
        Some(_) => Ok(output),
        None => Err(Error::param(
            "model.output.name",
            format!("is no vector of classes: {}", output.describe(view)),
            "choose an output [n, n_classes]",
        )),
    }
}

/// The output of the classes, by what the graph says.
fn found<'o, 'f>(view: &View<'f>, outputs: &'o [Output<'f>], asked: Option<OutputKind>) -> Result<&'o Output<'f>> {
    let detects = view.flat.nodes.iter().any(|node| node.op_type.contains("NonMaxSuppression"));
    if detects || outputs.iter().any(|output| output.role == Role::Boxes) {
        return Err(refusal(view, outputs));
    }
    let mut left: Vec<&Output> = outputs.iter().filter(|output| output.tail.is_some()).collect();
    let measures = Role::Named(WORDS[0].1);
    if asked == Some(OutputKind::Regression) {
        if left.iter().any(|output| output.role == measures) {
            left.retain(|output| output.role == measures);
        }
        return left.first().copied().ok_or_else(|| refusal(view, outputs));
    }
    left.retain(|output| output.role != measures);
    if left.iter().any(|output| output.n() > 1) {
        left.retain(|output| output.n() > 1);
    }
    // Each step keeps at least one.
    let mut prefer = |wanted: &dyn Fn(&Output, &[&Output]) -> bool| {
        let kept: Vec<&Output> = left.iter().copied().filter(|output| wanted(output, &left)).collect();
        if !kept.is_empty() {
            left = kept;
        }
    };
    let all: Vec<HashSet<&str>> = outputs.iter().map(|output| output.ancestors(view)).collect();
    let ancestors = |output: &Output| outputs.iter().position(|other| other.name == output.name).map(|at| &all[at]);
    let leads_to = |a: &Output, b: &Output| {
        let from = a.tail.as_ref().map(|tail| tail.logits);
        a.name != b.name && ancestors(b).zip(from).is_some_and(|(names, from)| names.contains(from))
    };
    // Logits from an embedding, probabilities from logits. Of two that come from each other (logits under two names), both.
    prefer(&|output, left| !left.iter().any(|other| leads_to(output, other) && !leads_to(other, output)));
    prefer(&|output, _| !matches!(output.role, Role::Named(_)));
    prefer(&|output, _| output.is_softmax() || !looks_like_box(output, outputs));
    let n_nodes = |output: &Output| {
        let names = ancestors(output).into_iter().flatten();
        names.filter_map(|name| Some(view.producer(name)?.0)).collect::<HashSet<_>>().len()
    };
    prefer(&|output, left| left.iter().all(|other| n_nodes(other) <= n_nodes(output)));
    prefer(&|output, _| CLASS_WORDS.iter().any(|word| output.name.to_lowercase().contains(word)));
    prefer(&|output, _| output.is_softmax());
    left.first().copied().ok_or_else(|| refusal(view, outputs))
}

/// Four numbers beside an output of another length, and no word of classes: most likely a box.
fn looks_like_box(output: &Output, outputs: &[Output]) -> bool {
    let others = outputs.iter().filter(|other| other.tail.is_some() && other.name != output.name);
    output.n() == 4 && others.into_iter().any(|other| other.n() != 4)
}

/// Why no output is taken.
fn refusal(view: &View, outputs: &[Output]) -> Error {
    let list: Vec<String> = outputs.iter().map(|output| output.describe(view)).collect();
    let list = list.join("; ");
    let any = |role: &dyn Fn(&Role) -> bool| outputs.iter().any(|output| role(&output.role));
    let detects = view.flat.nodes.iter().any(|node| node.op_type.contains("NonMaxSuppression"));
    const USE: &str = "use a classifier of whole images";
    const MEASURES: &str = "`model.output.kind = \"regression\"` scans a model of one quantity";
    let (message, hint) = if detects || any(&|role| *role == Role::Boxes) {
        (format!("the model finds objects (a detector), and does not classify images; its outputs: {list}"), USE)
    } else if any(&|role| matches!(role, Role::Unknown(_))) {
        (
            format!("no output [n, n_classes] is recognised; its outputs: {list}"),
            "export the model with shapes (`onnx.shape_inference.infer_shapes`), or without that operator",
        )
    } else if any(&|role| *role == Role::Map) {
        (format!("the model gives maps (as for segmentation), and does not classify images; its outputs: {list}"), USE)
    } else if any(&|role| *role == Role::Steps) {
        (format!("the model gives sequences, and does not classify images; its outputs: {list}"), USE)
    } else if any(&|role| *role == Role::Named(WORDS[0].1)) {
        (format!("the model gives places or measures, and no classes; its outputs: {list}"), MEASURES)
    } else {
        (
            format!("the model has no output [n, n_classes]; its outputs: {list}"),
            "use a classifier; a model of features or boxes has no classes to explain",
        )
    };
    Error::file(&view.flat.model.path, message, hint)
}

impl<'f> Output<'f> {
    fn of(view: &View<'f>, name: &'f str) -> Self {
        let tail = Tail::of(view, name);
        let role = role(view, name, tail.as_ref());
        Self { name, tail, role }
    }

    fn n(&self) -> usize {
        self.tail.as_ref().map_or(0, |tail| tail.n)
    }

    fn is_softmax(&self) -> bool {
        self.tail.as_ref().is_some_and(|tail| tail.end == End::Softmax)
    }

    fn ancestors(&self, view: &View<'f>) -> HashSet<&'f str> {
        self.tail.as_ref().map(|tail| view.ancestors(tail.scores)).unwrap_or_default()
    }

    /// For messages: name, shape and what it seems to be.
    fn describe(&self, view: &View) -> String {
        let name = self.name;
        let shape = view.shape(name).map(|shape| {
            let first =
                |(i, &dim): (usize, &usize)| if i == 0 && dim == view.batch { "n".into() } else { dim.to_string() };
            format!(" [{}]", shape.iter().enumerate().map(first).collect::<Vec<_>>().join(", "))
        });
        let zip_map = view.producer(name).is_some_and(|(_, node)| is_zip_map(node));
        let what = match (&self.role, &self.tail) {
            (Role::Named(what), _) => (*what).to_owned(),
            (Role::Vector, Some(tail)) if zip_map => format!("{} classes by name", tail.n),
            (Role::Vector, Some(tail)) => match (tail.n, tail.end) {
                (1, End::Sigmoid) => "the sigmoid of one number".to_owned(),
                (1, _) => "one number".to_owned(),
                (n, End::Softmax) => format!("probabilities of {n} classes"),
                (n, End::Sigmoid) => format!("sigmoids of {n} classes"),
                (n, End::Nothing) => format!("{n} logits or features"),
            },
            (Role::Boxes, _) => "boxes or candidates".to_owned(),
            (Role::Steps, _) => "a sequence".to_owned(),
            (Role::Map, _) => "a map".to_owned(),
            (Role::Label, _) => "the class itself".to_owned(),
            (Role::Constant, _) => "the same for every image".to_owned(),
            (Role::Unknown(why), _) => return format!("`{name}` of unknown shape{why}"),
            (Role::Vector | Role::Other, _) => "not a vector of numbers".to_owned(),
        };
        format!("`{name}`{} ({what})", shape.unwrap_or_default())
    }
}

fn role(view: &View, name: &str, tail: Option<&Tail>) -> Role {
    let lower = name.to_lowercase();
    let word = WORDS.iter().find(|(words, _)| words.iter().any(|word| lower.contains(word))).map(|(_, what)| *what);
    let is_class = CLASS_WORDS.iter().any(|word| lower.contains(word));
    if tail.is_some() {
        let says_otherwise = |what: &&str| !is_class || *what == WORDS[1].1;
        return word.filter(says_otherwise).map_or(Role::Vector, Role::Named);
    }
    let Some(fact) = view.facts.get(name) else { return Role::Unknown(", which no node gives".to_owned()) };
    let gives = |operator: &str| view.producer(name).is_some_and(|(_, node)| node.op_type == operator);
    if gives("LabelEncoder") || gives("ArgMax") || gives("ArrayFeatureExtractor") {
        return Role::Label;
    }
    let Some(shape) = &fact.shape else { return Role::Unknown(unknown::reason(view, name)) };
    if !fact.image {
        return Role::Constant;
    }
    match shape.as_slice() {
        [_, _, last] if word == Some(WORDS[0].1) || (*last == 4 && view.flat.graph.output.len() > 1) => Role::Boxes,
        // Many candidates with box, confidence and classes in a row, as YOLO gives them.
        [_, a, b] if (*a).max(*b) >= 100 && (*a).min(*b) >= 5 && is_detector(name) => Role::Boxes,
        [_, _, _] => Role::Steps,
        [_, _, h, w] if h * w > 1 => Role::Map,
        _ if !fact.is_float() => Role::Label,
        _ => Role::Other,
    }
}

/// Names that exporters of detectors give.
fn is_detector(name: &str) -> bool {
    let lower = name.to_lowercase();
    ["output0", "det", "box", "anchor", "candidate"].iter().any(|word| lower.contains(word))
}
