//! A part of all rows as one array: in memory, or mapped from the scan's cache where it is large.
//!
//! A mapped array is copied from the cache, not computed again, when it is asked for again, and leaves the memory when
//! that is needed for something else.

use super::part::Part;
use super::{Scan, layout};
use ascan_core::{Error, Result, Tensor};
use half::f16;
use std::path::PathBuf;

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

    /// The file and the shape of a part of all rows, for other programs to map: `[n, …]` numbers of 32 bits in this
    /// machine's order, and nothing else. Written into the cache if it is not there yet.
    ///
    /// # Errors
    /// `File` if the scan is not finished or damaged, or if the file cannot be written.
    pub fn laid_out(&self, part: Part) -> Result<(PathBuf, Vec<usize>)> {
        self.check_complete()?;
        let name = layout::cache_file(&self.name(part));
        let [tensor] = self.whole([part], 0)?;
        let file = self.storage.path(&name).filter(|file| file.is_file());
        let unwritable = || Error::file(self.dir.join(name), "cannot be written", "make the scan's folder writable");
        Ok((file.ok_or_else(unwritable)?, tensor.shape().to_vec()))
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
        let part = match part {
            Part::Maps => "maps".to_owned(),
            Part::Also(i) => format!("maps-{}", i + 1),
            _ => "embeddings".to_owned(),
        };
        format!("{part}-{}.f32", &hash.finalize().to_hex()[..16])
    }
}
