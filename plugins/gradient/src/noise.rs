//! Random numbers that depend only on the seed and their position, never on the batch.

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

/// The numbers of one stream.
pub fn numbers(seed: u64, stream: usize) -> Xoshiro256PlusPlus {
    // An odd factor, so that no two streams share a seed; seeding mixes the rest.
    Xoshiro256PlusPlus::seed_from_u64(seed ^ (stream as u64 + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93))
}
