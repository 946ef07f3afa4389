//! `jangteo serve` sends events to endpoints.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use jangteo_gateway::limits::WEBHOOK_UNSAVED_MAX;
use rustix::process::Signal;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use standardwebhooks::Webhook;

use crate::clients::{Resp, http};
use crate::metrics::scrape;
use crate::process::{Served, jangteo, run, serve};
use crate::receiver::{Got, Receiver};
use crate::shop::campaign_at;
use crate::tls::fixture;

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const OTHER: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A data directory, a configuration and a campaign that is open.
struct Place {
    directory: tempfile::TempDir,
    /// The name of the data directory.
    data: &'static str,
}

/// A stanza for an endpoint that wants these events.
fn stanza(url: &str, secret_file: &Path, events: &str) -> String {
    let file = secret_file.display();
    format!("[[webhooks]]\nurl = \"{url}\"\nsecret_file = \"{file}\"\nevents = [{events}]\n")
}

impl Place {
    fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap(), data: "data" };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let opens_s = i64::try_from(now).unwrap() - 60;
        let campaign = campaign_at("t", opens_s, "", "hold_ttl = \"6days\"");
        std::fs::write(place.path("t.toml"), campaign).unwrap();
        place.secret("secret", SECRET);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a secret that only its owner may read.
    fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    fn configure(&self, text: &str) {
        std::fs::write(self.path("jangteo.toml"), text).unwrap();
    }

    /// Sends these events to an endpoint, and nobody else any.
    fn send(&self, url: &str, events: &str) {
        self.configure(&stanza(url, &self.path("secret"), events));
    }

    fn command(&self) -> Command {
        let [config, campaign] = ["jangteo.toml", "t.toml"].map(|name| self.path(name));
        let (config, campaign) = (config.to_str().unwrap(), campaign.to_str().unwrap());
        serve(&self.path(self.data), &["--config", config, "--campaign", campaign])
    }

    fn serve(&self) -> Served {
        Served::run(self.command())
    }
}

fn sell(served: &Served, customers: std::ops::Range<u32>) {
    let hold = |customer| format!("DROP.HOLD t-1 pseudonym-{customer} 1 a 1 BRIEF");
    let commands: Vec<String> = customers.map(hold).collect();
    let replies = Resp::connect(served.resp).all(&commands);
    assert_eq!(replies.matches("$26").count(), commands.len(), "{replies}");
}

fn events(served: &Served) -> Vec<Value> {
    let answer = http(served.http, "GET /v1/events", &[], "").json();
    answer.as_array().unwrap().clone()
}

fn bodies(got: &[Got]) -> Vec<Value> {
    got.iter().map(Got::event).collect()
}

#[test]
fn every_event_comes_in_order_and_the_standards_own_library_verifies_it() {
    let (place, receiver) = (Place::new(), Receiver::willing());
    let two = place.secret("two", &format!("{OTHER}\n{SECRET}\n"));
    place.configure(&stanza(&receiver.url(), &two, "\"*\""));
    let mut command = place.command();
    let mut served = Served::run({
        command.stderr(Stdio::piped());
        command
    });
    sell(&served, 0..120);
    let expected = events(&served);
    assert_eq!(expected.len(), 122);
    let got = receiver.take(expected.len());
    assert_eq!(bodies(&got), expected);
    let [one, other] = [SECRET, OTHER].map(|secret| Webhook::new(secret).unwrap());
    let stranger = Webhook::new(&SECRET.replace('C', "D")).unwrap();
    for got in &got {
        assert_eq!(got.line, "POST /hooks?a-secret-path HTTP/1.1");
        assert_eq!(got.headers["content-type"], "application/json");
        assert_eq!(got.event()["id"], got.id());
        for known in [&one, &other] {
            known.verify(&got.body, &got.headers).unwrap();
        }
        assert!(stranger.verify(&got.body, &got.headers).is_err());
        assert!(one.verify(b"{}", &got.headers).is_err());
    }
    let series = scrape(served.http);
    let labels = format!("endpoint=\"{}\"", receiver.address);
    let delivered = format!("jangteo_webhook_deliveries_total{{{labels},outcome=\"delivered\"}}");
    let lag = format!("jangteo_webhook_lag_events{{{labels}}}");
    assert!(series[&delivered] >= 121.0 && series[&lag] <= 1.0, "{series:?}");

    let log = {
        served.signal(Signal::TERM);
        let mut log = String::new();
        let mut stderr = BufReader::new(served.child.stderr.take().unwrap());
        while stderr.read_line(&mut log).unwrap() > 0 {}
        log
    };
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
    for hidden in ["secret-path", "whsec", "pseudonym"] {
        assert!(!log.contains(hidden), "{hidden}: {log}");
    }
    assert!(receiver.rest().is_empty());
}

#[test]
fn a_restart_goes_on_where_the_endpoint_stands_and_loses_nothing() {
    // Takes so many, and refuses what comes after.
    let room = Arc::new(AtomicU32::new(150));
    let left = Arc::clone(&room);
    let one_less = |left: u32| left.checked_sub(1);
    let receiver = Receiver::that(move || {
        let took = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok();
        Some(if took { 200 } else { 503 })
    });
    let place = Place::new();
    place.send(&receiver.url(), "\"hold.*\"");
    let served = place.serve();
    sell(&served, 0..400);
    let mut got = receiver.take(151);
    assert_eq!(got.pop().unwrap().answer, Some(503));
    let all: Vec<Value> = events(&served).split_off(2);
    assert_eq!(bodies(&got), all[..150]);
    served.kill();
    receiver.rest();

    room.store(u32::MAX, Ordering::SeqCst);
    let served = place.serve();
    let first = receiver.next();
    let from = all.iter().position(|event| *event == first.event()).unwrap();
    let unsaved = usize::try_from(WEBHOOK_UNSAVED_MAX).unwrap();
    assert!((150 - unsaved..=150).contains(&from), "{from}");
    assert_eq!(bodies(&receiver.take(399 - from)), all[from + 1..]);

    // Told to stop, it repeats nothing.
    assert_eq!(served.terminate(), Some(0));
    let served = place.serve();
    sell(&served, 400..401);
    assert_eq!(receiver.next().event()["data"]["customer"], "pseudonym-400");
    assert_eq!(served.terminate(), Some(0));
    assert!(receiver.rest().is_empty());
}

#[test]
fn an_endpoint_that_hangs_holds_up_no_other_and_is_tried_again_when_it_refuses() {
    let hanging = Receiver::that(|| None);
    let moods = AtomicU32::new(0);
    let moody = Receiver::that(move || {
        Some(if moods.fetch_add(1, Ordering::SeqCst) == 3 { 500 } else { 200 })
    });
    let place = Place::new();
    let secret = place.path("secret");
    let [one, two] = [&hanging, &moody].map(|one| stanza(&one.url(), &secret, "\"hold.*\""));
    place.configure(&format!("{one}{two}"));
    let served = place.serve();
    sell(&served, 0..30);
    let all = events(&served).split_off(2);
    let mut got = moody.take(31);
    let again = got.remove(3);
    assert_eq!((again.answer, again.id()), (Some(500), got[3].id()));
    assert_eq!(again.body, got[3].body);
    assert_eq!(bodies(&got), all);
    assert_eq!(hanging.next().event(), all[0]);
    let series = scrape(served.http);
    let of = |name: &str, more: &str| {
        series[&format!("{name}{{endpoint=\"{}\"{more}}}", hanging.address)]
    };
    assert!(of("jangteo_webhook_lag_events", "") >= 30.0);
    assert!(of("jangteo_webhook_deliveries_total", ",outcome=\"delivered\"") < 1.0);
    // The hanging one is let go after a moment, so the service ends in time.
    assert_eq!(served.terminate(), Some(0));
}

#[test]
fn a_hangup_brings_new_endpoints_and_new_secrets_or_leaves_all_as_it_was() {
    let [old, new] = [(); 2].map(|()| Receiver::willing());
    let place = Place::new();
    place.send(&old.url(), "\"hold.*\"");
    let mut command = place.command();
    let mut served = Served::run({
        command.stderr(Stdio::piped());
        command
    });
    let mut log = BufReader::new(served.child.stderr.take().unwrap()).lines();
    let mut reload = |text: &str, says: &str| {
        place.configure(text);
        served.signal(Signal::HUP);
        assert!(log.any(|line| line.unwrap().contains(says)), "{says} is never said");
    };
    sell(&served, 0..5);
    let verify = |secret, got: Got| {
        Webhook::new(secret).unwrap().verify(&got.body, &got.headers).unwrap();
        got.event()["data"]["customer"].as_str().unwrap().to_owned()
    };
    let told = |customer: u32| format!("pseudonym-{customer}");
    (0..5).for_each(|customer| assert_eq!(verify(SECRET, old.next()), told(customer)));

    reload("webhooks = 1\n", "stay as they were");
    sell(&served, 5..6);
    assert_eq!(verify(SECRET, old.next()), told(5));

    place.secret("secret", OTHER);
    let both = [&old, &new].map(|one| stanza(&one.url(), &place.path("secret"), "\"hold.*\""));
    reload(&both.concat(), "webhooks=2");
    sell(&served, 6..7);
    assert_eq!(verify(OTHER, old.next()), told(6));
    assert_eq!(verify(OTHER, new.next()), told(6));

    reload(&both[1], "webhooks=1");
    sell(&served, 7..8);
    assert_eq!(verify(OTHER, new.next()), told(7));
    // One that comes back goes on where it was.
    reload(&both.concat(), "webhooks=2");
    assert_eq!(verify(OTHER, old.next()), told(7));
    assert_eq!(served.terminate(), Some(0));
    assert!(old.rest().is_empty() && new.rest().is_empty());
}

#[test]
fn a_backup_goes_on_where_endpoints_were_and_a_restored_directory_begins_anew() {
    let (mut place, receiver) = (Place::new(), Receiver::willing());
    place.send(&receiver.url(), "\"hold.*\"");
    let served = place.serve();
    sell(&served, 0..5);
    receiver.take(5);
    assert_eq!(served.terminate(), Some(0), "so the place is stored");
    let copy = |name: &str, from: &Path, to: &Path| {
        let output = jangteo().arg(name).args([from, to]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    };
    let [data, moved, restored] = ["data", "moved", "restored"].map(|name| place.path(name));
    copy("backup", &data, &moved);
    copy("restore", &moved, &restored);
    let ids =
        |got: Vec<Got>| -> Vec<String> { got.iter().map(|got| got.id().to_owned()).collect() };

    place.data = "moved";
    let served = place.serve();
    sell(&served, 5..7);
    let new = ids(receiver.take(2));
    assert!(new.iter().all(|id| id.starts_with("1-")), "{new:?}");
    assert_eq!(served.terminate(), Some(0));
    assert!(receiver.rest().is_empty(), "none twice");

    place.data = "restored";
    let served = place.serve();
    let all = ids(receiver.take(5));
    assert!(all.iter().all(|id| id.starts_with("2-")), "{all:?}");
    assert_eq!(served.terminate(), Some(0));
    assert!(receiver.rest().is_empty());
}

#[test]
fn an_encrypted_endpoint_has_to_prove_its_name() {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let chain = vec![CertificateDer::from_pem_file(fixture("one-cert.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(fixture("one-key.pem")).unwrap();
    let receiver = Receiver::encrypted(config.with_single_cert(chain, key).unwrap());
    let place = Place::new();
    let url = format!("https://localhost:{}/hooks", receiver.address.port());
    place.send(&url, "\"campaign.put\"");
    let trusting = |certificate: &str| {
        let mut command = place.command();
        command.env("SSL_CERT_FILE", fixture(certificate)).env_remove("SSL_CERT_DIR");
        command.stderr(Stdio::piped());
        Served::run(command)
    };
    let mut served = trusting("two-cert.pem");
    let log = BufReader::new(served.child.stderr.take().unwrap()).lines();
    let refused = log.map(Result::unwrap).find(|line| line.contains("a webhook is not taken"));
    assert!(refused.unwrap().contains("invalid peer certificate"));
    assert!(receiver.rest().is_empty());
    served.kill();

    let served = trusting("one-cert.pem");
    assert_eq!(receiver.next().event()["type"], "jangteo.campaign.put");
    assert_eq!(served.terminate(), Some(0));
}

#[test]
fn what_is_wrong_with_webhooks_is_named_by_its_key() {
    let place = Place::new();
    let readable = place.secret("readable", SECRET);
    std::fs::set_permissions(&readable, PermissionsExt::from_mode(0o644)).unwrap();
    let empty = place.secret("empty", "\n");
    let secret = place.path("secret");
    let url = "https://shop.example/hooks";
    let many: String = (0..17).map(|n| stanza(&format!("{url}{n}"), &secret, "\"*\"")).collect();
    let table = [
        (stanza(url, &readable, "\"*\""), "webhooks[0].secret_file: "),
        (stanza(url, &empty, "\"*\""), "webhooks[0].secret_file: "),
        (stanza(url, &place.path("none"), "\"*\""), "webhooks[0].secret_file: "),
        (stanza("http://shop.example/", &secret, "\"*\""), "webhooks[0].url: http is for this"),
        (stanza("shop.example", &secret, "\"*\""), "webhooks[0].url: expected an address"),
        (stanza(url, &secret, "\"*\", \"holds.*\""), "webhooks[0].events[1]: expected an event"),
        (stanza(url, &secret, ""), "webhooks[0].events: must not be empty"),
        (stanza(url, &secret, "1"), "webhooks[0].events[0]: expected a text"),
        (stanza(url, &secret, "\"*\"").repeat(2), "webhooks[1]: its url was given before"),
        (many, "webhooks: must be at most 16"),
        (format!("[[webhooks]]\nurl = \"{url}\"\n"), "webhooks[0].secret_file: is missing"),
        (format!("{}durability = 1\n", stanza(url, &secret, "\"*\"")), "webhooks[0].durability"),
        (
            format!("durability = \"memory\"\n{}", stanza(url, &secret, "\"*\"")),
            "webhooks: there are no events",
        ),
    ];
    for (text, said) in table {
        place.configure(&text);
        let config = place.path("jangteo.toml");
        let (code, stderr) = run(&place.path("data"), &["--config", config.to_str().unwrap()]);
        assert_eq!(code, Some(78), "{text}: {stderr}");
        assert!(stderr.contains(said), "{said}: {stderr}");
        assert!(!stderr.contains("C2FV"), "{stderr}");
    }
}
