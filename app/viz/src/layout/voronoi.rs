//! Cells without gaps, each as large as its weight says.

use super::power::{BORDER, Cell, area_and_centroid, diagram, minus};
use crate::grid;
use crate::shape::TileShape;

/// Times that sites move to the centres of their cells, which makes cells round.
const N_ROUNDS: usize = 6;
/// Steps towards the wanted areas in a round.
const N_STEPS: usize = 12;
/// Times that a step is halved before it is given up.
const N_HALVINGS: usize = 6;
/// Areas are good enough at this share of wrongly given room.
const TOLERANCE: f64 = 0.002;
/// No cell is wanted smaller than this share of the mean: it would not show.
const MIN_OF_MEAN: f64 = 0.05;

/// A cell for each position, with areas as the weights: a centroidal power diagram; see [`super::tiles`].
///
/// The weights of the diagram are found by Newton's method: how the areas change with them is a Laplacian of the
/// edges. A step that would empty a cell is halved.
///
/// # Source
/// Nocaj and Brandes 2012 for the purpose; Kitagawa, Mérigot and Thibert 2019 for the method.
pub(super) fn tiles(positions: &[[f64; 2]], weights: &[f64], size: [f64; 2]) -> Vec<TileShape> {
    let n = positions.len();
    if n == 0 {
        return Vec::new();
    }
    let mut fit = Fit::new(start(positions, size), targets(weights, size), size);
    for _ in 0..N_ROUNDS {
        fit.adapt();
        fit.move_to_centres();
    }
    fit.adapt();
    fit.cells.iter().map(|cell| TileShape::new(corners(cell))).collect()
}

/// Where sites start: the positions, stretched to the room and far enough apart that no two coincide.
fn start(positions: &[[f64; 2]], size: [f64; 2]) -> Vec<[f64; 2]> {
    const GOLDEN_ANGLE: f64 = 2.399_963_229_728_653;
    let n = positions.len() as f64;
    let side = (size[0] * size[1] / n).sqrt();
    let [x, y] = size.map(|length| {
        let margin = side.min(length) / 2.0;
        [margin, length - margin]
    });
    let nudged = |(i, [x, y]): (usize, [f64; 2])| {
        let (sin, cos) = (i as f64 * GOLDEN_ANGLE).sin_cos();
        let radius = 0.25 * side.min(size[0]).min(size[1]) * ((i as f64 + 0.5) / n).sqrt();
        [x + radius * cos, y + radius * sin]
    };
    grid::stretched(positions, x, y).into_iter().enumerate().map(nudged).collect()
}

/// The wanted areas, which together fill the room.
fn targets(weights: &[f64], size: [f64; 2]) -> Vec<f64> {
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    let floored: Vec<f64> = match mean > 0.0 {
        true => weights.iter().map(|weight| weight.max(MIN_OF_MEAN * mean)).collect(),
        false => vec![1.0; weights.len()],
    };
    let unit = size[0] * size[1] / floored.iter().sum::<f64>();
    floored.into_iter().map(|weight| weight * unit).collect()
}

/// A diagram on its way to the wanted areas.
struct Fit {
    sites: Vec<[f64; 2]>,
    weights: Vec<f64>,
    targets: Vec<f64>,
    size: [f64; 2],
    near: Vec<Vec<usize>>,
    cells: Vec<Cell>,
    areas: Vec<f64>,
}

impl Fit {
    fn new(sites: Vec<[f64; 2]>, targets: Vec<f64>, size: [f64; 2]) -> Self {
        let n = sites.len();
        let mut fit = Self {
            weights: vec![0.0; n],
            near: vec![Vec::new(); n],
            cells: Vec::new(),
            areas: Vec::new(),
            sites,
            targets,
            size,
        };
        fit.set_weights(vec![0.0; n]);
        fit
    }

    fn set_weights(&mut self, weights: Vec<f64>) {
        self.cells = diagram(&self.sites, &weights, self.size, &mut self.near);
        self.areas = self.cells.iter().map(|cell| area_and_centroid(&corners(cell)).0).collect();
        self.weights = weights;
    }

    /// The share of the room that is with the wrong cell.
    fn error(&self) -> f64 {
        let wrong: f64 = self.areas.iter().zip(&self.targets).map(|(area, target)| (area - target).abs()).sum();
        wrong / 2.0 / (self.size[0] * self.size[1])
    }

    /// Changes the weights until the areas are as wanted, or no better.
    fn adapt(&mut self) {
        for _ in 0..N_STEPS {
            let error = self.error();
            if error < TOLERANCE {
                return;
            }
            let smallest = |areas: &[f64]| areas.iter().copied().fold(f64::INFINITY, f64::min);
            let least = smallest(&self.areas).min(smallest(&self.targets)) / 2.0;
            let step = self.newton_step();
            let (before, mut length) = (self.weights.clone(), 1.0);
            for _ in 0..N_HALVINGS {
                self.set_weights(before.iter().zip(&step).map(|(weight, step)| weight + length * step).collect());
                if smallest(&self.areas) >= least && self.error() < error {
                    break;
                }
                length /= 2.0;
            }
            if self.error() >= error || smallest(&self.areas) < least {
                self.set_weights(before);
                return;
            }
        }
    }

    /// The change of weights that would mend the areas if these changed in proportion.
    fn newton_step(&self) -> Vec<f64> {
        let n = self.sites.len();
        // How much area each edge passes on from one cell to the other, per unit of weight.
        let mut edges: Vec<Vec<(usize, f64)>> = vec![Vec::new(); n];
        for (i, cell) in self.cells.iter().enumerate() {
            for (k, &(a, other)) in cell.iter().enumerate() {
                if other != BORDER {
                    let along = minus(cell[(k + 1) % cell.len()].0, a);
                    let apart = minus(self.sites[other], self.sites[i]);
                    edges[i].push((other, along[0].hypot(along[1]) / (2.0 * apart[0].hypot(apart[1]).max(1e-12))));
                }
            }
        }
        let wanted: Vec<f64> = self.targets.iter().zip(&self.areas).map(|(target, area)| target - area).collect();
        solve(&edges, &wanted)
    }

    /// Moves each site to the centre of its cell. Weights that would then leave a cell empty are given up.
    fn move_to_centres(&mut self) {
        for (site, cell) in self.sites.iter_mut().zip(&self.cells) {
            *site = area_and_centroid(&corners(cell)).1;
        }
        self.set_weights(self.weights.clone());
        if self.areas.iter().any(|&area| area <= 0.0) {
            self.set_weights(vec![0.0; self.sites.len()]);
        }
    }
}

/// Solves the Laplacian system of the edges by conjugate gradients; the solution's sum is 0.
fn solve(edges: &[Vec<(usize, f64)>], wanted: &[f64]) -> Vec<f64> {
    let apply = |x: &[f64]| -> Vec<f64> {
        edges.iter().zip(x).map(|(edges, own)| edges.iter().map(|&(j, flow)| flow * (own - x[j])).sum()).collect()
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut solution = vec![0.0; wanted.len()];
    let mut residual = wanted.to_vec();
    let mut direction = residual.clone();
    let mut squared = dot(&residual, &residual);
    let enough = squared * 1e-8;
    for _ in 0..2 * wanted.len() {
        let flow = apply(&direction);
        let curvature = dot(&direction, &flow);
        if squared <= enough || curvature <= 0.0 {
            break;
        }
        let length = squared / curvature;
        solution.iter_mut().zip(&direction).for_each(|(s, d)| *s += length * d);
        residual.iter_mut().zip(&flow).for_each(|(r, f)| *r -= length * f);
        let next = dot(&residual, &residual);
        direction.iter_mut().zip(&residual).for_each(|(d, r)| *d = r + next / squared * *d);
        squared = next;
    }
    let mean = solution.iter().sum::<f64>() / solution.len() as f64;
    solution.iter_mut().for_each(|s| *s -= mean);
    solution
}

fn corners(cell: &Cell) -> Vec<[f64; 2]> {
    cell.iter().map(|&(corner, _)| corner).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::tests::cloud;

    #[test]
    fn areas_are_as_the_weights_and_fill_the_room() {
        let size = [900.0, 700.0];
        for n in [2, 17, 240] {
            let (positions, weights) = cloud(n);
            let tiles = tiles(&positions, &weights, size);
            let total: f64 = tiles.iter().map(TileShape::area).sum();
            assert!((total - 630_000.0).abs() < 1e-3, "{n}: {total}");
            for (i, (tile, target)) in tiles.iter().zip(targets(&weights, size)).enumerate() {
                assert!((tile.area() / target - 1.0).abs() < 0.1, "{i} of {n}: {} for {target}", tile.area());
            }
        }
    }

    #[test]
    fn cells_are_round_rather_than_long() {
        let (positions, weights) = cloud(60);
        let tiles = tiles(&positions, &weights, [900.0, 700.0]);
        let roundness = |tile: &TileShape| {
            let corners = tile.polygon.iter().zip(tile.polygon.iter().cycle().skip(1));
            let around: f64 = corners.map(|(a, b)| minus(*a, *b)).map(|[x, y]| x.hypot(y)).sum();
            4.0 * std::f64::consts::PI * tile.area() / (around * around)
        };
        let mean = tiles.iter().map(roundness).sum::<f64>() / 60.0;
        assert!(mean > 0.65 && tiles.iter().all(|tile| roundness(tile) > 0.35), "{mean}");
    }

    #[test]
    fn a_weight_of_nothing_still_has_a_cell() {
        let tiles = tiles(&[[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]], &[5.0, 0.0, 5.0], [300.0, 100.0]);
        assert!(tiles.iter().all(|tile| tile.area() > 100.0), "{tiles:?}");
        let equal = super::tiles(&[[0.0; 2]; 4], &[0.0; 4], [100.0, 100.0]);
        assert!(equal.iter().all(|tile| (tile.area() - 2500.0).abs() < 100.0), "{equal:?}");
    }
}
