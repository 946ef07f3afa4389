//! A small sale on which all three witnesses agree, to plant faults in.

use jangteo_loadtest::{
    Basket, Crowd, Grant, HoldState, Record, SoldOut, Witness, WitnessHold, WitnessItem,
};

pub(crate) const OPENS_AT_MS: u64 = 1_588_122_000_000;

pub(crate) struct Sale {
    pub(crate) record: Record,
    pub(crate) service: Witness,
    pub(crate) journal: Witness,
}

/// Four units. Hold 1 is released and sold again as hold 5; all the others are confirmed. Refusals
/// fill the times when nothing was free.
pub(crate) fn honest() -> Sale {
    let nowhere = ([127, 0, 0, 1], 1).into();
    let mut record = Record::new(&Crowd::new("d-1", "onion", OPENS_AT_MS, nowhere, nowhere));
    record.grants = vec![
        grant(1, 1_000, HoldState::Released),
        grant(2, 2_000, HoldState::Confirmed),
        grant(3, 3_000, HoldState::Confirmed),
        grant(4, 4_000, HoldState::Confirmed),
        grant(5, 600_000, HoldState::Confirmed),
    ];
    record.sold_out = [5_000, 400_000, 499_000, 601_000, 900_000]
        .map(|sent_us| refusal(sent_us, sent_us + 500))
        .to_vec();
    let witness = Witness {
        items: vec![WitnessItem {
            sku: "onion".to_owned(),
            total: Some(4),
            available: Some(0),
            held: 0,
            sold: 4,
        }],
        holds: record.grants.iter().map(shown).collect(),
        violations: Vec::new(),
    };
    Sale { record, service: witness.clone(), journal: witness }
}

/// A request for one unit that was refused as sold out.
pub(crate) fn refusal(sent_us: i64, received_us: i64) -> SoldOut {
    SoldOut { basket: Basket::one("onion"), sent_us, received_us }
}

/// A hold asked for at `asked_us` and acknowledged 1 ms later; settled at 500 ms or 1 ms after.
pub(crate) fn grant(number: u64, asked_us: i64, state: HoldState) -> Grant {
    let settled_us = (asked_us + 2_000).max(500_000);
    Grant {
        id: format!("hold-{number}").into(),
        number,
        customer: format!("c-{number:08}"),
        key: format!("k-{number:08}-1"),
        basket: Basket::one("onion"),
        state,
        asked_us,
        granted_us: asked_us + 1_000,
        confirm_asked_us: (state == HoldState::Confirmed).then_some(settled_us - 500),
        release_asked_us: (state == HoldState::Released).then_some(settled_us - 500),
        settled_us: (state != HoldState::Held).then_some(settled_us),
        fresh_answers: 1,
        doubted: false,
    }
}

/// A grant as an honest witness shows it.
pub(crate) fn shown(grant: &Grant) -> WitnessHold {
    let since_opening_ms = u64::try_from(grant.asked_us).unwrap() / 1_000;
    WitnessHold {
        id: grant.id.to_string(),
        number: grant.number,
        customer: grant.customer.clone(),
        key: Some(grant.key.clone()),
        state: grant.state,
        units: grant.basket.units(),
        granted_at_ms: Some(OPENS_AT_MS + since_opening_ms),
    }
}

impl Sale {
    /// Both witnesses see the same.
    pub(crate) fn witnesses(&mut self, change: impl Fn(&mut Witness)) {
        change(&mut self.service);
        change(&mut self.journal);
    }

    /// One more hold that everybody knows of.
    pub(crate) fn add(&mut self, grant: &Grant) {
        self.record.grants.push(grant.clone());
        self.witnesses(|witness| {
            witness.holds.push(shown(grant));
            let item = &mut witness.items[0];
            let units = grant.basket.units();
            match grant.state {
                HoldState::Held => item.held += units,
                HoldState::Confirmed => item.sold += units,
                HoldState::Released | HoldState::Expired | HoldState::Refunded => return,
            }
            item.available = item.total.map(|total| total.saturating_sub(item.held + item.sold));
        });
    }
}
