//! The profiles: what each sells, and what its clients do.

use std::fmt::Write as _;
use std::str::FromStr;

use jangteo::Campaign;

/// A named kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Everybody wants the one unit there is, and who gets it gives it back.
    LastUnit,
    /// One item, more customers than units, one each.
    OneHotItem,
    /// Baskets of items that other baskets want too.
    SharedBaskets,
    /// Baskets that can never be granted, against singles that can never be refused (S2 exactly).
    DoomedBaskets,
    /// The same keys from every client at once, again and again.
    RetryStorm,
    /// Holds that expire in waves while others confirm and extend theirs.
    ExpiryWave,
    /// Many holds, given back as fast as they are taken.
    Churn,
    /// Items with a gift as long as there are some.
    OptionalGifts,
    /// Items that are not sold without their gift.
    RequiredGifts,
    /// A drop that opens late and closes early.
    Window,
    /// A whole market: baskets of scarce and unlimited items, with required and optional gifts,
    /// limits, orders and expiries.
    Market,
}

/// Of 100 commands, how many are which. The rest up to 100: `find`.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Holds of a customer who never asked before.
    pub hold: u32,
    /// The same request again under the same key.
    pub again: u32,
    /// Another request under a key that was used.
    pub reuse: u32,
    /// A further hold of a customer who has one.
    pub more: u32,
    /// Confirms.
    pub confirm: u32,
    /// Releases.
    pub release: u32,
    /// Extensions.
    pub extend: u32,
    /// Refunds.
    pub refund: u32,
    /// Reads.
    pub get: u32,
}

/// An item or gift.
#[derive(Clone, Debug)]
pub struct Good {
    /// Its id.
    pub sku: &'static str,
    /// Units; none: unlimited.
    pub units: Option<u32>,
    /// The gift that comes with each line of it.
    pub gift: Option<Gift>,
}

/// How an item comes with a gift.
#[derive(Clone, Copy, Debug)]
pub struct Gift {
    /// The gift's place among the goods.
    pub good: u16,
    /// Units a line.
    pub quantity: u32,
    /// Whether the item is not sold without it.
    pub required: bool,
}

/// A profile made concrete for a number of clients.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which.
    pub profile: Profile,
    /// Items, then gifts.
    pub goods: Vec<Good>,
    /// How many of the goods are items.
    pub items: usize,
    /// Most units of a customer; 0: no limit.
    pub limit: u32,
    /// Life of a hold, ms.
    pub ttl_ms: u64,
    /// From opening to closing, ms.
    pub closes_after_ms: Option<u64>,
    /// What clients do.
    pub mix: Mix,
    /// Whether confirms wait for the last commands: an order's units never come back, and a small
    /// stock would soon leave nothing to contend for.
    pub orders_last: bool,
    /// Most lines of one hold.
    pub lines: u32,
    /// Most units of one line.
    pub quantity: u32,
    /// Clients.
    pub clients: u32,
    /// Commands of each client.
    pub commands: u32,
}

/// Opening instant of every plan, ms: 2020-04-29 10:00 in Seoul.
pub const OPENS_MS: u64 = 1_588_122_000_000;
/// The drop of every plan.
pub const SALE: &str = "plan-1";

const TTL_MS: u64 = 10_000;
/// How long before its opening a [`Profile::Window`] begins, ms.
pub const WINDOW_BEFORE_MS: u64 = 1_000;
/// How long it is open, ms.
const WINDOW_MS: u64 = 8_000;
/// How long a [`Profile::Market`] is open, ms.
const MARKET_MS: u64 = 3_600_000;
/// How much time each of its 100 steps takes, ms: the last ones lie after the closing.
pub const WINDOW_STEP_MS: u64 = 100;
const _: () = assert!(WINDOW_BEFORE_MS + WINDOW_MS < 100 * WINDOW_STEP_MS);

impl Profile {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::LastUnit,
        Self::OneHotItem,
        Self::SharedBaskets,
        Self::DoomedBaskets,
        Self::RetryStorm,
        Self::ExpiryWave,
        Self::Churn,
        Self::OptionalGifts,
        Self::RequiredGifts,
        Self::Window,
        Self::Market,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LastUnit => "last-unit",
            Self::OneHotItem => "one-hot-item",
            Self::SharedBaskets => "shared-baskets",
            Self::DoomedBaskets => "doomed-baskets",
            Self::RetryStorm => "retry-storm",
            Self::ExpiryWave => "expiry-wave",
            Self::Churn => "churn",
            Self::OptionalGifts => "optional-gifts",
            Self::RequiredGifts => "required-gifts",
            Self::Window => "window",
            Self::Market => "market",
        }
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|one| one.name() == name).ok_or_else(names)
    }
}

fn good(sku: &'static str, units: u32) -> Good {
    Good { sku, units: Some(units), gift: None }
}

fn with_gift(sku: &'static str, units: u32, good: u16, quantity: u32, required: bool) -> Good {
    Good { sku, units: Some(units), gift: Some(Gift { good, quantity, required }) }
}

const BUSY: Mix = Mix {
    hold: 40,
    again: 8,
    reuse: 2,
    more: 6,
    confirm: 4,
    release: 33,
    extend: 3,
    refund: 0,
    get: 3,
};

impl Plan {
    /// The plan of `profile` for so many clients, of so many commands each.
    #[must_use]
    pub fn of(profile: Profile, clients: u32, commands: u32) -> Self {
        let (goods, items) = goods(profile, clients, commands);
        let mut plan = Self {
            profile,
            goods,
            items,
            limit: 0,
            ttl_ms: 600_000,
            closes_after_ms: None,
            mix: BUSY,
            orders_last: true,
            lines: 1,
            quantity: 1,
            clients,
            commands,
        };
        match profile {
            Profile::LastUnit => plan.mix = Mix { hold: 44, more: 2, ..BUSY },
            Profile::OneHotItem => {
                (plan.limit, plan.orders_last) = (1, false);
                plan.mix = Mix { hold: 58, confirm: 14, release: 4, refund: 1, ..BUSY };
            }
            Profile::SharedBaskets => (plan.lines, plan.quantity) = (3, 2),
            Profile::RetryStorm => plan.limit = 1,
            Profile::ExpiryWave => {
                plan.ttl_ms = TTL_MS;
                plan.mix = Mix { hold: 62, release: 11, ..BUSY };
            }
            Profile::Churn => (plan.limit, plan.quantity) = (3, 2),
            Profile::OptionalGifts => (plan.lines, plan.quantity) = (2, 2),
            Profile::RequiredGifts => plan.lines = 2,
            Profile::Window => plan.closes_after_ms = Some(WINDOW_MS),
            Profile::Market => {
                (plan.limit, plan.lines, plan.quantity) = (6, 3, 2);
                (plan.ttl_ms, plan.closes_after_ms) = (TTL_MS, Some(MARKET_MS));
                plan.orders_last = false;
                plan.mix = Mix { hold: 36, more: 12, confirm: 4, release: 22, ..BUSY };
                (plan.mix.extend, plan.mix.refund) = (6, 2);
            }
            Profile::DoomedBaskets => {}
        }
        plan
    }

    /// Place of a SKU among the goods.
    ///
    /// # Panics
    /// If the plan has no such good.
    #[must_use]
    pub fn place(&self, sku: &str) -> u16 {
        let place = self.goods.iter().position(|good| good.sku == sku);
        u16::try_from(place.expect("only goods of the plan")).expect("a plan has few goods")
    }

    /// A good.
    ///
    /// # Panics
    /// If there is none at that place.
    #[must_use]
    pub fn good(&self, place: u16) -> &Good {
        self.goods.get(usize::from(place)).expect("a place among the goods")
    }

    /// When the drop closes, ms.
    #[must_use]
    pub fn closes_ms(&self) -> Option<u64> {
        self.closes_after_ms.map(|ms| OPENS_MS + ms)
    }

    /// What the engine's clock shows at first, ms.
    #[must_use]
    pub fn starts_ms(&self) -> u64 {
        if self.profile == Profile::Window { OPENS_MS - WINDOW_BEFORE_MS } else { OPENS_MS }
    }

    /// Whether a request for one unit of the first item can never find too few.
    #[must_use]
    pub fn singles_never_refused(&self) -> bool {
        matches!(self.profile, Profile::DoomedBaskets | Profile::RetryStorm)
    }

    /// The campaign as a file.
    #[must_use]
    pub fn file(&self) -> String {
        let mut text = format!(
            "[campaign]\nid = \"plan\"\ntitle = \"{}\"\ncurrency = \"KRW\"\n\
             time_zone = \"Asia/Seoul\"\n[schedule]\nopens = \"2020-04-29T10:00:00\"\n",
            self.profile.name()
        );
        let mut line = |args: std::fmt::Arguments<'_>| {
            writeln!(text, "{args}").expect("a string takes everything");
        };
        if let Some(ms) = self.closes_after_ms {
            line(format_args!("closes_after = \"{}s\"", ms / 1_000));
        }
        line(format_args!("[rules]\nhold_ttl = \"{}s\"", self.ttl_ms / 1_000));
        line(format_args!("limit_per_customer = {}", self.limit));
        for (place, good) in self.goods.iter().enumerate() {
            let item = place < self.items;
            line(format_args!("[[{}]]", if item { "items" } else { "gifts" }));
            line(format_args!("sku = \"{0}\"\ntitle = \"{0}\"", good.sku));
            match good.units {
                Some(units) => line(format_args!("stock = {units}")),
                None => line(format_args!("stock = \"unlimited\"")),
            }
            if item {
                line(format_args!("price = 1000"));
            }
            if let Some(Gift { good, quantity, required }) = good.gift {
                let sku = self.good(good).sku;
                line(format_args!(
                    "gift = {{ sku = \"{sku}\", quantity = {quantity}, required = {required} }}"
                ));
            }
        }
        text
    }

    /// The campaign.
    ///
    /// # Panics
    /// If the engine finds a fault in the file.
    #[must_use]
    pub fn campaign(&self) -> Campaign {
        Campaign::parse(&self.file()).unwrap_or_else(|faults| panic!("{faults}"))
    }
}

/// Items then gifts, and how many are items.
fn goods(profile: Profile, clients: u32, commands: u32) -> (Vec<Good>, usize) {
    match profile {
        Profile::LastUnit => (vec![good("a", 1)], 1),
        // About a third of the customers get one.
        Profile::OneHotItem => (vec![good("a", (clients * commands / 5).max(1))], 1),
        Profile::SharedBaskets => (["a", "b", "c", "d", "e"].map(|sku| good(sku, 6)).to_vec(), 5),
        Profile::DoomedBaskets => {
            // A basket of two lines with the same required gift, of which there is one: it takes
            // `a`, `b` and the gift, and only then finds that the second gift is missing. Each
            // client has one single at a time, so there is always one unit of `a` for the next;
            // but not beside the two that an undecided basket has taken.
            let b_and_c = ["b", "c"].map(|sku| with_gift(sku, 1_000, 3, 1, true));
            let [b, c] = b_and_c;
            (vec![good("a", clients.max(3)), b, c, good("g", 1)], 3)
        }
        Profile::RetryStorm => (vec![good("a", 100_000_000)], 1),
        Profile::ExpiryWave => (vec![good("a", 40)], 1),
        Profile::Churn => (vec![good("a", 60), good("b", 60)], 2),
        Profile::OptionalGifts => {
            let unlimited = Gift { good: 3, quantity: 1, required: false };
            let unlimited = Good { sku: "u", units: None, gift: Some(unlimited) };
            let a = with_gift("a", 20, 3, 1, false);
            let b = with_gift("b", 20, 3, 2, false);
            (vec![a, b, unlimited, good("g", 12)], 3)
        }
        Profile::RequiredGifts => {
            let a = with_gift("a", 20, 2, 2, true);
            let b = with_gift("b", 20, 2, 1, true);
            (vec![a, b, good("g", 15)], 2)
        }
        Profile::Window => (vec![good("a", 1_000_000)], 1),
        Profile::Market => {
            let unlimited = Gift { good: 4, quantity: 1, required: false };
            let unlimited = Good { sku: "u", units: None, gift: Some(unlimited) };
            let a = with_gift("a", 30, 5, 1, true);
            let b = with_gift("b", 50, 4, 2, false);
            (vec![a, b, good("c", 20), unlimited, good("g", 40), good("h", 24)], 4)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_has_a_valid_campaign_and_a_name() {
        for profile in Profile::ALL {
            let plan = Plan::of(profile, 4, 1_000);
            assert_eq!(plan.campaign().occurrences()[0].opens_at.as_ms(), OPENS_MS);
            assert_eq!(profile.name().parse(), Ok(profile));
            let Mix { hold, again, reuse, more, confirm, release, extend, refund, get } = plan.mix;
            let sum = hold + again + reuse + more + confirm + release + extend + refund + get;
            assert!(sum <= 100, "{}: {sum}", profile.name());
        }
    }
}
