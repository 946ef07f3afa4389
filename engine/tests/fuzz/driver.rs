//! A small fuzzer for stable Rust, in the test's own process: inputs of a corpus are changed at
//! random, and those that make the target say something new are changed further.
//!
//! What the target says of an input, the class of its answer, stands in for coverage, which needs a
//! compiler that counts branches. `JANGTEO_FUZZ_MINUTES` says for how long, else it is a replay of
//! the corpus and a fixed number of changes; `JANGTEO_SEED` draws others; `JANGTEO_FUZZ_KEEP=1`
//! adds what said something new to the corpus. An input that makes the target panic is printed.

use std::collections::HashSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest input, in bytes.
const INPUT_MAX: usize = 64 << 10;
/// Longest input that is kept, in bytes, so that the corpus stays small.
const KEPT_MAX: usize = 512;

/// What a target is given.
pub(crate) struct Fuzz<'a> {
    /// The target, and the folder of its corpus.
    pub(crate) name: &'a str,
    pub(crate) corpus: &'a Path,
    /// Inputs besides those in the folder.
    pub(crate) seeds: Vec<Vec<u8>>,
    /// Words that mean something to the target.
    pub(crate) words: &'a [&'a str],
    /// Changed inputs of a replay.
    pub(crate) changes: u64,
}

impl Fuzz<'_> {
    /// Feeds `target`, which panics if something is wrong and else says the class of its answer.
    pub(crate) fn run(self, mut target: impl FnMut(&[u8]) -> String) {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
        let seed = number("JANGTEO_SEED").unwrap_or(1);
        let minutes = number("JANGTEO_FUZZ_MINUTES");
        let limit = minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
        let keep = number("JANGTEO_FUZZ_KEEP") == Some(1);
        let mut pool = self.pool();
        let mut seen = HashSet::new();
        let mut inputs = 0_u64;
        let mut feed = |input: &[u8]| {
            inputs += 1;
            match catch_unwind(AssertUnwindSafe(|| target(input))) {
                Ok(class) => seen.insert(class),
                Err(panic) => {
                    let shown = input.escape_ascii();
                    eprintln!("{}, JANGTEO_SEED={seed}, input {inputs}: b\"{shown}\"", self.name);
                    resume_unwind(panic)
                }
            }
        };
        pool.iter().for_each(|input| _ = feed(input));
        let given = pool.len();
        let mut random = Random(seed);
        let mut changed = 0;
        while limit.map_or(changed < self.changes, |limit| Instant::now() < limit) {
            let input = self.change(&pool, &mut random);
            changed += 1;
            if feed(&input) {
                if keep && input.len() <= KEPT_MAX {
                    let name = format!("{:016x}", random.next());
                    fs::write(self.corpus.join(name), &input).expect("the corpus is there");
                }
                pool.push(input);
            }
        }
        let classes = seen.len();
        println!("{}: {inputs} inputs, {given} of them given, {classes} classes", self.name);
    }

    fn pool(&self) -> Vec<Vec<u8>> {
        let entries = fs::read_dir(self.corpus).into_iter().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        let kept = paths.iter().map(|path| fs::read(path).expect("a file of the corpus"));
        let pool: Vec<Vec<u8>> = self.seeds.iter().cloned().chain(kept).collect();
        assert!(!pool.is_empty(), "{}: no corpus", self.name);
        pool
    }

    /// One of the pool, changed in one to four places.
    fn change(&self, pool: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
        let mut input = pool[random.below(pool.len())].clone();
        for _ in 0..=random.below(4) {
            let (at, to) = (random.below(input.len() + 1), random.below(input.len() + 1));
            let (from, to) = (at.min(to), at.max(to).min(at.min(to) + 64));
            match random.below(9) {
                0 => input.iter_mut().skip(at).take(1).for_each(|b| *b ^= 1 << random.below(8)),
                1 => input.iter_mut().skip(at).take(1).for_each(|b| *b = random.byte()),
                2 => input.insert(at, random.byte()),
                3 => _ = input.drain(from..to),
                4 => {
                    let copy = input[from..to].to_vec();
                    input.splice(at..at, copy);
                }
                5 => input.truncate(at),
                6 => {
                    let other = &pool[random.below(pool.len())];
                    let tail = other[random.below(other.len() + 1)..].to_vec();
                    input.splice(at.., tail);
                }
                7 if !self.words.is_empty() => {
                    let word = self.words[random.below(self.words.len())].bytes();
                    input.splice(from..to, word);
                }
                _ => {
                    let number = NUMBERS[random.below(NUMBERS.len())].bytes();
                    let digits = input.iter().skip(at).take_while(|b| b.is_ascii_digit()).count();
                    input.splice(at..at + digits, number);
                }
            }
        }
        input.truncate(INPUT_MAX);
        input
    }
}

/// Numbers at which something often ends.
const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "1",
    "255",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "1e999",
];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `end`, or 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).expect("64 bits")).expect("below")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}
