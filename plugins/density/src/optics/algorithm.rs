//! OPTICS: an order of the rows in which dense places are valleys of the reachability distance.

use ascan_core::Result;
use ascan_math::points::Points;
use ascan_math::tiles::sq_distance;

/// Rows between two reports of progress.
const BATCH: usize = 256;

/// The order, and how far each row is from what came before it.
pub struct Order {
    /// Rows in the order in which they are reached.
    pub rows: Vec<usize>,
    /// `[n]` by row: squared; infinite where a row was not reached from another.
    pub sq_reachability: Vec<f32>,
}

/// Always goes on to the row that is reached from the least distance; to the first row, if none is.
///
/// Nothing but the distances from the current row is kept: memory is that of a few columns, time that of all pairs.
///
/// # Errors
/// What `progress` says.
pub fn order(
    points: &Points,
    sq_core: &[f32],
    sq_max_eps: f32,
    mut progress: impl FnMut(usize, usize) -> Result<()>,
) -> Result<Order> {
    let n = points.n();
    let mut sq_reachability = vec![f32::INFINITY; n];
    let mut rows = Vec::with_capacity(n);
    // In their order, so that the first of equals is the first row.
    let mut left: Vec<usize> = (0..n).collect();
    while !left.is_empty() {
        if rows.len() % BATCH == 0 {
            progress(rows.len(), n)?;
        }
        let mut next = 0;
        for (at, &row) in left.iter().enumerate() {
            if sq_reachability[row] < sq_reachability[left[next]] {
                next = at;
            }
        }
        let row = left.remove(next);
        rows.push(row);
        if sq_core[row] > sq_max_eps {
            continue;
        }
        for &other in &left {
            // A row that is nearer to something than this row is dense cannot come nearer.
            if sq_reachability[other] > sq_core[row] {
                let distance = sq_distance(points.row(row), points.row(other));
                if distance <= sq_max_eps {
                    sq_reachability[other] = sq_reachability[other].min(distance.max(sq_core[row]));
                }
            }
        }
    }
    progress(n, n)?;
    Ok(Order { rows, sq_reachability })
}

impl Order {
    /// The slices at a distance: a new one wherever a core was not reached within it.
    pub fn cut(&self, sq_core: &[f32], sq_eps: f32) -> (Vec<Option<usize>>, usize) {
        let mut slices = vec![None; self.rows.len()];
        let mut n_slices = 0;
        for &row in &self.rows {
            // Where all distances are unknown (one image) the distance to cut at is infinite, and nothing is within it.
            let within = |sq_distance: f32| sq_distance.is_finite() && sq_distance <= sq_eps;
            let (reached, core) = (within(self.sq_reachability[row]), within(sq_core[row]));
            n_slices += usize::from(core && !reached);
            slices[row] = (core || reached).then(|| n_slices - 1);
        }
        (slices, n_slices)
    }
}
