//! Behaviour of the engine through its public face.

#[cfg(test)]
mod attack;
#[cfg(test)]
mod attack_time;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod common;
#[cfg(test)]
mod copies;
#[cfg(test)]
mod deleting;
#[cfg(test)]
mod events;
#[cfg(test)]
mod events_disk;
#[cfg(test)]
mod full;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod happy_credit;
#[cfg(test)]
mod hold_table;
#[cfg(test)]
mod holds;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod line;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod pending;
#[cfg(test)]
mod phases;
#[cfg(test)]
mod programmes;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod refunds;
#[cfg(test)]
mod retention;
