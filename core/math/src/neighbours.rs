//! Neighbours of rows, however they were found.

/// The neighbours of each row, nearest first; of equally near rows the earlier one comes first.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    /// Number of rows.
    pub n: usize,
    /// Number of neighbours per row; fewer than asked for if there are fewer rows.
    pub k: usize,
    /// `[n, k]`, rows of the base.
    pub indices: Vec<u32>,
    /// `[n, k]`, squared Euclidean distances.
    pub sq_distances: Vec<f32>,
    /// Share of the true neighbours that were found: 1 for an exact search, measured on a sample for others.
    pub recall: f64,
}

impl Neighbours {
    /// The neighbours of a row and their squared distances.
    pub fn row(&self, i: usize) -> (&[u32], &[f32]) {
        let range = i * self.k..(i + 1) * self.k;
        (&self.indices[range.clone()], &self.sq_distances[range])
    }

    /// An order of the rows in which neighbours stand near each other (breadth first), so that a walk along the edges
    /// finds them in fast memory. Returns the row at each place.
    pub fn order(&self) -> Vec<u32> {
        const NONE: u32 = u32::MAX;
        // A row that is nobody's neighbour stands beside its own nearest neighbour.
        let mut places = vec![NONE; self.n];
        let mut walk = Vec::with_capacity(self.n);
        for start in 0..self.n {
            let nearest = self.row(start).0.first().map_or(NONE, |&nearest| places[nearest as usize]);
            match (places[start], nearest) {
                (NONE, NONE) => {
                    places[start] = walk.len() as u32;
                    walk.push(start as u32);
                }
                (NONE, place) => places[start] = place,
                _ => {}
            }
            let mut next = walk.len().saturating_sub(1);
            while next < walk.len() {
                for &neighbour in self.row(walk[next] as usize).0 {
                    if places[neighbour as usize] == NONE {
                        places[neighbour as usize] = walk.len() as u32;
                        walk.push(neighbour);
                    }
                }
                next += 1;
            }
        }
        let mut order: Vec<u32> = (0..self.n as u32).collect();
        order.sort_by_key(|&row| places[row as usize]);
        order
    }

    /// The same neighbours with the rows in another order; indices are places in that order.
    pub fn ordered(&self, order: &[u32]) -> Self {
        let mut place = vec![0; self.n];
        order.iter().enumerate().for_each(|(i, &row)| place[row as usize] = i as u32);
        let rows = || order.iter().map(|&row| self.row(row as usize));
        let indices = rows().flat_map(|(indices, _)| indices).map(|&neighbour| place[neighbour as usize]).collect();
        let sq_distances = rows().flat_map(|(_, sq_distances)| sq_distances).copied().collect();
        Self { indices, sq_distances, ..*self }
    }

    /// Moves row `i` to place `order[i]`.
    pub(crate) fn scatter(&self, order: &[u32]) -> Self {
        let mut all = self.clone();
        for (i, &row) in order.iter().enumerate() {
            let range = row as usize * self.k..(row as usize + 1) * self.k;
            all.indices[range.clone()].copy_from_slice(self.row(i).0);
            all.sq_distances[range].copy_from_slice(self.row(i).1);
        }
        all
    }
}
