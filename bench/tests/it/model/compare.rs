//! The engine's answers beside the model's.

use std::collections::BTreeMap;
use std::fmt::Debug;

use jangteo::{Hold, HoldState, Phase, Refusal, Sale, SaleView, Wait, WaitState};

use super::reference::{Held, No, Reference};
use super::terms::{ITEMS, gift_sku, item_sku};

/// Nothing, or what differs.
pub(crate) type Same = Result<(), String>;

/// Whether both are equal.
pub(crate) fn same<T: PartialEq + Debug>(what: &str, engine: &T, model: &T) -> Same {
    if engine == model {
        Ok(())
    } else {
        Err(format!("{what}: the engine says {engine:?}, the model {model:?}"))
    }
}

pub(crate) fn customer(number: u8) -> String {
    format!("c-{number}")
}

pub(crate) fn key(number: u8) -> String {
    format!("k-{number}")
}

/// Whether a hold is as the model has it.
pub(crate) fn same_hold(engine: &Hold, model: &Held, world: &Reference) -> Same {
    let expires = match model.state {
        HoldState::Held => world.phase != Phase::Paused,
        state => state == HoldState::Expired,
    };
    let confirmed = matches!(model.state, HoldState::Confirmed | HoldState::Refunded);
    same("number", &engine.number, &model.number)?;
    same("id", &engine.id, &model.id.unwrap_or(engine.id))?;
    same("state", &engine.state, &model.state)?;
    same("customer", &engine.customer().to_owned(), &customer(model.ask.customer))?;
    same("key", &engine.key().map(str::to_owned), &model.ask.key.map(key))?;
    same("created_at", &engine.created_at.as_ms(), &model.created_ms)?;
    let expires_ms = engine.expires_at.map(|at| at.as_ms());
    same("expires_at", &expires_ms, &expires.then_some(model.expires_ms))?;
    same("confirmed", &engine.confirmed_at.is_some(), &confirmed)?;
    same("refunded", &engine.refunded_at.is_some(), &!model.backs.is_empty())?;
    for (what, at, (from, to)) in [
        ("confirmed_at", engine.confirmed_at, model.confirmed_ms),
        ("refunded_at", engine.refunded_at, model.refunded_ms),
    ] {
        let within = at.is_none_or(|at| (from..=to).contains(&at.as_ms()));
        same(&format!("{what} {at:?} within {from} to {to}"), &within, &true)?;
    }
    let payment = model.payment.clone().filter(|_| confirmed);
    same("payment", &engine.payment().map(str::to_owned), &payment)?;
    same("total", &engine.total().amount, &world.total(&model.lines))?;
    let lines: BTreeMap<&str, (u32, u64, u32)> = engine
        .lines()
        .map(|line| (line.sku, (line.quantity, line.unit_price, line.refunded)))
        .collect();
    let item = |(&item, &units): (&usize, &u32)| {
        (item_sku(item), (units, world.terms.items[item].price, model.came_back(item)))
    };
    same("lines", &lines, &model.lines.iter().map(item).collect())?;
    let gifts: Vec<(&str, u32)> = engine.gifts().map(|gift| (gift.sku, gift.quantity)).collect();
    let gift = |&(gift, units): &(usize, u32)| (gift_sku(gift), units);
    same("gifts", &gifts, &model.gifts.values().map(gift).collect())
}

/// Whether a refusal is the model's, with all it tells.
pub(crate) fn same_refusal(engine: Refusal, model: &No) -> Same {
    let engine = match engine {
        Refusal::SoldOut { available } => No::SoldOut(available),
        Refusal::NotOpen { opens_at } => No::NotOpen(opens_at.as_ms()),
        Refusal::LimitReached(holds) => {
            let holds = holds.wait().map_err(|unknown| unknown.to_string())?;
            No::LimitReached(holds.iter().map(|hold| hold.number).collect())
        }
        other => No::Plain(other.code()),
    };
    same("refusal", &engine, model)
}

/// The word of the contract.
pub(crate) fn code(no: &No) -> &'static str {
    match no {
        No::Plain(code) => code,
        No::SoldOut(_) => "sold_out",
        No::LimitReached(_) => "limit_reached",
        No::NotOpen(_) => "not_open",
        No::Waiting(_) => "waiting",
    }
}

/// Whether the drop shows the model's phase and counts.
pub(crate) fn same_view(view: SaleView, world: &Reference) -> Same {
    same("phase", &view.phase, &world.phase)?;
    same("sealed", &view.sealed, &world.is_sealed())?;
    same("closes_at", &view.closes_at.map(|at| at.as_ms()), &world.terms.closes_ms())?;
    if world.is_sealed() {
        let shown = (view.items.is_some(), view.gifts.is_some(), view.sold_out);
        return same("what a sealed drop shows", &shown, &(false, false, false));
    }
    let items = view.items.ok_or("no items are shown")?;
    let gifts = view.gifts.ok_or("no gifts are shown")?;
    same("items", &items.len(), &world.terms.items.len())?;
    let mut sold_out = true;
    for (place, item) in items.iter().enumerate() {
        let units = world.item(place);
        sold_out &= units.available == Some(0);
        let total = world.totals[place];
        let engine = (item.sku.as_str(), item.total, item.available, item.held, item.sold);
        let model = (item_sku(place), total, units.available, units.held, units.sold);
        same("units", &engine, &model)?;
    }
    same("gifts", &gifts.len(), &world.terms.gifts.len())?;
    for (place, gift) in gifts.iter().enumerate() {
        let engine = (gift.sku.as_str(), gift.total, gift.available);
        let total = world.totals[ITEMS + place];
        same("gift", &engine, &(gift_sku(place), total, world.gift(place).available))?;
    }
    same("sold_out", &view.sold_out, &sold_out)
}

/// Whether the customer's holds are the model's, newest first.
pub(crate) fn same_list(sale: &Sale, number: u8, world: &Reference) -> Same {
    let found = sale.find(&customer(number)).wait().map_err(|unknown| unknown.to_string())?;
    let own = world.holds.iter().rev().filter(|held| held.ask.customer == number).take(100);
    same("holds of the customer", &found.len(), &own.clone().count())?;
    found.iter().zip(own).try_for_each(|(hold, held)| same_hold(hold, held, world))
}

/// Whether a place in the line is as the model has it.
pub(crate) fn same_wait(engine: &Wait, index: usize, world: &Reference) -> Same {
    let model = &world.line[index];
    same("id", &engine.id, &model.id.unwrap_or(engine.id))?;
    same("state of the wait", &engine.state, &world.wait_state(index))?;
    same("place", &engine.place, &world.place(index))?;
    same("customer", &engine.customer().to_owned(), &customer(model.ask.customer))?;
    let (from, to) = model.joined_ms;
    let within = (from..=to).contains(&engine.created_at.as_ms());
    same(&format!("joined {} within {from} to {to}", engine.created_at), &within, &true)?;
    let lines: BTreeMap<&str, u32> = engine.lines().map(|line| (line.sku, line.quantity)).collect();
    let item = |(&item, &units): (&usize, &u32)| (item_sku(item), units);
    same("lines", &lines, &model.lines.iter().map(item).collect())?;
    let number = |id| engine.sale().get(&id).map(|hold| hold.into_parts().0.number).ok();
    let its = model.hold.map(|hold| world.holds[hold].number);
    same("number of its hold", &engine.hold.and_then(number), &its)
}

/// Whether those who wait are the model's, each in his place.
pub(crate) fn same_line(sale: &Sale, world: &Reference) -> Same {
    for (index, place) in world.line.iter().enumerate() {
        let Some(id) = place.id.filter(|_| world.wait_state(index) == WaitState::Waiting) else {
            continue;
        };
        let wait = sale.wait(&id).map_err(|refusal| refusal.to_string())?;
        same_wait(&wait.into_parts().0, index, world)?;
    }
    // Nobody waits for what is there: nothing is kept from the crowd for nothing.
    same("idle", &sale.idle_unit_seconds(), &0)
}

/// Whether the customer's places in the line are the model's, newest first.
pub(crate) fn same_places(sale: &Sale, number: u8, world: &Reference) -> Same {
    let found = sale.waits_of(&customer(number)).wait().map_err(|unknown| unknown.to_string())?;
    let own = (0..world.line.len()).rev().filter(|at| world.line[*at].ask.customer == number);
    same("places of the customer", &found.len(), &own.clone().count().min(100))?;
    found.iter().zip(own).try_for_each(|(wait, index)| same_wait(wait, index, world))
}

/// Whether everything that can be asked for is as the model has it.
pub(crate) fn same_world(sale: &Sale, world: &Reference) -> Same {
    same_view(sale.view().0, world)?;
    (0..7).try_for_each(|customer| same_list(sale, customer, world))?;
    (0..7).try_for_each(|customer| same_places(sale, customer, world))?;
    let audit = sale.audit().wait().map_err(|unknown| unknown.to_string())?;
    same("violations", &audit.violations, &Vec::new())?;
    // Also of a drop that shows none: a restart can seal it again.
    let goods = audit.items.iter().chain(&audit.gifts);
    same("totals", &goods.map(|good| good.reported.total).collect(), &world.totals)?;
    same("holds ever", &audit.holds, &(world.holds.len() as u64))
}
