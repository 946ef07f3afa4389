//! `jangteo demo`: the main job, proved. One drop opens a few seconds from now on loopback, a crowd
//! comes over both wires, and three witnesses say what happened.

mod story;
mod witness;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use clap::Args;
use jangteo::{Campaign, Engine, Sale};
use jangteo_gateway::{Access, Service};
use jangteo_loadtest::{Crowd, Progress, Record, SendError, Summary, send, verdict};

use super::signals::stop_signal;
use super::{Exit, Failure};
use story::{Proof, Story};

/// The campaign whose first drop is shown: what was really sold on eight Wednesdays in 2020.
const CAMPAIGN: &str = include_str!("../../../../docs/campaigns/uroad-2020.toml");
/// From the start to the opening, in milliseconds: the first of the crowd come before it.
const LEAD_MS: u64 = 4_000;
/// How often progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// What `demo` is told.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  jangteo demo\n  jangteo demo --json | jq .oversold\n  \
                        jangteo demo --customers 200000 --seed 7 --keep")]
pub(crate) struct Demo {
    /// Print one JSON object on stdout, and progress on stderr
    #[arg(long)]
    json: bool,
    /// Leave the service running afterwards, until interrupted
    #[arg(long)]
    keep: bool,
    /// How many people come
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    customers: u32,
    /// Seed of the crowd: who comes when, and what they do
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Demo {
    /// Runs the sale and judges it.
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let directory = tempfile::Builder::new().prefix("jangteo-demo-").tempdir();
        let directory = directory.map_err(|error| Failure::io("a temporary directory", &error))?;
        let engine = Engine::options().data(directory.path()).open()?;
        let sale = put_drop(&engine)?;
        let anywhere = ([127, 0, 0, 1], 0).into();
        let service = Service::start(engine.clone(), anywhere, anywhere, Access::loopback())
            .map_err(|error| Failure::new(Exit::Io, error.to_string()))?;
        let item = sale.campaign().items.first().map(|item| item.sku.clone()).unwrap_or_default();

        let opens_at_ms = sale.opens_at().as_ms();
        let mut crowd = Crowd::new(sale.id(), &item, opens_at_ms, service.resp(), service.http());
        crowd.customers = self.customers;
        crowd.seed = self.seed;
        let sealed_before = sale.is_sealed();
        let record = self.watch(crowd)?;

        let proof = self.prove(directory.path(), &engine, &sale, &record)?;
        let units = sale.campaign().units_in(1);
        let summary = Summary::new(&record, units);
        let story = Story { sale: &sale, units, sealed_before, summary: &summary, proof: &proof };
        let mut out = io::stdout().lock();
        let told = if self.json { story.json(&mut out) } else { story.tell(&mut out) };
        told.and_then(|()| out.flush()).map_err(|error| Failure::io("standard output", &error))?;
        drop(out);
        if self.keep {
            keep_running(&service)?;
        }
        service.stop();
        Ok(if proof.holds() { Exit::Done } else { Exit::DidNotHold })
    }

    /// Sends the crowd from a thread of its own and shows how far it is.
    fn watch(&self, crowd: Crowd) -> Result<Record, Failure> {
        let progress = Arc::new(Progress::default());
        let sender = send_on_thread(crowd, Arc::clone(&progress))
            .map_err(|error| Failure::io("a thread for the crowd", &error))?;
        let live = io::stderr().is_terminal();
        while !sender.is_finished() {
            std::thread::sleep(PROGRESS_EVERY);
            if live {
                let now = progress.now();
                eprint!(
                    "\r{:>8} sent  {:>6} granted  {:>6} confirmed  {:>6} returned  {:>8} refused ",
                    now.sent, now.granted, now.confirmed, now.released, now.refused
                );
            }
        }
        if live {
            eprint!("\r{:78}\r", "");
        }
        let sent = sender.join().map_err(|_| Failure::new(Exit::Io, "the crowd panicked"))?;
        sent.map_err(|error| Failure::new(Exit::Io, error.to_string()))
    }

    /// Asks the three witnesses: clients, service, journal.
    fn prove(
        &self,
        directory: &Path,
        engine: &Engine,
        sale: &Sale,
        record: &Record,
    ) -> Result<Proof, Failure> {
        engine.flush().map_err(|unknown| Failure::new(Exit::Io, unknown.to_string()))?;
        let (service, service_ok) = witness::of_service(sale)?;
        let (journal, journal_ok) = witness::of_journal(directory, sale.id())?;
        let verdict = verdict(record, &service, &journal);
        Ok(Proof { verdict, audit_ok: service_ok && journal_ok })
    }
}

/// Puts the campaign's first drop, to open in a few seconds.
fn put_drop(engine: &Engine) -> Result<Sale, Failure> {
    let campaign = Campaign::parse(CAMPAIGN).map_err(|e| Failure::new(Exit::Data, e.to_string()))?;
    let moved = campaign.one_drop(1, engine.now().plus_ms(LEAD_MS));
    let moved = moved.ok_or_else(|| Failure::new(Exit::Data, "the campaign has no first drop"))?;
    let id = moved.drop_id(1);
    engine.put(moved)?;
    engine.sale(&id).ok_or_else(|| Failure::new(Exit::Data, "the drop was not put"))
}

type Sender = JoinHandle<Result<Record, SendError>>;

fn send_on_thread(crowd: Crowd, progress: Arc<Progress>) -> io::Result<Sender> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name("jangteo-crowd".to_owned())
        .spawn(move || runtime.block_on(send(&crowd, &progress)))
}

fn keep_running(service: &Service) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::io("runtime", &error))?;
    let (http, resp) = (service.http(), service.resp());
    eprintln!("still serving http={http} resp={resp}; end it with Ctrl-C");
    runtime.block_on(async {
        stop_signal().map_err(|error| Failure::io("signals", &error))?.await;
        Ok(())
    })
}
