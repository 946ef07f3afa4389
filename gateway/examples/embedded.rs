//! jangteo inside a program of your own: its drops beside your routes, over HTTP and RESP.
//!
//! ```sh
//! cargo run -p jangteo-gateway --example embedded
//! curl http://127.0.0.1:8080/
//! curl -X POST http://127.0.0.1:8080/buy/c-1
//! curl http://127.0.0.1:8080/v1/drops/try-it-1
//! redis-cli -p 8081 DROP.STOCK try-it-1
//! ```

use std::error::Error;
use std::io;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use jangteo::{Campaign, Engine, HoldRequest};
use jangteo_gateway::{Access, http, resp};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::open("./embedded-data")?; // locks the directory, recovers
    engine.put(Campaign::parse(include_str!("../../docs/campaigns/try-it.toml"))?)?;
    let web = TcpListener::bind("127.0.0.1:8080").await?;
    let redis = TcpListener::bind("127.0.0.1:8081").await?;
    tokio::select! {
        // Without keys whoever is on this machine may do everything, and nobody else anything;
        // `Access::by` takes keys.
        served = serve(engine.clone(), Access::loopback(), web, redis) => served?,
        stopped = tokio::signal::ctrl_c() => stopped?,
    }
    engine.flush()?; // what nobody waited for is on disk as well
    Ok(())
}

/// Serves both wires in the present runtime, until one of them fails.
pub(crate) async fn serve(
    engine: Engine,
    access: Access,
    web: TcpListener,
    redis: TcpListener,
) -> io::Result<()> {
    let pages = pages(engine.clone(), access.clone());
    let web = async { axum::serve(web, pages).await };
    tokio::try_join!(web, resp::serve(engine, redis, access)).map(|_| ())
}

/// Your own routes, and beside them those of jangteo, whose paths are absolute: `/v1/...`.
fn pages(engine: Engine, access: Access) -> Router {
    let own = Router::new().route("/", get(front_page)).route("/buy/{customer}", post(buy));
    own.with_state(engine.clone()).merge(http::router(engine, access))
}

/// What there is to buy.
async fn front_page(State(engine): State<Engine>) -> String {
    let lines = engine.sales().into_iter().flat_map(|sale| {
        let (view, _) = sale.view();
        view.items.into_iter().flatten().map(move |item| match item.available {
            Some(units) => format!("{}: {} left of {}\n", view.id, units, item.title),
            None => format!("{}: {}\n", view.id, item.title),
        })
    });
    lines.collect()
}

/// Sets one unit aside, without a detour over a wire.
async fn buy(State(engine): State<Engine>, Path(customer): Path<String>) -> String {
    let Some(sale) = engine.sale("try-it-1") else { return "there is no such drop".to_owned() };
    match sale.hold(&HoldRequest::new(&customer).line("onion-3kg", 1).key("front-page")) {
        // Told once it is durable; the thread does something else meanwhile.
        Ok(pending) => match pending.await {
            Ok(hold) => format!("hold {}\n", hold.id),
            Err(unknown) => format!("{unknown}: ask again\n"),
        },
        Err(refusal) => format!("{}\n", refusal.code()),
    }
}
