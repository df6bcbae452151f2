//! The section of a page that says what people said.

use crate::judged::{Judged, mark_words};
use crate::mosaic::Scene;
use ascan_engine::slices::SliceSet;
use ascan_viz::words::images;
use serde::Serialize;

/// Lines about other things than slices of the set.
const N_ELSEWHERE: usize = 50;

/// A mark as a page shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Chip {
    /// Its name in the stylesheet.
    class: String,
    /// Its name for people.
    words: String,
    note: String,
    author: String,
}

impl Chip {
    pub fn of(judged: &Judged) -> Self {
        Self {
            class: judged.mark.name().replace('_', "-"),
            words: mark_words(judged.mark),
            note: judged.note.clone(),
            author: judged.author.clone(),
        }
    }
}

/// What is in the section.
#[derive(Debug, Serialize)]
pub(crate) struct Section {
    lines: Vec<Line>,
    n_unlisted: usize,
}

#[derive(Debug, Serialize)]
struct Line {
    /// The slice, where the page has a part about it.
    link: Option<i32>,
    subject: String,
    title: String,
    size: String,
    chip: Chip,
}

/// The slices that somebody judged, in the order of the set, then what else was judged. `is_linked` says which slices the page has
/// a part about, by their place in the set.
pub(crate) fn section(scene: &Scene, set: &SliceSet, is_linked: impl Fn(usize) -> bool) -> Section {
    let slices = set.slices.iter().enumerate().filter_map(|(at, slice)| {
        Some(Line {
            link: Some(slice.id).filter(|_| is_linked(at)),
            subject: format!("slice {}", slice.id),
            title: scene.title(slice),
            size: images(slice.size),
            chip: Chip::of(scene.verdicts.get(&slice.id)?),
        })
    });
    let elsewhere = scene.elsewhere.iter().take(N_ELSEWHERE).map(|found| Line {
        link: None,
        subject: found.subject.clone(),
        title: String::new(),
        size: images(found.n),
        chip: Chip::of(&found.judged),
    });
    Section { lines: slices.chain(elsewhere).collect(), n_unlisted: scene.elsewhere.len().saturating_sub(N_ELSEWHERE) }
}
