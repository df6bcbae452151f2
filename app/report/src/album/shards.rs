//! Parts of shards that were read lately.

use ascan_core::{Result, Tensor};
use ascan_store::Part;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Which part of which shard.
type Key = (Part, usize);

/// The parts of shards that were asked for last, up to a limit in bytes.
pub(super) struct Shards {
    max_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    bytes: usize,
    /// Counts the questions, so that the oldest answer is known.
    clock: u64,
    parts: BTreeMap<Key, (u64, Arc<Tensor>)>,
}

impl Shards {
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, kept: Mutex::default() }
    }

    /// The part of a shard, read by `read` if it is not there. Other threads are not held up meanwhile.
    pub fn get(&self, key: Key, read: impl FnOnce() -> Result<Tensor>) -> Result<Arc<Tensor>> {
        if let Some(part) = self.kept().find(key) {
            return Ok(part);
        }
        let part = Arc::new(read()?);
        self.kept().keep(key, part.clone(), self.max_bytes);
        Ok(part)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn find(&mut self, key: Key) -> Option<Arc<Tensor>> {
        self.clock += 1;
        let (used, part) = self.parts.get_mut(&key)?;
        *used = self.clock;
        Some(part.clone())
    }

    fn keep(&mut self, key: Key, part: Arc<Tensor>, max_bytes: usize) {
        self.clock += 1;
        self.bytes += size_of_val(part.data());
        // Two threads may have read the same.
        if let Some((_, twin)) = self.parts.insert(key, (self.clock, part)) {
            self.bytes -= size_of_val(twin.data());
        }
        while self.bytes > max_bytes && self.parts.len() > 1 {
            let oldest = self.parts.iter().min_by_key(|(_, (used, _))| *used).map(|(&key, _)| key);
            let Some((_, part)) = oldest.and_then(|key| self.parts.remove(&key)) else { break };
            self.bytes -= size_of_val(part.data());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn what_was_used_last_is_kept_within_the_bytes() {
        let shards = Shards::new(3 * 4 * 10);
        let n_reads = Cell::new(0);
        let get = |shard: usize| {
            let read = || {
                n_reads.set(n_reads.get() + 1);
                Tensor::new([10], vec![shard as f32; 10])
            };
            assert_eq!(shards.get((Part::Maps, shard), read).unwrap().data(), [shard as f32; 10]);
            n_reads.get()
        };
        assert_eq!([0, 1, 2, 0].map(get), [1, 2, 3, 3]);
        assert_eq!([3, 0, 1].map(get), [4, 4, 5], "1 was used longest ago");
        assert_eq!(shards.kept().bytes, 3 * 4 * 10);
        let other = shards.get((Part::Probs, 0), || Tensor::new([1], vec![7.0])).unwrap();
        assert_eq!(other.data(), [7.0], "another part of the same shard");
    }

    #[test]
    fn one_part_that_is_too_large_is_kept_alone() {
        let shards = Shards::new(4);
        for shard in 0..3 {
            shards.get((Part::Maps, shard), || Ok(Tensor::zeros([10]))).unwrap();
        }
        let kept = shards.kept();
        assert_eq!((kept.parts.len(), kept.bytes), (1, 40));
    }

    #[test]
    fn threads_share_what_they_read() {
        let shards = Shards::new(1 << 20);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for shard in 0..50 {
                        let part = shards.get((Part::Maps, shard), || Ok(Tensor::zeros([100]))).unwrap();
                        assert_eq!(part.n_rows(), 100);
                    }
                });
            }
        });
        assert_eq!(shards.kept().bytes, 50 * 400);
    }
}
