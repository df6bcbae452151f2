//! A cache with a limit in bytes: the least recently used values go first.

use schnellru::{Limiter, LruMap};
use std::hash::Hash;

/// Values by key, each with its size.
#[derive(Debug)]
pub struct Cache<K, V>(LruMap<K, (V, usize), Bytes>);

impl<K: Eq + Hash, V> Cache<K, V> {
    /// An empty cache.
    pub fn new(max_bytes: usize) -> Self {
        Self(LruMap::new(Bytes { held: 0, max: max_bytes }))
    }

    /// A value, which now counts as used.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        self.0.get(key).map(|(value, _)| &*value)
    }

    /// Keeps a value, and lets go of others until there is room.
    pub fn put(&mut self, key: K, value: V, bytes: usize) {
        self.0.insert(key, (value, bytes));
    }

    /// Lets go of everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// Counts the bytes of what is held.
#[derive(Debug)]
struct Bytes {
    held: usize,
    max: usize,
}

impl<K, V> Limiter<K, (V, usize)> for Bytes {
    type KeyToInsert<'a> = K;
    type LinkType = u32;

    /// The newest value stays, however large it is.
    fn is_over_the_limit(&self, length: usize) -> bool {
        self.held > self.max && length > 1
    }

    fn on_insert(&mut self, _: usize, key: K, value: (V, usize)) -> Option<(K, (V, usize))> {
        self.held += value.1;
        Some((key, value))
    }

    fn on_replace(&mut self, _: usize, _: &mut K, _: K, old: &mut (V, usize), new: &mut (V, usize)) -> bool {
        self.held = self.held - old.1 + new.1;
        true
    }

    fn on_removed(&mut self, _: &mut K, value: &mut (V, usize)) {
        self.held -= value.1;
    }

    fn on_cleared(&mut self) {
        self.held = 0;
    }

    fn on_grow(&mut self, _: usize) -> bool {
        true
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
        assert_eq!((cache.0.limiter().held, cache.0.len()), (5, 1));
        cache.put("e", 1, 10);
        cache.put("huge", 3, 25);
        assert!(cache.get(&"huge") == Some(&3) && cache.get(&"e").is_none());
        cache.clear();
        assert!(cache.get(&"huge").is_none() && cache.0.limiter().held == 0);
    }
}
