//! A cache that never holds more than so many bytes: what was used longest ago goes first.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Values by key, each with its size.
#[derive(Debug)]
pub struct Cache<K, V> {
    values: HashMap<K, (V, usize, u64)>,
    /// Keys by when they were used.
    order: BTreeMap<u64, K>,
    bytes: usize,
    max_bytes: usize,
    clock: u64,
}

impl<K: Eq + Hash + Clone, V> Cache<K, V> {
    /// An empty cache.
    pub fn new(max_bytes: usize) -> Self {
        Self { values: HashMap::new(), order: BTreeMap::new(), bytes: 0, max_bytes, clock: 0 }
    }

    /// A value, which now counts as used.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        self.clock += 1;
        let (value, _, used) = self.values.get_mut(key)?;
        if let Some(key) = self.order.remove(used) {
            self.order.insert(self.clock, key);
        }
        *used = self.clock;
        Some(value)
    }

    /// Keeps a value, and lets go of others until there is room.
    pub fn put(&mut self, key: K, value: V, bytes: usize) {
        self.clock += 1;
        self.remove(&key);
        self.bytes += bytes;
        self.order.insert(self.clock, key.clone());
        self.values.insert(key, (value, bytes, self.clock));
        while self.bytes > self.max_bytes && self.values.len() > 1 {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &K) {
        if let Some((_, bytes, used)) = self.values.remove(key) {
            self.order.remove(&used);
            self.bytes -= bytes;
        }
    }

    /// Lets go of everything.
    pub fn clear(&mut self) {
        self.values.clear();
        self.order.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let mut cache = Cache::new(30);
        for key in ["a", "b", "c"] {
            cache.put(key, key.len(), 10);
        }
        assert!(cache.get(&"a").is_some());
        cache.put("d", 1, 10);
        assert!(cache.get(&"b").is_none() && cache.get(&"a").is_some() && cache.get(&"c").is_some());
        cache.put("huge", 1, 100);
        assert!(cache.get(&"huge").is_some() && cache.get(&"a").is_none());
        cache.put("huge", 2, 5);
        assert_eq!((cache.bytes, cache.values.len(), cache.order.len()), (5, 1, 1));
    }
}
