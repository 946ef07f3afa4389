//! Flags before environment before file.

use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jangteo::Durability;
use tracing_subscriber::EnvFilter;

use super::fault::{BadConfig, Fault};
use super::limits::SaidLimits;
use super::reader::{Faults, Table, out_of, parse};
use super::webhooks::{kept, webhooks};
use crate::access::{BadKey, Key, Keyring, TokenKey};
use crate::limits::Limits;
use crate::secret_file;
use crate::webhooks::Webhook;

/// What the service is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory.
    pub data: PathBuf,
    /// Where to serve HTTP.
    pub http: SocketAddr,
    /// Where to serve RESP.
    pub resp: SocketAddr,
    /// What an acknowledged change survives.
    pub durability: Durability,
    /// How long settled campaigns are kept.
    pub retain_settled: Retain,
    /// The certificate, if connections are encrypted.
    pub tls: Option<TlsFiles>,
    /// How the log looks.
    pub log_format: LogFormat,
    /// What is logged: a level, or a filter as of `tracing`.
    pub log: String,
    /// What is bounded.
    pub limits: Limits,
    /// Where events are sent.
    pub webhooks: Vec<Webhook>,
    keys: Vec<Key>,
    token_keys: Vec<TokenKey>,
}

/// How long something is kept: that long, or for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retain(pub Option<Duration>);

impl std::str::FromStr for Retain {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "never" {
            return Ok(Self(None));
        }
        let ms =
            jangteo::duration_ms(text).ok_or("expected never, or a duration such as 90days")?;
        Ok(Self(Some(Duration::from_millis(ms))))
    }
}

/// How the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

impl std::str::FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected text or json"),
        }
    }
}

/// Where a certificate and its private key lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the service's own certificate first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// The data directory.
    pub data: Option<PathBuf>,
    /// Where to serve HTTP.
    pub http: Option<SocketAddr>,
    /// Where to serve RESP.
    pub resp: Option<SocketAddr>,
    /// What an acknowledged change survives.
    pub durability: Option<Durability>,
    /// How long settled campaigns are kept.
    pub retain_settled: Option<Retain>,
    /// The chain of certificates.
    pub tls_cert: Option<PathBuf>,
    /// The private key.
    pub tls_key: Option<PathBuf>,
    /// How the log looks.
    pub log_format: Option<LogFormat>,
    /// What is logged.
    pub log: Option<String>,
}

/// What one source says: `None` where it says nothing.
#[derive(Debug, Default)]
struct Said {
    data: Option<PathBuf>,
    http: Option<SocketAddr>,
    resp: Option<SocketAddr>,
    durability: Option<Durability>,
    retain_settled: Option<Retain>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    log_format: Option<LogFormat>,
    log: Option<String>,
    limits: SaidLimits,
    keys: Option<Vec<Key>>,
    token_keys: Option<Vec<TokenKey>>,
    webhooks: Option<Vec<Webhook>>,
}

impl Config {
    /// Reads the file that `flags` or `JANGTEO_CONFIG` name, if they do, and puts environment and
    /// flags before it. `variable` looks the environment up; an empty variable says nothing.
    ///
    /// # Errors
    /// Everything that is wrong, with its place.
    pub fn read(
        flags: &Flags,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, BadConfig> {
        let mut faults = Vec::new();
        let mut environment = Environment { variable, faults: Vec::new() };
        let path = environment.parsed("JANGTEO_CONFIG", |text| Ok::<_, String>(text.into()));
        let file = match flags.config.as_ref().or(path.as_ref()) {
            Some(path) => of_file(path, &mut faults),
            None => Said::default(),
        };
        let said = environment.said();
        faults.extend(environment.faults);
        let flags = flags.clone();
        let tls_cert = flags.tls_cert.or(said.tls_cert).or(file.tls_cert);
        let tls_key = flags.tls_key.or(said.tls_key).or(file.tls_key);
        let log = flags.log.and_then(|text| {
            let fault = |detail| Fault { place: "--log".to_owned(), key: String::new(), detail };
            log_filter(&text).map_err(|detail| faults.push(fault(detail))).ok()
        });
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let config = Self {
            data: flags.data.or(said.data).or(file.data).unwrap_or("./jangteo-data".into()),
            http: flags.http.or(said.http).or(file.http).unwrap_or(at(7480)),
            resp: flags.resp.or(said.resp).or(file.resp).unwrap_or(at(7481)),
            durability: flags
                .durability
                .or(said.durability)
                .or(file.durability)
                .unwrap_or_default(),
            retain_settled: flags
                .retain_settled
                .or(said.retain_settled)
                .or(file.retain_settled)
                .unwrap_or_default(),
            tls: tls(tls_cert, tls_key).unwrap_or_else(|fault| {
                faults.push(fault);
                None
            }),
            log_format: flags
                .log_format
                .or(said.log_format)
                .or(file.log_format)
                .unwrap_or_default(),
            log: log.or(said.log).or(file.log).unwrap_or_else(|| "info".to_owned()),
            limits: said.limits.or(file.limits).limits().unwrap_or_else(|fault| {
                faults.push(fault);
                Limits::default()
            }),
            webhooks: file.webhooks.unwrap_or_default(),
            keys: said.keys.or(file.keys).unwrap_or_default(),
            token_keys: file.token_keys.unwrap_or_default(),
        };
        if let Err(bad) = config.keyring() {
            faults.push(whole("keys", &bad.to_string()));
        }
        faults.extend(kept(&config.webhooks, config.durability).err());
        if faults.is_empty() { Ok(config) } else { Err(BadConfig { faults }) }
    }

    /// The keys, as the service takes them.
    ///
    /// # Errors
    /// None, of a configuration that was read.
    pub fn keyring(&self) -> Result<Keyring, BadKey> {
        Keyring::new(self.keys.clone(), self.token_keys.clone())
    }
}

fn whole(key: &str, detail: &str) -> Fault {
    let place = "configuration".to_owned();
    Fault { place, key: key.to_owned(), detail: detail.to_string() }
}

fn tls(cert: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<TlsFiles>, Fault> {
    match (cert, key) {
        (None, None) => Ok(None),
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
        (Some(_), None) => Err(whole("tls.key", "is missing: a certificate needs its key")),
        (None, Some(_)) => Err(whole("tls.cert", "is missing: a key needs its certificate")),
    }
}

/// The environment while it is being read.
struct Environment<V> {
    variable: V,
    faults: Vec<Fault>,
}

impl<V: Fn(&str) -> Option<OsString>> Environment<V> {
    fn said(&mut self) -> Said {
        let path = |text: &str| Ok::<PathBuf, String>(text.into());
        Said {
            data: self.parsed("JANGTEO_DATA", path),
            http: self.parsed("JANGTEO_HTTP", address),
            resp: self.parsed("JANGTEO_RESP", address),
            durability: self.parsed("JANGTEO_DURABILITY", str::parse),
            retain_settled: self.parsed("JANGTEO_RETAIN_SETTLED", str::parse),
            tls_cert: self.parsed("JANGTEO_TLS_CERT", path),
            tls_key: self.parsed("JANGTEO_TLS_KEY", path),
            log_format: self.parsed("JANGTEO_LOG_FORMAT", str::parse),
            log: self.parsed("JANGTEO_LOG", log_filter),
            limits: SaidLimits::of_environment(|name, range| {
                self.parsed(name, |text| {
                    let number = text.parse().ok().filter(|number| range.contains(number));
                    number.ok_or_else(|| out_of(range))
                })
            }),
            keys: self.parsed("JANGTEO_KEYS", |text| {
                text.split(',').map(|key| key.trim_ascii().parse()).collect::<Result<_, BadKey>>()
            }),
            token_keys: None,
            webhooks: None,
        }
    }

    fn parsed<T, E: fmt::Display>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = (self.variable)(name).filter(|value| !value.is_empty())?;
        let read = match value.to_str() {
            Some(text) => read(text).map_err(|error| error.to_string()),
            None => Err("is not UTF-8".to_owned()),
        };
        let fault = |detail| Fault { place: name.to_owned(), key: String::new(), detail };
        read.map_err(|detail| self.faults.push(fault(detail))).ok()
    }
}

/// The words that are levels.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What is logged, if it can be understood. A word alone that is no level would be a target of that
/// name, and silence everything else.
fn log_filter(text: &str) -> Result<String, String> {
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word.trim()));
    let is_plain = text.split(',').all(|part| part.contains('=') || is_level(part));
    match EnvFilter::builder().parse(text) {
        Ok(_) if is_plain => Ok(text.to_owned()),
        _ => Err("expected off, error, warn, info, debug or trace, or a filter such as \
                  info,jangteo=debug"
            .to_owned()),
    }
}

/// An address to listen at.
///
/// # Errors
/// What was expected, for a person.
pub fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "expected an IP address and a port, such as 127.0.0.1:7480")
}

fn of_file(path: &Path, faults: &mut Vec<Fault>) -> Said {
    let name = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            faults.push(Fault { place: name, key: String::new(), detail: error.to_string() });
            return Said::default();
        }
    };
    let found = Faults::of(&name, &text);
    let entries = parse(&found);
    let said = entries.as_ref().map(|entries| root(Table::root(&found, entries)));
    faults.extend(found.into_vec());
    said.unwrap_or_default()
}

fn root(mut file: Table<'_, '_>) -> Said {
    let mut said = Said {
        data: file.find("data").and_then(|field| field.text()).map(PathBuf::from),
        http: file.find("http").and_then(|field| field.parsed(address)),
        resp: file.find("resp").and_then(|field| field.parsed(address)),
        durability: file.find("durability").and_then(|field| field.parsed(str::parse)),
        retain_settled: file.find("retain_settled").and_then(|field| field.parsed(str::parse)),
        log_format: file.find("log_format").and_then(|field| field.parsed(str::parse)),
        log: file.find("log").and_then(|field| field.parsed(log_filter)),
        limits: SaidLimits::of_file(&mut file),
        ..Said::default()
    };
    if let Some(mut tls) = file.find("tls").and_then(|field| field.table()) {
        let mut path = |key| tls.required(key).and_then(|field| field.text()).map(PathBuf::from);
        (said.tls_cert, said.tls_key) = (path("cert"), path("key"));
        tls.done();
    }
    said.keys = file.find("keys").and_then(|field| field.each(key));
    said.token_keys = file.find("token_keys").and_then(|field| field.each(token_key));
    said.webhooks = file.find("webhooks").and_then(|field| webhooks(&field));
    file.done();
    said
}

fn key(table: &mut Table<'_, '_>) -> Option<Key> {
    let name = table.required("name").and_then(|field| field.parsed(Key::check_name));
    let scope = table.required("scope").and_then(|field| field.parsed(str::parse));
    let hash = table.required("sha256").and_then(|field| field.parsed(str::parse));
    Key::new(&name?, scope?, hash?).ok()
}

fn token_key(table: &mut Table<'_, '_>) -> Option<TokenKey> {
    let alg = table.required("alg").and_then(|field| {
        let alg = field.text()?;
        let known = matches!(alg, "EdDSA" | "HS256").then_some(alg);
        known.or_else(|| field.fault("must be \"EdDSA\" or \"HS256\""))
    });
    let (public, secret, file) =
        (table.find("public"), table.find("secret"), table.find("secret_file"));
    let kid = table.find("kid").map(|field| field.text().map(str::to_owned));
    let audience = table.required("audience").and_then(|field| field.text());
    let key = match (alg?, public, secret, file) {
        ("EdDSA", Some(public), None, None) => {
            public.parsed(|text| TokenKey::ed_dsa(text, audience.unwrap_or("x")))
        }
        ("EdDSA", ..) => table.fault("EdDSA needs public, and has no secret"),
        (_, None, Some(secret), None) => {
            secret.parsed(|text| TokenKey::hs256(text.as_bytes(), audience.unwrap_or("x")))
        }
        (_, None, None, Some(file)) => file.parsed(|path| {
            let bytes = secret_file::read(Path::new(path))?;
            let end = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            let end = end.strip_suffix(b"\r").unwrap_or(end);
            TokenKey::hs256(end, audience.unwrap_or("x")).map_err(|error| error.to_string())
        }),
        _ => table.fault("HS256 needs secret or secret_file, one of them, and has no public"),
    };
    audience?;
    match kid {
        None => key,
        Some(kid) => key?.named(&kid?).map_err(|error| table.fault::<()>(error.to_string())).ok(),
    }
}
