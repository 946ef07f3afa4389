//! Admission: takes a hold's units out of stock, all or none. Rules: [`crate::stock`].

use smallvec::SmallVec;

use crate::book::Moves;
use crate::fault::{Fault, planted};
use crate::goods::{GiftOf, Goods};
use crate::journal::record::{Line, Lines};
use crate::stock::{Cell, Look, Take};

/// What became of a hold's units.
#[must_use]
#[derive(Debug)]
pub(crate) enum Admit {
    /// All were taken; bit n of `gifts`: line n got its gift.
    Taken { gifts: u32 },
    /// Fewer are there.
    Short { available: u32 },
    /// Only who holds the basket mutex can tell.
    Slow,
}

/// What the words say about a hold, with nothing taken.
#[must_use]
#[derive(Debug)]
pub(crate) enum Seen<'a> {
    /// Enough, of at most one word; bit n of `gifts`: line n gets its gift.
    Enough { needed: Option<(&'a Cell, u32)>, gifts: u32 },
    /// Fewer are there.
    Short { available: u32 },
    /// Only who holds the basket mutex can tell, or take.
    Slow,
}

/// Looks at each word that the lines need.
#[inline]
pub(crate) fn look<'a>(goods: &'a Goods, lines: &Lines) -> Seen<'a> {
    let mut gifts = 0;
    let mut needed = None;
    let mut several = false;
    for (place, line) in lines.iter().enumerate() {
        let item = goods.get(line.item);
        let units = u32::from(line.quantity);
        if let Some(cell) = &item.cell {
            match cell.look(units) {
                Look::Enough => several |= needed.replace((&**cell, units)).is_some(),
                Look::Short { left } => return Seen::Short { available: left },
                Look::Slow if planted(Fault::NoSecondLook) => return Seen::Short { available: 0 },
                Look::Slow => return Seen::Slow,
            }
        }
        let Some(gift) = item.gift else { continue };
        let Some(cell) = &goods.get(gift.good).cell else {
            gifts |= 1 << place;
            continue;
        };
        match cell.look(gift.quantity) {
            // A gift and its item are two words.
            Look::Enough | Look::Slow => return Seen::Slow,
            Look::Short { .. } if gift.required => return Seen::Short { available: 0 },
            Look::Short { .. } => {}
        }
    }
    if several { Seen::Slow } else { Seen::Enough { needed, gifts } }
}

/// Takes the units with at most one compare-and-swap, or tells why that cannot be.
#[inline]
pub(crate) fn take_quick(goods: &Goods, lines: &Lines) -> Admit {
    let (needed, gifts) = match look(goods, lines) {
        Seen::Enough { needed, gifts } => (needed, gifts),
        Seen::Short { available } => return Admit::Short { available },
        Seen::Slow => return Admit::Slow,
    };
    match needed.map_or(Take::Taken, |(cell, units)| cell.try_take(units)) {
        Take::Taken => Admit::Taken { gifts },
        Take::Short { left } => Admit::Short { available: left },
        Take::Slow if planted(Fault::NoSecondLook) => Admit::Short { available: 0 },
        Take::Slow => Admit::Slow,
    }
}

/// Takes the units word by word, each marked undecided until [`settle`]: first what the lines
/// cannot do without, so that no gift that may be missing takes the place of one that may not.
///
/// IMPORTANT: only under the basket mutex.
pub(crate) fn take_basket(goods: &Goods, lines: &Lines) -> Result<u32, u32> {
    let mut taken: SmallVec<[(&Cell, u32); 4]> = SmallVec::new();
    let mut gifts = 0;
    for (place, line) in lines.iter().enumerate() {
        match take_needed(goods, *line, &mut taken) {
            Ok(gift) => gifts |= u32::from(gift) << place,
            Err(available) => {
                if !planted(Fault::LostGiveBack) {
                    taken.iter().for_each(|(cell, units)| cell.put_back(*units));
                }
                taken.iter().for_each(|(cell, _)| cell.decide());
                return Err(available);
            }
        }
    }
    for (place, line) in lines.iter().enumerate() {
        let gift = goods.get(line.item).gift.filter(|gift| !gift.required);
        let got = gift.is_some_and(|GiftOf { good, quantity, .. }| {
            let cell = goods.get(good).cell.as_ref();
            cell.is_none_or(|cell| take_marked(cell, quantity).is_ok())
        });
        gifts |= u32::from(got) << place;
    }
    Ok(gifts)
}

/// Takes one line, with its gift if that is required; whether it got one, or how many units of the
/// item are there.
fn take_needed<'a>(
    goods: &'a Goods,
    line: Line,
    taken: &mut SmallVec<[(&'a Cell, u32); 4]>,
) -> Result<bool, u32> {
    let item = goods.get(line.item);
    if let Some(cell) = &item.cell {
        let units = u32::from(line.quantity);
        take_marked(cell, units)?;
        taken.push((cell, units));
    }
    let gift = item.gift.filter(|gift| gift.required);
    let Some(GiftOf { good, quantity, .. }) = gift else { return Ok(false) };
    if let Some(cell) = &goods.get(good).cell {
        take_marked(cell, quantity).map_err(|_| 0_u32)?;
        taken.push((cell, quantity));
    }
    Ok(true)
}

fn take_marked(cell: &Cell, units: u32) -> Result<(), u32> {
    let taken = cell.take_undecided(units);
    if planted(Fault::NoUndecidedMark) {
        cell.decide();
    }
    taken
}

/// The basket is decided: clears the marks of what it took, after putting it back if `refused`.
///
/// IMPORTANT: only under the basket mutex.
pub(crate) fn decide(goods: &Goods, moves: &Moves, refused: bool) {
    let words = || moves.iter().filter_map(|&(good, n)| Some((goods.get(good).cell.as_ref()?, n)));
    if refused {
        words().for_each(|(cell, units)| cell.put_back(units));
    }
    words().for_each(|(cell, _)| cell.decide());
}
