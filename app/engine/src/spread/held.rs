//! Which marks are held out to check a spread.

use super::KINDS;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use std::collections::BTreeSet;

/// Fewest verdicts of a kind of which one can be held out whole: two are left to predict it from.
const FEWEST: usize = 3;
/// Most parts into which verdicts are held out.
const MOST_PARTS: usize = 5;

/// Parts of the marks that are held out one after the other, each verdict whole and once, and these verdicts;
/// `None` where a kind comes from too few of them.
///
/// Images of one slice are alike, and mostly marked together: held out one by one they would be predicted from their
/// own slice.
///
/// # Shapes
/// `kinds`, `sources`: `[n]`; the parts hold places in them.
pub(super) fn whole_verdicts(
    kinds: &[Option<usize>],
    sources: &[Option<usize>],
    rng: &mut Xoshiro256PlusPlus,
) -> Option<(Vec<Vec<usize>>, BTreeSet<usize>)> {
    let marked = || (0..kinds.len()).filter(|&at| kinds[at].is_some());
    if marked().any(|at| sources[at].is_none()) {
        return None;
    }
    let mut parts = vec![Vec::new(); MOST_PARTS];
    let mut held_out = BTreeSet::new();
    for kind in 0..KINDS.len() {
        let of_kind = || marked().filter(|&at| kinds[at] == Some(kind));
        let mut verdicts: Vec<Option<usize>> = of_kind().map(|at| sources[at]).collect();
        verdicts.sort_unstable();
        verdicts.dedup();
        if verdicts.len() < FEWEST {
            return None;
        }
        held_out.extend(verdicts.iter().flatten());
        verdicts.shuffle(rng);
        for (i, verdict) in verdicts.into_iter().enumerate() {
            parts[i % MOST_PARTS].extend(of_kind().filter(|&at| sources[at] == verdict));
        }
    }
    Some((parts, held_out))
}

/// A fifth of the marks of each kind, at least one, unless it is the only one.
pub(super) fn images(kinds: &[Option<usize>], rng: &mut Xoshiro256PlusPlus) -> Vec<usize> {
    let mut held_out = Vec::new();
    for kind in 0..KINDS.len() {
        let mut marked: Vec<usize> = (0..kinds.len()).filter(|&at| kinds[at] == Some(kind)).collect();
        marked.shuffle(rng);
        let n = if marked.len() < 2 { 0 } else { ((marked.len() + 2) / 5).max(1) };
        held_out.extend_from_slice(&marked[..n]);
    }
    held_out
}
