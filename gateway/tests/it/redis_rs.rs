//! redis-rs against the process: RESP2 and RESP3, pipelined, subscribed, with a key, over TLS.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jangteo_gateway::access::{Key, Scope};
use redis::{
    Client, Connection, ConnectionAddr, ErrorKind, IntoConnectionInfo, Msg, ProtocolVersion,
    PubSub, PushKind, RedisConnectionInfo, RedisResult, TlsCertificates, Value, cmd,
};

use crate::configuration::Files;
use crate::shop::campaign_at;
use crate::tls::fixture;

const PROTOCOLS: [ProtocolVersion; 2] = [ProtocolVersion::RESP2, ProtocolVersion::RESP3];

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A campaign that has opened.
fn campaign(files: &Files) -> String {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let file = campaign_at("shop", i64::try_from(now_s).unwrap() - 60, "", "");
    files.file("shop.toml", &file)
}

pub(crate) fn connected(
    info: impl IntoConnectionInfo,
    settings: RedisConnectionInfo,
) -> RedisResult<Connection> {
    let info = info.into_connection_info()?.set_redis_settings(settings);
    if matches!(info.addr(), ConnectionAddr::Tcp(..)) {
        return Client::open(info)?.get_connection();
    }
    let root_cert = Some(std::fs::read(fixture("one-cert.pem")).unwrap());
    let tls = TlsCertificates { client_tls: None, root_cert };
    Client::build_with_tls(info, tls)?.get_connection()
}

/// What a shop does, on one connection.
fn sell(connection: &mut Connection, customer: &str) {
    let take = |units: u32| {
        let mut take = cmd("DROP.HOLD");
        take.arg("shop-1").arg(customer).arg(1).arg("a").arg(units).arg("KEY").arg("order-77");
        take
    };
    let hold: HashMap<String, Value> = take(1).query(connection).unwrap();
    assert_eq!(hold["state"], Value::BulkString(b"held".to_vec()));
    assert_eq!((&hold["total"], &hold["replayed"]), (&Value::Int(1_000), &Value::Int(0)));
    let again: HashMap<String, Value> = take(1).query(connection).unwrap();
    assert_eq!((&again["id"], &again["replayed"]), (&hold["id"], &Value::Int(1)));
    let reused = take(2).query::<Value>(connection).unwrap_err();
    assert_eq!(reused.code(), Some("KEYREUSED"));
    let brief: String = take(2).arg("BRIEF").query(connection).unwrap();
    assert_eq!(brief, "KEYREUSED");
    let id: String = take(1).arg("BRIEF").query(connection).unwrap();
    let confirmed: HashMap<String, Value> =
        cmd("DROP.CONFIRM").arg(&id).arg("toss-9").query(connection).unwrap();
    assert_eq!(confirmed["payment"], Value::BulkString(b"toss-9".to_vec()));
    let found: Vec<HashMap<String, Value>> =
        cmd("DROP.FIND").arg("shop-1").arg(customer).query(connection).unwrap();
    assert_eq!((found.len(), &found[0]["id"]), (1, &hold["id"]));

    let mut many = redis::pipe();
    for number in 0..100 {
        let customer = format!("{customer}-{number}");
        many.cmd("DROP.HOLD").arg("shop-1").arg(customer).arg(1).arg("a").arg(1).arg("BRIEF");
    }
    let ids: HashSet<String> = many.query(connection).unwrap();
    assert_eq!(ids.len(), 100);
    let stock: Vec<HashMap<String, Value>> =
        cmd("DROP.STOCK").arg("shop-1").arg("b").query(connection).unwrap();
    assert_eq!(stock[0]["available"], Value::Int(100_000));
}

/// The next message: its event and what is held of the first item, where it says so.
fn told(channel: &mut PubSub<'_>) -> (String, Option<u64>) {
    let message = channel.get_message().unwrap();
    assert_eq!(message.get_channel_name(), "drop:shop-1");
    of(&message.get_payload::<String>().unwrap())
}

fn of(payload: &str) -> (String, Option<u64>) {
    let message: serde_json::Value = serde_json::from_str(payload).unwrap();
    let held = message["data"]["items"][0]["held"].as_u64();
    (message["event"].as_str().unwrap().to_owned(), held)
}

/// What a page of the drop does while somebody else buys; afterwards the connection is as before.
fn watch(watching: &mut Connection, buying: &mut Connection, customer: &str) {
    let mut channel = watching.as_pubsub();
    channel.set_read_timeout(Some(PATIENCE)).unwrap();
    channel.subscribe("drop:shop-1").unwrap();
    let first: Vec<_> = (0..3).map(|_| told(&mut channel)).collect();
    let [(one, _), (two, _), (three, held)] = &first[..] else { unreachable!("there are 3") };
    assert_eq!([one, two, three], ["drop", "phase", "stock"]);
    let mut take = cmd("DROP.HOLD");
    take.arg("shop-1").arg(customer).arg(1).arg("a").arg(1).arg("BRIEF");
    let _: String = take.query(buying).unwrap();
    assert_eq!(told(&mut channel), ("stock".to_owned(), held.map(|held| held + 1)));
    channel.unsubscribe("drop:shop-1").unwrap();
    drop(channel);
    assert_eq!(cmd("PING").query::<String>(watching).unwrap(), "PONG");
}

/// Likewise as RESP3 is meant: messages come beside the replies of the same connection.
fn watch_and_buy(connection: &mut Connection, customer: &str) {
    let (sender, pushes) = mpsc::channel();
    connection.set_push_sender(sender);
    connection.subscribe_resp3("drop:shop-1").unwrap();
    let mut take = cmd("DROP.HOLD");
    take.arg("shop-1").arg(customer).arg(1).arg("a").arg(1).arg("BRIEF");
    let _: String = take.query(connection).unwrap();
    let view: Vec<HashMap<String, Value>> =
        cmd("DROP.STOCK").arg("shop-1").arg("a").query(connection).unwrap();
    let Value::Int(held) = view[0]["held"] else { panic!("{view:?}") };
    let begun = Instant::now();
    let mut seen = Vec::new();
    // Pushes are read as the client reads replies.
    while !seen.contains(&("stock".to_owned(), u64::try_from(held).ok())) {
        assert!(begun.elapsed() < PATIENCE, "{held} held, told {seen:?}");
        let _: String = cmd("PING").query(connection).unwrap();
        let messages = pushes.try_iter().filter_map(Msg::from_push_info);
        seen.extend(messages.map(|message| of(&message.get_payload::<String>().unwrap())));
    }
    assert_eq!(seen[0].0, "drop");
    connection.unsubscribe_resp3("drop:shop-1").unwrap();
    assert_eq!(cmd("PING").query::<String>(connection).unwrap(), "PONG");
    let last = pushes.try_iter().last().unwrap();
    assert_eq!(last.kind, PushKind::Unsubscribe);
}

#[test]
fn redis_rs_watches_in_both_protocols() {
    let files = Files::new();
    let served = files.serve(&["--campaign", &campaign(&files)], &[], Stdio::null());
    let info = format!("redis://{}", served.resp);
    for (protocol, customer) in PROTOCOLS.into_iter().zip(["two", "three"]) {
        let settings = RedisConnectionInfo::default().set_protocol(protocol);
        let connect = || connected(info.as_str(), settings.clone()).unwrap();
        watch(&mut connect(), &mut connect(), customer);
    }
    let settings = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3);
    watch_and_buy(&mut connected(info.as_str(), settings).unwrap(), "beside");
}

#[test]
fn redis_rs_sells_in_both_protocols() {
    let files = Files::new();
    let served = files.serve(&["--campaign", &campaign(&files)], &[], Stdio::null());
    for (protocol, customer) in PROTOCOLS.into_iter().zip(["two", "three"]) {
        let settings = RedisConnectionInfo::default().set_protocol(protocol);
        let info = format!("redis://{}", served.resp);
        sell(&mut connected(info, settings).unwrap(), customer);
    }
}

#[test]
fn redis_rs_sells_and_watches_with_a_key_and_over_tls() {
    let files = Files::new();
    let (key, secret) = Key::generate("shop", Scope::Sell).unwrap();
    let (cert, private) = (fixture("one-cert.pem"), fixture("one-key.pem"));
    let config = format!(
        "tls = {{ cert = \"{}\", key = \"{}\" }}\n\
         [[keys]]\nname = \"shop\"\nscope = \"sell\"\nsha256 = \"{}\"\n",
        cert.display(),
        private.display(),
        key.hash().to_hex()
    );
    let config = files.file("jangteo.toml", &config);
    let more = ["--config", &config, "--campaign", &campaign(&files)];
    let served = files.serve(&more, &[], Stdio::null());
    let address = |served: SocketAddr| format!("rediss://localhost:{}", served.port());
    for (protocol, customer) in PROTOCOLS.into_iter().zip(["two", "three"]) {
        let settings = RedisConnectionInfo::default().set_protocol(protocol);
        let named = settings.clone().set_username("shop").set_password(&secret);
        let connect = || connected(address(served.resp), named.clone()).unwrap();
        sell(&mut connect(), customer);
        watch(&mut connect(), &mut connect(), customer);
        if protocol == ProtocolVersion::RESP3 {
            watch_and_buy(&mut connect(), "beside");
        }
        let unnamed = settings.clone().set_password(&secret);
        let mut connection = connected(address(served.resp), unnamed).unwrap();
        assert_eq!(cmd("PING").query::<String>(&mut connection).unwrap(), "PONG");
        let wrong = settings.set_username("shop").set_password("jt_wrong");
        let refused = connected(address(served.resp), wrong).map(drop).unwrap_err();
        // By HELLO, or by AUTH.
        let told = refused.to_string().contains("WRONGPASS");
        assert!(told || refused.kind() == ErrorKind::AuthenticationFailed, "{refused}");
    }
}
