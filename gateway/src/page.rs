//! Lists that are answered page by page.

use jangteo::{GiftView, ItemView, SaleView};

use crate::limits::PAGE_BYTES;

/// The first of `all` that one answer takes, and whether there are more: no more than `limit`, and
/// none behind the one that makes it [`PAGE_BYTES`].
pub(crate) fn page<T>(
    mut all: impl Iterator<Item = T>,
    limit: usize,
    bytes_of: impl Fn(&T) -> usize,
) -> (Vec<T>, bool) {
    let (mut page, mut bytes) = (Vec::new(), 0);
    while page.len() < limit && bytes < PAGE_BYTES {
        let Some(one) = all.next() else { return (page, false) };
        bytes += bytes_of(&one);
        page.push(one);
    }
    (page, all.next().is_some())
}

/// Bytes of a drop in memory: in an answer it has about as many.
pub(crate) fn drop_bytes(drop: &SaleView) -> usize {
    let item = |item: &ItemView| {
        let seller = item.seller.as_ref().map_or(0, String::len);
        size_of::<ItemView>() + item.sku.len() + item.title.len() + seller
    };
    let gift = |gift: &GiftView| size_of::<GiftView>() + gift.sku.len() + gift.title.len();
    let items: usize = drop.items.iter().flatten().map(item).sum();
    let gifts: usize = drop.gifts.iter().flatten().map(gift).sum();
    size_of::<SaleView>() + drop.title.len() + items + gifts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_at_its_limit_or_at_its_bytes() {
        let all = || [PAGE_BYTES - 1, 1, 7].into_iter();
        let of = |bytes: &usize| *bytes;
        assert_eq!(page(all(), 1, of), (vec![PAGE_BYTES - 1], true));
        assert_eq!(page(all(), 3, of), (vec![PAGE_BYTES - 1, 1], true));
        assert_eq!(page(all(), 3, |_| 1), (all().collect(), false));
        assert_eq!(page(all().take(2), 3, of), (vec![PAGE_BYTES - 1, 1], false));
        assert_eq!(page([2 * PAGE_BYTES, 1].into_iter(), 2, of), (vec![2 * PAGE_BYTES], true));
    }
}
