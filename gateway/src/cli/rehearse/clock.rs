//! Whether the machine's clock is kept right: a drop opens by it.

use jangteo_gateway::ClockSync;

use super::go_list::{Answer, Point};

pub(super) fn point() -> Point {
    let (answer, detail, synchronised) = match ClockSync::ask() {
        ClockSync::Synchronised => (Answer::Go, "synchronised", Some(true)),
        ClockSync::Adrift => {
            (Answer::Look, "not synchronised: drops open by this clock", Some(false))
        }
        ClockSync::Unknown => {
            (Answer::Look, "not known: the kernel does not say; look where the clock is kept", None)
        }
    };
    let max_error_us = ClockSync::max_error_us().filter(|_| synchronised == Some(true));
    let detail = match max_error_us {
        Some(us) => format!("{detail}, off by {}.{} ms at most", us / 1_000, us % 1_000 / 100),
        None => detail.to_owned(),
    };
    Point::new("clock", answer, detail)
        .with("synchronised", synchronised)
        .with("max_error_us", max_error_us)
}
