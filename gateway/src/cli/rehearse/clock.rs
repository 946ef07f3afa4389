//! Whether the machine's clock is kept right: a drop opens by it.
//!
//! The kernel knows, but only a system call that no well-kept safe crate wraps asks it;
//! `timedatectl` does, where systemd runs, whichever program keeps the clock.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::go_list::{Answer, Point};

/// It answers in milliseconds; one that hangs is no reason to wait.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn point() -> Point {
    let synchronised = ask();
    let (answer, detail) = match synchronised {
        Some(true) => (Answer::Go, "synchronised; by how much it is off is not known"),
        Some(false) => (Answer::Look, "not synchronised: drops open by this clock"),
        None => (Answer::Look, "not known: timedatectl does not say; look where the clock is kept"),
    };
    Point::new("clock", answer, detail).with("synchronised", synchronised)
}

fn ask() -> Option<bool> {
    let mut command = Command::new("timedatectl");
    command.args(["show", "--property=NTPSynchronized", "--value"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let begun = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if begun.elapsed() > PATIENCE {
            _ = child.kill();
            _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut said = String::new();
    child.stdout.take()?.read_to_string(&mut said).ok()?;
    meant(&said)
}

fn meant(said: &str) -> Option<bool> {
    match said.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn what_is_neither_yes_nor_no_is_not_known() {
        assert_eq!(
            ["yes\n", "no\n", "", "n/a\n"].map(meant),
            [Some(true), Some(false), None, None]
        );
    }
}
