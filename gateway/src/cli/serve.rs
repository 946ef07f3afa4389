//! `jangteo serve`: the service, until it is told to stop.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use jangteo::{Campaign, Durability, Engine, Error};
use jangteo_gateway::{Access, Service};
use rustix::process::{Resource, getrlimit, setrlimit};
use tracing_subscriber::EnvFilter;

use super::campaign_file::CampaignFile;
use super::signals::stop_signal;
use super::{Exit, Failure};

/// What `serve` is told.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Campaign files to put at the start; the data directory remembers those of earlier starts
    #[arg(long, value_name = "FILE", num_args = 1..)]
    campaign: Vec<PathBuf>,
    /// The directory of the journal
    #[arg(long, value_name = "DIR", env = "JANGTEO_DATA", default_value = "./jangteo-data")]
    data: PathBuf,
    /// Where to serve HTTP; port 0 picks one
    #[arg(long, value_name = "ADDR", env = "JANGTEO_HTTP", default_value = "127.0.0.1:7480")]
    http: SocketAddr,
    /// Where to serve RESP; port 0 picks one
    #[arg(long, value_name = "ADDR", env = "JANGTEO_RESP", default_value = "127.0.0.1:7481")]
    resp: SocketAddr,
    /// What an acknowledged hold survives: synced (power loss), buffered (the process), memory
    #[arg(long, env = "JANGTEO_DURABILITY", default_value = "synced")]
    durability: Durability,
}

impl Serve {
    /// Serves until a signal says to stop.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let access = Access::loopback();
        for (key, address) in [("http", self.http), ("resp", self.resp)] {
            if !access.allows_listening(address) {
                let why = "only a loopback address can be served as long as there are no keys";
                return Err(Failure::new(Exit::Config, format!("{key}: {address}: {why}")));
            }
        }
        log_to_stderr();
        raise_descriptors();
        // Before anything is served: a signal that comes early must not be lost.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::io("runtime", &error))?;
        let stopped = runtime.block_on(async { stop_signal() });
        let stopped = stopped.map_err(|error| Failure::io("signals", &error))?;

        let engine = Engine::options().data(&self.data).durability(self.durability).open()?;
        if let Some(place) = engine.torn_tail() {
            tracing::warn!("a batch that nobody was told of was cut short: {place}");
        }
        for place in engine.snapshots_passed_over() {
            tracing::warn!("a snapshot could not be read and was passed over: {place}");
        }
        put_campaigns(&engine, &self.campaign)?;
        let service = Service::start(engine.clone(), self.http, self.resp, access)
            .map_err(|error| Failure::new(Exit::Io, error.to_string()))?;
        tracing::info!("without a key every call is open to this machine, and only to it");
        self.report(&service).map_err(|error| Failure::io("standard output", &error))?;

        runtime.block_on(stopped);
        tracing::info!("stopping");
        service.stop();
        engine.flush().map_err(|unknown| Failure::new(Exit::Io, unknown.to_string()))?;
        Ok(Exit::Done)
    }

    /// The one line by which a script knows that it can begin.
    fn report(&self, service: &Service) -> io::Result<()> {
        let data = match self.durability {
            Durability::Memory => "none".into(),
            _ => self.data.to_string_lossy(),
        };
        let (http, resp, durability) = (service.http(), service.resp(), self.durability.name());
        let mut out = io::stdout().lock();
        writeln!(out, "ready http={http} resp={resp} data={data} durability={durability}")?;
        out.flush()
    }
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A program that has a subscriber already keeps it.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    _ = log.with_ansi(io::stderr().is_terminal()).try_init();
}

/// Takes as many descriptors as the system lets this process have.
fn raise_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the number of open files");
    }
}

/// Puts the campaigns of these files. A bad file of a campaign that the directory remembers is
/// logged, so that a bad edit never stops a restart; any other is a failure, and then nothing is
/// put.
fn put_campaigns(engine: &Engine, files: &[PathBuf]) -> Result<(), Failure> {
    let mut good = Vec::new();
    let mut faults = Vec::new();
    for file in files {
        let CampaignFile { campaign, claimed_id } = CampaignFile::read(file)?;
        match campaign {
            Ok(campaign) => good.push((file, campaign)),
            Err(found) => {
                let shown = found.iter().map(|fault| format!("{}:{fault}", file.display()));
                if claimed_id.is_some_and(|id| is_remembered(engine, &id)) {
                    shown.for_each(|fault| tracing::error!("{fault}"));
                    tracing::warn!("{}: the recorded campaign is kept", file.display());
                } else {
                    faults.extend(shown);
                }
            }
        }
    }
    if !faults.is_empty() {
        return Err(Failure::new(Exit::Data, faults.join("\n")));
    }
    good.into_iter().try_for_each(|(file, campaign)| put(engine, file, campaign))
}

fn put(engine: &Engine, file: &Path, campaign: Campaign) -> Result<(), Failure> {
    match engine.put(campaign) {
        Err(error @ Error::Conflict { .. }) => {
            tracing::error!("{}: {error}; the recorded campaign is kept", file.display());
            Ok(())
        }
        done => Ok(done?),
    }
}

fn is_remembered(engine: &Engine, campaign: &str) -> bool {
    engine.sales().iter().any(|sale| sale.campaign().id == campaign)
}
