//! What a customer asks for.

use smallvec::SmallVec;

use crate::limits::{AREA_MAX, CUSTOMER_MAX, KEY_MAX, LINES_MAX, PAYMENT_MAX, QUANTITY_MAX};
use crate::refusal::Refusal;

/// A request to set units aside for one customer. Borrows its texts; building one with up to two
/// lines allocates nothing.
///
/// ```
/// use jangteo::HoldRequest;
/// let request = HoldRequest::new("c-1").line("onion-3kg", 1).key("order-77").area("seoul");
/// # let _ = request;
/// ```
#[derive(Clone, Debug)]
pub struct HoldRequest<'a> {
    pub(crate) customer: &'a str,
    pub(crate) lines: SmallVec<[(&'a str, u32); 2]>,
    pub(crate) key: Option<&'a str>,
    pub(crate) area: Option<&'a str>,
}

impl<'a> HoldRequest<'a> {
    /// A request of `customer`, a pseudonym of 1 to 64 visible ASCII characters.
    #[must_use]
    pub fn new(customer: &'a str) -> Self {
        Self { customer, lines: SmallVec::new(), key: None, area: None }
    }

    /// Adds `quantity` units of an item. Lines of the same item are summed; 1 to 20 lines, 1 to
    /// 1,000 units each, after that.
    #[must_use]
    pub fn line(mut self, sku: &'a str, quantity: u32) -> Self {
        self.lines.push((sku, quantity));
        self
    }

    /// Sets the idempotency key, 1 to 128 visible ASCII characters: the same request under the
    /// same key of the same customer is granted once and answered alike ever after.
    #[must_use]
    pub fn key(mut self, key: &'a str) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets the delivery area, 1 to 64 visible ASCII characters.
    #[must_use]
    pub fn area(mut self, area: &'a str) -> Self {
        self.area = Some(area);
        self
    }

    /// Whether it is well-formed, as far as can be said without a drop: what
    /// [`Sale::hold`](crate::Sale::hold) looks at first.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] naming the part.
    #[inline]
    pub fn check(&self) -> Result<(), Refusal> {
        check_customer(self.customer)?;
        self.key.map_or(Ok(()), |key| check_text(key, KEY_MAX, "key"))?;
        self.area.map_or(Ok(()), |area| check_text(area, AREA_MAX, "area"))?;
        check_lines(&self.lines)
    }
}

/// Whether there are 1 to 20 lines of 1 to 1,000 units, those of the same item summed.
#[inline]
pub(crate) fn check_lines(lines: &[(&str, u32)]) -> Result<(), Refusal> {
    match lines {
        [(_, 1..=QUANTITY_MAX)] => Ok(()),
        lines => check_sums(lines),
    }
}

#[cold]
fn check_sums(lines: &[(&str, u32)]) -> Result<(), Refusal> {
    let mut sums: SmallVec<[(&str, u32); LINES_MAX]> = SmallVec::new();
    for &(sku, quantity) in lines {
        let full = sums.len() == LINES_MAX;
        let before = sums.iter_mut().find(|(other, _)| *other == sku);
        let sum = before.as_ref().map_or(0, |(_, sum)| *sum).saturating_add(quantity);
        if quantity == 0 || sum > QUANTITY_MAX {
            return Err(Refusal::Malformed("quantity"));
        }
        match before {
            Some((_, so_far)) => *so_far = sum,
            None if full => return Err(Refusal::Malformed("lines")),
            None => sums.push((sku, sum)),
        }
    }
    if sums.is_empty() { Err(Refusal::Malformed("lines")) } else { Ok(()) }
}

/// Whether a customer's name is well-formed.
///
/// # Errors
/// [`Refusal::Malformed`].
#[inline]
pub fn check_customer(customer: &str) -> Result<(), Refusal> {
    check_text(customer, CUSTOMER_MAX, "customer")
}

/// Whether a payment reference, if there is one, is well-formed.
///
/// # Errors
/// [`Refusal::Malformed`].
pub fn check_payment(payment: Option<&str>) -> Result<(), Refusal> {
    payment.map_or(Ok(()), |payment| check_text(payment, PAYMENT_MAX, "payment"))
}

/// Whether a text is 1 to `most` visible ASCII characters.
#[inline]
pub(crate) fn check_text(text: &str, most: usize, what: &'static str) -> Result<(), Refusal> {
    let fine = (1..=most).contains(&text.len()) && is_visible(text.as_bytes());
    if fine { Ok(()) } else { Err(Refusal::Malformed(what)) }
}

/// One in each of eight bytes.
const EACH: u64 = u64::MAX / 0xff;

/// Whether all bytes are from `!` to `~`, eight at a time: every request pays for this.
#[inline]
fn is_visible(bytes: &[u8]) -> bool {
    const TO_DELETE: u64 = EACH * (0x80 - b'\x7f' as u64);
    const TO_VISIBLE: u64 = EACH * (0x80 - b'!' as u64);
    // The highest bit of each byte: set if that byte is above `~`, or below `!`. Once no byte of
    // the eight has it to begin with, none carries into the next.
    let wrong = |eight: u64| {
        let above = eight | eight.wrapping_add(TO_DELETE);
        let below = !eight.wrapping_add(TO_VISIBLE);
        (above | below) & (EACH * 0x80)
    };
    let (eights, _) = bytes.as_chunks::<8>();
    let last = match bytes.last_chunk::<8>() {
        Some(last) => u64::from_le_bytes(*last),
        None => few(bytes),
    };
    let eights = eights.iter().map(|eight| u64::from_le_bytes(*eight));
    eights.fold(wrong(last), |so_far, eight| so_far | wrong(eight)) == 0
}

/// Fewer than eight bytes, some of them twice or with visible ones before them.
#[inline]
fn few(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<4>().zip(bytes.last_chunk::<4>()) {
        Some((first, last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        None => bytes.iter().fold(EACH * u64::from(b'!'), |few, byte| few << 8 | u64::from(*byte)),
    }
}

#[cfg(all(test, not(any(jangteo_loom, jangteo_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_judged_alike_at_every_place() {
        for length in 1..=20 {
            for place in 0..length {
                for byte in 0..=u8::MAX {
                    for around in [b'!', b'a', b'~'] {
                        let mut text = vec![around; length];
                        text[place] = byte;
                        assert_eq!(is_visible(&text), byte.is_ascii_graphic(), "{text:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn no_byte_hides_another() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let both = first.is_ascii_graphic() && second.is_ascii_graphic();
                assert_eq!(is_visible(&[first, second]), both, "{first} {second}");
            }
        }
    }
}
