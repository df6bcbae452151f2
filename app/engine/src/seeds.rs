//! Seeds of parts of a piece of work: independent streams of random numbers from one seed.

/// The seed of a part of the work: `words` tell it from the others.
pub fn seed_of(seed: u64, words: [u64; 2]) -> u64 {
    let mix =
        |state: u64, word: u64| (state ^ word.wrapping_add(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xD134_2543_DE82_EF95);
    let mixed = words.into_iter().fold(mix(seed, 0), mix);
    mixed ^ (mixed >> 31)
}
