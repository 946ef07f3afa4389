//! redis-rs against the process: RESP2 and RESP3, pipelined, with a key, over TLS.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use jangteo_gateway::access::{Key, Scope};
use redis::{
    Client, Connection, ConnectionAddr, ErrorKind, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, RedisResult, TlsCertificates, Value, cmd,
};

use crate::configuration::Files;
use crate::shop::campaign_at;
use crate::tls::fixture;

const PROTOCOLS: [ProtocolVersion; 2] = [ProtocolVersion::RESP2, ProtocolVersion::RESP3];

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
fn redis_rs_sells_with_a_key_and_over_tls() {
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
        sell(&mut connected(address(served.resp), named).unwrap(), customer);
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
