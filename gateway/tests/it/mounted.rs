//! Both wires in a runtime that is not ours: nobody there flushes when it is idle.

use std::net::{SocketAddr, TcpListener as StdListener};

use jangteo::{Campaign, Engine};
use jangteo_gateway::{Access, resp};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::clients::{self, Resp};
use crate::shop::{any_port, campaign_file, items};

/// The example for users.
#[path = "../../examples/embedded.rs"]
#[expect(dead_code, reason = "here its main has nothing to do")]
mod embedded;

/// The example's program with this engine; where it serves HTTP and RESP.
fn serve(runtime: &Runtime, engine: &Engine) -> [SocketAddr; 2] {
    let listeners = [(), ()].map(|()| StdListener::bind(any_port()).unwrap());
    let addresses = listeners.each_ref().map(|one| one.local_addr().unwrap());
    runtime.block_on(async {
        let [web, redis] = listeners.map(|listener| {
            listener.set_nonblocking(true).unwrap();
            TcpListener::from_std(listener).unwrap()
        });
        tokio::spawn(embedded::serve(engine.clone(), Access::loopback(), web, redis));
    });
    addresses
}

#[test]
fn another_program_serves_both_wires_in_its_own_runtime() {
    let directory = tempfile::tempdir().unwrap();
    let options = Engine::options().data(directory.path()).segment_bytes(1 << 20);
    let engine = options.background(false).open().unwrap();
    let file = campaign_file("limit_per_customer = 1", &items(&[("a", 9)]));
    engine.put(Campaign::parse(&file).unwrap()).unwrap();
    engine.tick();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let [http_at, resp_at] = serve(&runtime, &engine);
    let mut client = Resp::connect(resp_at);
    assert!(client.one("DROP.HOLD t-1 c-1 1 a 1 KEY k BRIEF").starts_with("$26 "));
    let commands: Vec<String> =
        (0..40).map(|n| format!("DROP.HOLD t-1 c-{} 1 a 1 BRIEF", n % 20)).collect();
    let replies = client.all(&commands);
    assert_eq!(replies.matches("$26").count(), 8);
    let body = r#"{"customer":"c-1","lines":[{"sku":"a","quantity":1}]}"#;
    let line = "POST /v1/drops/t-1/holds";
    let replayed = clients::http(http_at, line, &["Idempotency-Key: k"], body);
    assert_eq!((replayed.status, replayed.json()["number"].as_u64()), (200, Some(1)));
    assert_eq!(clients::http(http_at, line, &[], body).code(), "limit_reached");
    let foreign = clients::http(http_at, line, &["Host: shop.example"], body);
    assert_eq!(foreign.code(), "forbidden");
}

#[test]
fn the_example_sells_on_its_own_page_what_both_wires_show() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::options().data(directory.path()).segment_bytes(1 << 20).open().unwrap();
    let file = include_str!("../../../docs/campaigns/try-it.toml");
    engine.put(Campaign::parse(file).unwrap()).unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let [http_at, resp_at] = serve(&runtime, &engine);
    let call = |line: &str| clients::http(http_at, line, &[], "").body;
    assert!(call("GET /").contains("try-it-1: 10 left of Onions, 3 kg\n"));
    let hold = call("POST /buy/c-1");
    assert_eq!(call("POST /buy/c-1"), hold, "under the same key the same hold");
    let id = hold.trim_end().strip_prefix("hold ").unwrap_or_else(|| panic!("{hold}"));
    assert!(call(&format!("GET /v1/holds/{id}")).contains("\"state\":\"held\""));
    assert!(Resp::connect(resp_at).one(&format!("DROP.GET {id}")).contains("held"));
    assert!(call("GET /").contains("try-it-1: 9 left of Onions, 3 kg\n"));
    assert_eq!(clients::http(http_at, "GET /none", &[], "").status, 404);
}

#[test]
fn a_listener_for_everybody_is_refused_without_a_key() {
    let engine = Engine::in_memory();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let served = runtime.block_on(async {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        resp::serve(engine, listener, Access::loopback()).await
    });
    assert_eq!(served.unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
}
