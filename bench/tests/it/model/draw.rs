//! A sequence from its seed, played.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::operation::{Sequence, sequences};
use super::run::{Exercised, run};

const OPERATIONS: usize = 200;

/// The sequence of a seed.
pub(crate) fn draw(seed: u64) -> Sequence {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let tree = sequences(OPERATIONS).new_tree(&mut runner);
    Sequence { seed, ..tree.expect("nothing is filtered").current() }
}

/// Plays a sequence; a panic of the engine is a difference too.
///
/// # Errors
/// The first difference.
pub(crate) fn play(sequence: &Sequence, seen: &mut Exercised) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| run(sequence, seen))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("a panic: {}", text.unwrap_or_default()))
    })
}
