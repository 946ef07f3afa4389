//! The texts a simulated buyer is known by. A number in the engine of the crowd, text on the wire.

/// Most customers of one crowd: their numbers have eight digits.
pub(crate) const CUSTOMERS_MAX: u32 = 99_999_999;

pub(crate) fn customer(number: u32) -> String {
    format!("c-{number:08}")
}

/// One key per attempt: a buyer who tries again after a refusal asks for something new.
pub(crate) fn key(customer: u32, attempt: u16) -> String {
    format!("k-{customer:08}-{attempt}")
}

pub(crate) fn payment(customer: u32) -> String {
    format!("pay-{customer:08}")
}
