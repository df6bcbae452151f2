//! The order in which an epoch shows its images.

use crate::seeds::seed_of;
use ascan_config::sections::{Balance, Groups, RepairSection};
use ascan_core::{Habits, Selection};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;

/// What is balanced: `auto` is decided by where groups come from, unless the method decides it. One with another aim, as the
/// control, learns nothing of what was found out.
pub fn balance_of(repair: &RepairSection, habits: Habits) -> Balance {
    match (repair.balance, repair.groups) {
        (Balance::Auto, _) if habits.balances => Balance::None,
        (Balance::Auto, Groups::Cue) if !habits.has_other_aim => Balance::Group,
        (Balance::Auto, _) => Balance::Class,
        (chosen, _) => chosen,
    }
}

/// The images of an epoch in their order, as places in the selection. Same selection, seed and epoch: same order.
///
/// With a balance each cell comes as often as any other, and the epoch is as long as without; an image of a small
/// cell comes again when all of its cell have come.
pub fn order(selection: &Selection, groups: &[i32], balance: Balance, seed: u64, epoch: u64) -> Vec<usize> {
    let n = selection.rows.len();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed_of(seed, [1, epoch]));
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut rng);
    if balance == Balance::None {
        return order;
    }
    let mut cells: BTreeMap<(usize, i32), Vec<usize>> = BTreeMap::new();
    for &place in &order {
        let group = if balance == Balance::Group { groups[selection.rows[place]] } else { 0 };
        cells.entry((selection.labels[place], group)).or_default().push(place);
    }
    let per_cell = n.div_ceil(cells.len().max(1));
    let mut balanced: Vec<usize> =
        cells.values().flat_map(|cell| cell.iter().cycle().take(per_cell).copied().collect::<Vec<_>>()).collect();
    balanced.shuffle(&mut rng);
    balanced.truncate(n);
    balanced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection() -> Selection {
        Selection { rows: (0..12).collect(), labels: [vec![0; 9], vec![1; 3]].concat() }
    }

    #[test]
    fn every_image_comes_once_in_another_order_each_epoch() {
        let orders = [0, 1].map(|epoch| order(&selection(), &[0; 12], Balance::None, 3, epoch));
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..12).collect::<Vec<_>>());
        }
        assert_ne!(orders[0], orders[1]);
        assert_eq!(orders[1], order(&selection(), &[0; 12], Balance::None, 3, 1));
    }

    #[test]
    fn a_balance_makes_cells_equally_frequent() {
        let balanced = order(&selection(), &[0; 12], Balance::Class, 0, 0);
        assert_eq!((balanced.len(), balanced.iter().filter(|&&place| place >= 9).count()), (12, 6));
        let groups = [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
        let balanced = order(&selection(), &groups, Balance::Group, 0, 0);
        assert_eq!(balanced.iter().filter(|&&place| place == 8).count(), 4);
    }
}
