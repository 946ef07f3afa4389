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
    pub fn check(&self) -> Result<(), Refusal> {
        self.summed().map(|_| ())
    }

    /// Its lines, those of the same item summed, if all of it is well-formed.
    #[inline]
    pub(crate) fn summed(&self) -> Result<SmallVec<[(&'a str, u16); 2]>, Refusal> {
        check_customer(self.customer)?;
        self.key.map_or(Ok(()), |key| check_text(key, KEY_MAX, "key"))?;
        self.area.map_or(Ok(()), |area| check_text(area, AREA_MAX, "area"))?;
        let mut summed: SmallVec<[(&str, u16); 2]> = SmallVec::new();
        for &(sku, quantity) in &self.lines {
            let full = summed.len() == LINES_MAX;
            let before = summed.iter_mut().find(|(other, _)| *other == sku);
            let so_far = before.as_ref().map_or(0, |(_, sum)| u32::from(*sum));
            let sum = so_far.saturating_add(quantity);
            let sum = u16::try_from(sum).ok().filter(|_| quantity > 0 && sum <= QUANTITY_MAX);
            let sum = sum.ok_or(Refusal::Malformed("quantity"))?;
            match before {
                Some((_, so_far)) => *so_far = sum,
                None if full => return Err(Refusal::Malformed("lines")),
                None => summed.push((sku, sum)),
            }
        }
        if summed.is_empty() { Err(Refusal::Malformed("lines")) } else { Ok(summed) }
    }
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
fn check_text(text: &str, most: usize, what: &'static str) -> Result<(), Refusal> {
    let fine = !text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_graphic());
    if fine { Ok(()) } else { Err(Refusal::Malformed(what)) }
}
