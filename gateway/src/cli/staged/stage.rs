//! A drop put up in a directory of its own, and taken down again.

use std::net::SocketAddr;
use std::path::Path;

use jangteo::{Campaign, Engine, Sale, Stock};
use jangteo_gateway::{Access, Service};
use jangteo_loadtest::{Basket, Crowd, Record, Summary, verdict};

use super::opening::Opening;
use super::story::{Proof, Story};
use super::{baskets, play, witness};
use crate::cli::signals::stop_signal;
use crate::cli::{Exit, Failure};

/// A drop that stands.
pub(crate) struct Staged<'d> {
    directory: &'d Path,
    engine: Engine,
    sale: Sale,
    service: Service,
}

impl<'d> Staged<'d> {
    /// Puts up the campaign's drop `number`, alone and as number 1, in an empty directory, to open
    /// when it is said.
    pub(crate) fn put_up(
        directory: &'d Path,
        campaign: &Campaign,
        number: u32,
        opening: Opening,
    ) -> Result<Self, Failure> {
        let engine = Engine::options().data(directory).open()?;
        let opens_at = opening.instant(engine.now());
        let moved = campaign.one_drop(number, opens_at).ok_or_else(|| {
            let drop = campaign.drop_id(number);
            Failure::new(Exit::Data, format!("{drop} cannot open at {opens_at}"))
        })?;
        let id = moved.drop_id(1);
        engine.put(moved)?;
        let sale = engine
            .sale(&id)
            .ok_or_else(|| Failure::new(Exit::Data, format!("{id} was not put up")))?;
        let anywhere = ([127, 0, 0, 1], 0).into();
        let service = Service::start(engine.clone(), anywhere, anywhere, Access::loopback())
            .map_err(|error| Failure::new(Exit::Io, error.to_string()))?;
        Ok(Self { directory, engine, sale, service })
    }

    /// The drop.
    pub(crate) const fn sale(&self) -> &Sale {
        &self.sale
    }

    /// Where it speaks HTTP.
    pub(crate) fn http(&self) -> SocketAddr {
        self.service.http()
    }

    /// Where it speaks RESP.
    pub(crate) fn resp(&self) -> SocketAddr {
        self.service.resp()
    }

    /// What a crowd wants of it.
    pub(crate) fn baskets(&self) -> Vec<Basket> {
        baskets::of(&self.sale.campaign())
    }

    /// An area that it is sold in, if one must be named.
    pub(crate) fn area(&self) -> Option<String> {
        self.sale.campaign().rules.areas.as_ref()?.first().cloned()
    }

    /// Sends a crowd over both wires, asks the three witnesses, and returns what there is to tell.
    pub(crate) fn sell(&self, customers: u32, seed: u64) -> Result<Story, Failure> {
        let campaign = self.sale.campaign();
        let opens_at_ms = self.sale.opens_at().as_ms();
        let mut crowd = Crowd::new(self.sale.id(), "", opens_at_ms, self.resp(), self.http());
        crowd.baskets = self.baskets();
        crowd.area = self.area();
        crowd.limit_per_customer = campaign.rules.limit_per_customer;
        crowd.customers = customers;
        crowd.seed = seed;
        let sealed_before = self.sale.is_sealed();
        let record = play::play(crowd)?;

        let proof = self.prove(&record)?;
        let is_limited = campaign.items_in(1).all(|item| item.stock != Stock::Unlimited);
        let units = is_limited.then(|| campaign.units_in(1));
        let summary = Summary::new(&record, units);
        Ok(Story { sale: self.sale.clone(), units, sealed_before, summary, proof })
    }

    /// Asks the three witnesses: clients, service, journal.
    fn prove(&self, record: &Record) -> Result<Proof, Failure> {
        self.engine.flush().map_err(|unknown| Failure::new(Exit::Io, unknown.to_string()))?;
        let (service, service_ok) = witness::of_service(&self.sale)?;
        let (journal, journal_ok) = witness::of_journal(self.directory, self.sale.id())?;
        let verdict = verdict(record, &service, &journal);
        Ok(Proof { verdict, audit_ok: service_ok && journal_ok })
    }

    /// Leaves it standing until the process is interrupted.
    pub(crate) fn stand(&self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::io("runtime", &error))?;
        let (http, resp) = (self.http(), self.resp());
        runtime.block_on(async {
            let stopped = stop_signal().map_err(|error| Failure::io("signals", &error))?;
            eprintln!("serving http={http} resp={resp}; end it with Ctrl-C");
            stopped.await;
            Ok(())
        })
    }

    /// Takes it down; its directory remains.
    pub(crate) fn take_down(self) {
        self.service.stop();
    }
}
