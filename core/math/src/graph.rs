//! Weighted graphs of neighbours, as sparse symmetric matrices.

use crate::knn::Neighbours;

/// A symmetric weighted graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// `[n + 1]`: where the edges of each vertex start.
    starts: Vec<usize>,
    /// The other end of each edge, in rising order per vertex.
    ends: Vec<u32>,
    weights: Vec<f32>,
}

impl Graph {
    /// Makes the graph from the directed weights `[n, k]` of edges to neighbours. `combine` joins the weights of both
    /// directions into one (0 stands for a direction without an edge). Edges whose weight becomes 0 are left out.
    pub fn symmetric(neighbours: &Neighbours, weights: &[f32], combine: impl Fn(f32, f32) -> f32) -> Self {
        let n = neighbours.n;
        let mut counts = vec![neighbours.k; n];
        neighbours.indices.iter().for_each(|&j| counts[j as usize] += 1);
        let mut starts = vec![0; n + 1];
        for (i, count) in counts.iter().enumerate() {
            starts[i + 1] = starts[i] + count;
        }
        // (other end, weight to it, weight from it); an edge in both directions is there twice.
        let mut edges = vec![(0u32, 0.0f32, 0.0f32); starts[n]];
        let mut next = starts[..n].to_vec();
        let mut put = |i: usize, edge| {
            edges[next[i]] = edge;
            next[i] += 1;
        };
        for i in 0..n {
            let of_row = i * neighbours.k..(i + 1) * neighbours.k;
            for (&j, &weight) in neighbours.row(i).0.iter().zip(&weights[of_row]) {
                put(i, (j, weight, 0.0));
                put(j as usize, (i as u32, 0.0, weight));
            }
        }
        let mut graph = Self { starts: vec![0], ends: Vec::new(), weights: Vec::new() };
        for i in 0..n {
            let edges = &mut edges[starts[i]..starts[i + 1]];
            edges.sort_unstable_by_key(|edge| edge.0);
            for same_end in edges.chunk_by(|a, b| a.0 == b.0) {
                let (to, from) = same_end.iter().fold((0.0, 0.0), |(to, from), edge| (to + edge.1, from + edge.2));
                let weight = combine(to, from);
                if weight > 0.0 {
                    graph.ends.push(same_end[0].0);
                    graph.weights.push(weight);
                }
            }
            graph.starts.push(graph.ends.len());
        }
        graph
    }

    /// Number of vertices.
    pub fn n(&self) -> usize {
        self.starts.len() - 1
    }

    /// The neighbours of a vertex and the weights to them.
    pub fn row(&self, i: usize) -> (&[u32], &[f32]) {
        let range = self.starts[i]..self.starts[i + 1];
        (&self.ends[range.clone()], &self.weights[range])
    }

    /// The largest weight, 0 if there is none.
    pub fn max_weight(&self) -> f32 {
        self.weights.iter().copied().fold(0.0, f32::max)
    }
}
