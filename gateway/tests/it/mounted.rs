//! Both wires in a runtime that is not ours: nobody there flushes when it is idle.

use std::net::TcpListener as StdListener;

use jangteo::{Campaign, Engine};
use jangteo_gateway::{Access, http, resp};
use tokio::net::TcpListener;

use crate::clients::{self, Resp};
use crate::shop::{any_port, campaign_file, items};

#[test]
fn another_program_serves_both_wires_in_its_own_runtime() {
    let directory = tempfile::tempdir().unwrap();
    let options = Engine::options().data(directory.path()).segment_bytes(1 << 20);
    let engine = options.background(false).open().unwrap();
    let file = campaign_file("limit_per_customer = 1", &items(&[("a", 9)]));
    engine.put(Campaign::parse(&file).unwrap()).unwrap();
    engine.tick();
    let listeners = [(), ()].map(|()| StdListener::bind(any_port()).unwrap());
    let [http_at, resp_at] = listeners.each_ref().map(|one| one.local_addr().unwrap());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let [http_listener, resp_listener] = listeners.map(|listener| {
            listener.set_nonblocking(true).unwrap();
            TcpListener::from_std(listener).unwrap()
        });
        let router = http::router(engine.clone(), Access::loopback());
        tokio::spawn(async move { axum::serve(http_listener, router).await });
        tokio::spawn(resp::serve(engine.clone(), resp_listener, Access::loopback()));
    });
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
fn a_listener_for_everybody_is_refused_without_a_key() {
    let engine = Engine::in_memory();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let served = runtime.block_on(async {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        resp::serve(engine, listener, Access::loopback()).await
    });
    assert_eq!(served.unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
}
