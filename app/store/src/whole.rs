//! A part of all rows as one array: in memory, or mapped from the scan's cache where it is large.
//!
//! A mapped array is copied from the cache, not computed again, when it is asked for again, and leaves the memory when
//! that is needed for something else.

use super::part::Part;
use super::{Scan, layout};
use ascan_core::{Result, Tensor};
use half::f16;

/// Bytes from which an array is mapped. Less is read sooner than it is written.
pub(super) const MAPPED_FROM: usize = 256 << 20;

impl Scan {
    /// Parts that stand in the features of each shard, `[n, …]` each.
    ///
    /// # Errors
    /// `File` if a shard is damaged.
    pub(super) fn whole<const N: usize>(&self, parts: [Part; N], mapped_from: usize) -> Result<[Tensor; N]> {
        let n = self.plan.data.n_rows;
        let shapes = parts.map(|part| self.shape(part, n));
        let mut tensors: [Option<Tensor>; N] = [const { None }; N];
        let mut left = Vec::new();
        for (i, (part, shape)) in parts.into_iter().zip(shapes).enumerate() {
            let shape = shape?;
            let len: usize = shape.iter().product();
            // Not more than the files can hold, whatever the plan says: a value has two bytes or more.
            let room = len.min(self.n_bytes() as usize / size_of::<f16>());
            let kept = (len * size_of::<f32>() >= mapped_from).then(|| self.name(part));
            match kept.as_ref().and_then(|name| self.mapped(name, &shape)) {
                Some(tensor) => tensors[i] = Some(tensor),
                None => left.push((i, part, shape, kept, Vec::with_capacity(room))),
            }
        }
        if !left.is_empty() {
            for commit in self.commits.iter().flatten() {
                let bytes = self.read(commit, &layout::features(commit.shard))?;
                for (_, part, _, _, values) in &mut left {
                    self.features(commit, &bytes, *part, values)?;
                }
            }
        }
        for (i, _, shape, kept, values) in left {
            let mapped = kept.and_then(|name| {
                self.cache(&name, bytemuck::cast_slice(&values));
                self.mapped(&name, &shape)
            });
            // Where nothing can be written it stays in memory.
            tensors[i] = Some(mapped.map_or_else(|| Tensor::new(shape, values), Ok)?);
        }
        Ok(tensors.map(Option::unwrap_or_default))
    }

    /// The array of this name in the cache, if it is there and whole.
    fn mapped(&self, name: &str, shape: &[usize]) -> Option<Tensor> {
        Tensor::map(shape, &self.storage.path(&layout::cache_file(name))?).ok()
    }

    /// Bytes of all shards.
    fn n_bytes(&self) -> u64 {
        self.commits.iter().flatten().flat_map(|commit| &commit.files).map(|file| file.bytes).sum()
    }

    /// What a part is called in the cache: other rows have another name.
    fn name(&self, part: Part) -> String {
        let mut hash = blake3::Hasher::new();
        for file in self.commits.iter().flatten().flat_map(|commit| &commit.files) {
            hash.update(file.blake3.as_bytes());
        }
        let part = if part == Part::Maps { "maps" } else { "embeddings" };
        format!("{part}-{}.f32", &hash.finalize().to_hex()[..16])
    }
}
