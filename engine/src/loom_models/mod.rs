//! Models of every atomic word and hand-off: two threads, every interleaving and every reordering
//! that the memory model allows.
//!
//! `RUSTFLAGS="--cfg jangteo_loom" cargo test -p jangteo --lib --release loom_models`

mod append;
mod known;
mod stock;
mod watermark;

use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `model` under every interleaving and prints how many there were.
fn explore(name: &str, model: impl Fn() + Sync + Send + 'static) {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock();
    RUNS.store(0, Ordering::Relaxed);
    loom::model(move || {
        RUNS.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{name}: {} interleavings", RUNS.load(Ordering::Relaxed));
}
