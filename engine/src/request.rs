//! What a customer asks for.

use smallvec::SmallVec;

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
}
