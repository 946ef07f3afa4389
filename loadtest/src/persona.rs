//! How one customer behaves, drawn before the first request.

use rand::RngExt;
use rand::rngs::StdRng;

use crate::call::Wire;
use crate::crowd::Crowd;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Persona {
    pub(crate) wire: Wire,
    pub(crate) double_click: bool,
    pub(crate) after_win: AfterWin,
    pub(crate) hopeful: bool,
}

/// What a winner does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterWin {
    Pay,
    /// Wants a second one, hears `limit_reached`, pays for the first.
    ComeBackWithNewKey,
    /// Pays, then sends the old request again and is shown the order.
    ComeBackWithSameKey,
    /// Gives the hold back, if it came at first try.
    Abandon,
}

impl Persona {
    pub(crate) fn draw(crowd: &Crowd, rng: &mut StdRng) -> Self {
        let mix = crowd.mix;
        let mut happens = |percent: u8| rng.random_range(0..100) < percent;
        let wire = if happens(mix.http) { Wire::Http } else { Wire::Resp };
        let double_click = happens(mix.double_click);
        let hopeful = happens(mix.hopeful);
        let dice: u8 = rng.random_range(0..100);
        let after_win = if dice < mix.abandon {
            AfterWin::Abandon
        } else if dice < mix.abandon + mix.same_key {
            AfterWin::ComeBackWithSameKey
        } else if dice < mix.abandon + mix.same_key + mix.new_key && crowd.is_one_basket_each() {
            AfterWin::ComeBackWithNewKey
        } else {
            AfterWin::Pay
        };
        Self { wire, double_click, after_win, hopeful }
    }
}
