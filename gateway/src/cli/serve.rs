//! `jangteo serve`: the service, until it is told to stop.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;

use clap::Args;
use jangteo::{Durability, Engine, Error};
use jangteo_gateway::access::{Access, Keyring};
use jangteo_gateway::config::{Config, Flags, LogFormat, Retain, address};
use jangteo_gateway::{Service, Tls, Webhooks};

use super::campaign_file::CampaignFiles;
use super::descriptors;
use super::health::HealthLog;
use super::log::log_to_stderr;
use super::notify::{Stands, notify};
use super::opening::open_unless_stopped;
use super::reload::Reload;
use super::signals::{Hangups, stop_signal};
use super::{Exit, Failure};

/// What `serve` is told.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    jangteo serve --campaign wednesdays.toml\n  \
    jangteo serve --config /etc/jangteo.toml --data /var/lib/jangteo")]
pub(crate) struct Serve {
    /// Campaign files to put at the start; the data directory remembers those of earlier starts
    #[arg(long, value_name = "FILE", num_args = 1..)]
    campaign: Vec<PathBuf>,
    /// The configuration file [env: JANGTEO_CONFIG=]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory of the journal [env: JANGTEO_DATA=] [default: ./jangteo-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to serve HTTP; port 0 picks one [env: JANGTEO_HTTP=] [default: 127.0.0.1:7480]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    http: Option<SocketAddr>,
    /// Where to serve RESP; port 0 picks one [env: JANGTEO_RESP=] [default: 127.0.0.1:7481]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    resp: Option<SocketAddr>,
    /// What an acknowledged hold survives: synced (power loss), buffered (the process), memory
    /// [env: JANGTEO_DURABILITY=] [default: synced]
    #[arg(long)]
    durability: Option<Durability>,
    /// How long the records of a settled campaign are kept, such as 90days
    /// [env: JANGTEO_RETAIN_SETTLED=] [default: never]
    #[arg(long, value_name = "DURATION")]
    retain_settled: Option<Retain>,
    /// Encrypt both wires: the chain of certificates, PEM [env: JANGTEO_TLS_CERT=]
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM [env: JANGTEO_TLS_KEY=]
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// How the log looks: text, or json for one object a line [env: JANGTEO_LOG_FORMAT=]
    /// [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// What is logged: off, error, warn, info, debug, trace, or a filter [env: JANGTEO_LOG=]
    /// [default: info]
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
}

impl Serve {
    /// Serves until a signal says to stop.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let flags = Flags {
            config: self.config,
            data: self.data,
            http: self.http,
            resp: self.resp,
            durability: self.durability,
            retain_settled: self.retain_settled,
            tls_cert: self.tls_cert,
            tls_key: self.tls_key,
            log_format: self.log_format,
            log: self.log,
        };
        let config = configuration(&flags)?;
        let access = Access::by(keyring(&config)?);
        let tls = config.tls.as_ref().map(|files| Tls::open(&files.cert, &files.key));
        let tls = tls.transpose().map_err(|bad| Failure::new(Exit::Config, bad.to_string()))?;
        check_addresses(&config, &access)?;
        let campaigns = CampaignFiles::read(self.campaign.iter().map(PathBuf::as_path))?;
        if !has_records(&config) {
            campaigns.check(|_| false)?;
        }
        log_to_stderr(config.log_format, &config.log);
        if let Err(error) = descriptors::raise() {
            tracing::warn!(%error, "cannot raise the number of open files");
        }
        // Before anything is served: a signal that comes early must not be lost.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::io("runtime", &error))?;
        let signals = runtime.block_on(async { Ok((stop_signal()?, Hangups::listen()?)) });
        let (stopped, hangups) =
            signals.map_err(|error: io::Error| Failure::io("signals", &error))?;

        tell_access(&config, &access, tls.is_some());
        // To read a long journal back takes a while, and clients are to hear that it does. A start
        // that cannot listen has changed nothing.
        let service = listen(&config, access.clone(), tls.clone())?;
        let options = Engine::options().data(&config.data).durability(config.durability);
        let options = options.retain_settled(config.retain_settled.0);
        let mut stopped = pin!(stopped);
        let Some(opened) = open_unless_stopped(&runtime, options, stopped.as_mut()) else {
            return stop_early(service);
        };
        let engine = opened.map_err(|error| Failure::about(&config.data, error))?;
        tell_recovery(&engine);
        // Before anything happens that an endpoint is to hear of.
        let webhooks = runtime.block_on(send_webhooks(&engine, &config))?;
        campaigns.put(&engine, &config.data)?;
        service.measure(&webhooks);
        service.recovered(engine.clone());
        report(&config, &service).map_err(|error| Failure::io("standard output", &error))?;
        notify(Stands::Ready);

        let reload =
            Reload { flags: &flags, access: &access, tls: tls.as_ref(), webhooks: &webhooks };
        let mut health = HealthLog::of(&engine);
        runtime.block_on(async {
            tokio::select! {
                () = stopped.as_mut() => {}
                () = hangups.each(|| reload.run()) => {}
                () = health.watch() => {}
            }
        });
        tracing::info!("stopping");
        notify(Stands::Stopping);
        runtime.block_on(webhooks.stop());
        service.stop();
        let flushed = engine.flush();
        health.look();
        if let Some(failure) = engine.health().latched {
            let what = format!("{}: the journal failed: {failure}", config.data.display());
            return Err(Failure::new(Exit::Io, what));
        }
        flushed.map_err(|unknown| Failure::new(Exit::Io, unknown.to_string()))?;
        Ok(Exit::Done)
    }
}

/// Without a key only this machine may call.
fn check_addresses(config: &Config, access: &Access) -> Result<(), Failure> {
    for (key, address) in [("http", config.http), ("resp", config.resp)] {
        if !access.allows_listening(address) {
            let why = "without a key only a loopback address is served; see `jangteo key`";
            return Err(Failure::new(Exit::Config, format!("{key}: {address}: {why}")));
        }
    }
    Ok(())
}

/// Listens at both addresses; every command is answered `recovering` for now.
fn listen(config: &Config, access: Access, tls: Option<Tls>) -> Result<Service, Failure> {
    let at = (config.http, config.resp);
    let service = Service::start_recovering(at, access, tls, config.limits)
        .map_err(|error| cannot_listen(config, &error))?;
    let (http, resp) = (service.http(), service.resp());
    tracing::info!(%http, %resp, "listening; commands are answered once the journal is read back");
    Ok(service)
}

/// Why it cannot listen, and what to do. Another process on the directory explains it best.
fn cannot_listen(config: &Config, error: &io::Error) -> Failure {
    if has_records(config) && is_in_use(&config.data) {
        return Failure::about(&config.data, Error::InUse);
    }
    let text = error.to_string();
    let mut keys = [("http", "JANGTEO_HTTP"), ("resp", "JANGTEO_RESP")].into_iter();
    match keys.find(|(key, _)| text.starts_with(&format!("{key}: "))) {
        Some((key, variable)) => {
            let remedy = format!("choose another with --{key} or {variable}");
            Failure::new(Exit::Io, format!("{text}; {remedy}"))
        }
        None => Failure::new(Exit::Io, text),
    }
}

/// Whether anything may be recorded where the service is to run.
fn has_records(config: &Config) -> bool {
    config.durability != Durability::Memory && journal(&config.data).exists()
}

/// Whether an engine runs on the directory.
fn is_in_use(data: &Path) -> bool {
    let lock = File::open(journal(data).join("lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn journal(data: &Path) -> PathBuf {
    data.join("journal")
}

/// Says what of the directory an operator should know.
fn tell_recovery(engine: &Engine) {
    if let Some(place) = engine.torn_tail() {
        tracing::warn!("a batch that nobody was told of was cut short: {place}");
    }
    for place in engine.snapshots_passed_over() {
        tracing::warn!("a snapshot could not be read and was passed over: {place}");
    }
}

/// Ends a service that was told to stop before its journal was read back.
fn stop_early(service: Service) -> Result<Exit, Failure> {
    tracing::info!("stopping; the journal was not read back yet, and is as it was");
    notify(Stands::Stopping);
    service.stop();
    Ok(Exit::Done)
}

async fn send_webhooks(engine: &Engine, config: &Config) -> Result<Webhooks, Failure> {
    let started = Webhooks::start(engine.clone(), &config.data, config.webhooks.clone());
    started.map_err(|error| Failure::io("webhooks", &error))
}

pub(super) fn configuration(flags: &Flags) -> Result<Config, Failure> {
    let read = Config::read(flags, |name| std::env::var_os(name));
    read.map_err(|bad| Failure::placed(Exit::Config, bad.to_string()))
}

pub(super) fn keyring(config: &Config) -> Result<Keyring, Failure> {
    config.keyring().map_err(|bad| Failure::new(Exit::Config, format!("keys: {bad}")))
}

/// Says who may call.
fn tell_access(config: &Config, access: &Access, encrypted: bool) {
    if access.is_open() {
        tracing::info!("without a key every call is open to this machine, and only to it");
    }
    let reached = |address: SocketAddr| !address.ip().to_canonical().is_loopback();
    if !encrypted && (reached(config.http) || reached(config.resp)) {
        tracing::warn!("secrets cross the network unencrypted unless a proxy encrypts; see tls");
    }
}

/// The one line by which a script knows that it can begin.
fn report(config: &Config, service: &Service) -> io::Result<()> {
    let data = match config.durability {
        Durability::Memory => "none".into(),
        _ => config.data.to_string_lossy(),
    };
    let (http, resp, durability) = (service.http(), service.resp(), config.durability.name());
    let mut out = io::stdout().lock();
    writeln!(out, "ready http={http} resp={resp} data={data} durability={durability}")?;
    out.flush()
}
