//! Whether the machine's clock is kept right: a drop opens by it.

use jangteo_gateway::ClockSync;

use super::go_list::{Answer, Point};

pub(super) fn point() -> Point {
    let (answer, detail, synchronised) = match ClockSync::ask() {
        ClockSync::Synchronised => {
            (Answer::Go, "synchronised; by how much it is off is not known", Some(true))
        }
        ClockSync::Adrift => {
            (Answer::Look, "not synchronised: drops open by this clock", Some(false))
        }
        ClockSync::Unknown => {
            (Answer::Look, "not known: the kernel does not say; look where the clock is kept", None)
        }
    };
    Point::new("clock", answer, detail).with("synchronised", synchronised)
}
