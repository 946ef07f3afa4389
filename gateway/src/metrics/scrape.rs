//! Everything there is to tell, in the text form of OpenMetrics.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jangteo::{BATCH_BOUNDS, Engine, FLUSH_BOUNDS_US, Phase, Sale, SaleView};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::call::Call;
use super::process::Process;
use super::times::bounds_s;
use crate::app::App;
use crate::limits::DROPS_MEASURED_MAX;
use crate::tls::Wire;
use crate::warnings::without_goods;

/// The text of `GET /metrics`, of a service that has recovered. Asks files, so it is not for a
/// thread that answers clients.
pub(crate) fn scrape(app: &Arc<App>, engine: Engine) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape { app: Arc::clone(app), engine }));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

#[derive(Debug)]
struct Scrape {
    app: Arc<App>,
    engine: Engine,
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        let Self { app, engine } = self;
        let sales = engine.sales();
        holds(app, &sales, &mut page)?;
        units(&sales, &mut page)?;
        requests(app, &mut page)?;
        journal(engine, &mut page)?;
        webhooks(app, engine, &mut page)?;
        service(app, engine, &sales, &mut page)?;
        process(app, &mut page)
    }
}

/// What is written to.
struct Page<'e>(DescriptorEncoder<'e>);

/// Any labels, with a type to name where there are none.
type Labels = [(&'static str, &'static str); 0];

impl Page<'_> {
    fn metric<'s>(&'s mut self, name: &'s str, help: &str, kind: MetricType) -> Metric<'s> {
        Metric(self.0.encode_descriptor(name, help, None, kind))
    }

    fn gauge(
        &mut self,
        name: &str,
        help: &str,
        value: impl EncodeGaugeValue + Copy,
    ) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }
}

/// A metric with labels, while its series are written.
struct Metric<'e>(Result<MetricEncoder<'e>, fmt::Error>);

impl Metric<'_> {
    fn counter(&mut self, labels: &impl EncodeLabelSet, value: u64) -> fmt::Result {
        let metric = self.0.as_mut().map_err(|error| *error)?;
        metric.encode_family(labels)?.encode_counter::<Labels, _, u64>(&value, None)
    }

    fn gauge(&mut self, labels: &impl EncodeLabelSet, value: u64) -> fmt::Result {
        let metric = self.0.as_mut().map_err(|error| *error)?;
        metric.encode_family(labels)?.encode_gauge(&value)
    }
}

/// Of a campaign's drops together; `campaign` is empty where there was no such drop.
fn holds(app: &App, sales: &[Sale], page: &mut Page<'_>) -> fmt::Result {
    let counts = app.dispatcher.holds();
    let mut sums: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let of_no_drop = counts.seen(None).map(|(outcome, count)| ("", outcome, count));
    let of_drops = sales.iter().flat_map(|sale| {
        let seen = counts.seen(Some(sale.index()));
        seen.map(|(outcome, count)| (sale.campaign_id(), outcome, count))
    });
    for (campaign, outcome, count) in of_no_drop.chain(of_drops) {
        *sums.entry((campaign, outcome)).or_default() += count;
    }
    let help = "Holds that were asked for, by what came of it";
    let mut metric = page.metric("jangteo_holds", help, MetricType::Counter);
    for ((campaign, outcome), count) in sums {
        metric.counter(&[("campaign", campaign), ("outcome", outcome)], count)?;
    }
    Ok(())
}

/// INVARIANT(T1): a sealed drop is shown without goods, and so has no series.
fn units(sales: &[Sale], page: &mut Page<'_>) -> fmt::Result {
    let shown = |sale: &&Sale| !sale.is_sealed() && sale.phase() != Phase::Settled;
    let mut views: Vec<SaleView> = sales
        .iter()
        .rev()
        .filter(shown)
        .take(DROPS_MEASURED_MAX)
        .map(|sale| sale.view().0)
        .collect();
    views.reverse();
    let help = "Units of an item by state, of the drops that opened last";
    let mut metric = page.metric("jangteo_units", help, MetricType::Gauge);
    for view in &views {
        for item in view.items.iter().flatten() {
            let available = item.available.map(u64::from);
            let states =
                [("available", available), ("held", Some(item.held)), ("sold", Some(item.sold))];
            for (state, units) in states {
                let labels =
                    [("drop", view.id.as_str()), ("sku", item.sku.as_str()), ("state", state)];
                units.map_or(Ok(()), |units| metric.gauge(&labels, units))?;
            }
        }
    }
    let help = "Seconds that units were free while a customer waited for them, summed over units";
    let mut metric = page.metric("jangteo_idle_unit_seconds", help, MetricType::Counter);
    for sale in sales.iter().rev().filter(shown).take(DROPS_MEASURED_MAX) {
        metric.counter(&[("drop", sale.id())], sale.idle_unit_seconds())?;
    }
    let help = "Units of a gift that are left, of the drops that opened last";
    let mut metric = page.metric("jangteo_gift_units_available", help, MetricType::Gauge);
    for view in &views {
        for gift in view.gifts.iter().flatten() {
            let labels = [("drop", view.id.as_str()), ("sku", gift.sku.as_str())];
            gift.available.map_or(Ok(()), |units| metric.gauge(&labels, units.into()))?;
        }
    }
    Ok(())
}

const WIRES: [(Wire, &str); 2] = [(Wire::Http, "http"), (Wire::Resp, "resp")];

fn requests(app: &App, page: &mut Page<'_>) -> fmt::Result {
    let help = "From a request's arrival to its answer, in seconds";
    let metric = page.metric("jangteo_request_seconds", help, MetricType::Histogram);
    let mut metric = metric.0?;
    for (wire, name) in WIRES {
        for call in Call::ALL {
            let Some((sum_s, count, classes)) = app.metrics.times.shown(wire, call) else {
                continue;
            };
            let labels = [("wire", name), ("call", call.name())];
            let mut series = metric.encode_family(&labels)?;
            series.encode_histogram::<Labels>(sum_s, count, &classes, None)?;
        }
    }
    let help = "Connections and requests that were turned away";
    let mut metric = page.metric("jangteo_turned_away", help, MetricType::Counter);
    for (reason, count) in app.metrics.turned_away.all() {
        metric.counter(&[("reason", reason)], count)?;
    }
    Ok(())
}

fn journal(engine: &Engine, page: &mut Page<'_>) -> fmt::Result {
    let figures = engine.figures();
    let flushes = figures.flushes;
    let count = flushes.by_time.iter().sum();
    let classes = |bounds: Vec<f64>, counts: &[u64]| -> Vec<(f64, u64)> {
        bounds.into_iter().zip(counts.iter().copied()).collect()
    };
    let by_time = classes(bounds_s(&FLUSH_BOUNDS_US).collect(), &flushes.by_time);
    let bounds = BATCH_BOUNDS.map(|bound| bound as f64).into_iter().chain([f64::INFINITY]);
    let by_records = classes(bounds.collect(), &flushes.by_records);
    let mut histogram = |name, help, sum: f64, classes: &[(f64, u64)]| {
        let mut metric = page.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        metric.encode_histogram::<Labels>(sum, count, classes, None)
    };
    let help = "A batch's write and flush, in seconds";
    let took_s = flushes.took_us as f64 / 1e6;
    histogram("jangteo_journal_flush_seconds", help, took_s, &by_time)?;
    let help = "Records that were flushed together";
    histogram("jangteo_journal_batch_records", help, flushes.records as f64, &by_records)?;

    let health = engine.health();
    let help = "1 if a write or flush failed: restart the process";
    page.gauge("jangteo_journal_latched", help, u64::from(health.latched.is_some()))?;
    let help = "Records that wait for a flush";
    page.gauge("jangteo_journal_backlog_records", help, engine.backlog())?;
    let help = "1 if new holds are refused because the disk is short";
    page.gauge("jangteo_disk_short", help, u64::from(health.disk_short))?;
    if let Some(bytes) = figures.disk_free_bytes {
        page.gauge("jangteo_disk_free_bytes", "Bytes free on the journal's disk", bytes)?;
    }
    let help = "By how much the hold that should have expired first is late, in seconds";
    page.gauge("jangteo_expiry_lag_seconds", help, seconds(figures.expiry_lag_ms))
}

fn webhooks(app: &App, engine: &Engine, page: &mut Page<'_>) -> fmt::Result {
    let hosts = app.metrics.webhooks.get().map(|counts| counts.shown(engine)).unwrap_or_default();
    let help = "Attempts to deliver an event to an endpoint, by what came of it";
    let mut metric = page.metric("jangteo_webhook_deliveries", help, MetricType::Counter);
    for (host, (outcomes, _)) in &hosts {
        for (outcome, count) in outcomes {
            metric.counter(&[("endpoint", host.as_str()), ("outcome", outcome)], *count)?;
        }
    }
    let help = "Events that an endpoint has not got yet, or that were not looked at for it";
    let mut metric = page.metric("jangteo_webhook_lag_events", help, MetricType::Gauge);
    for (host, (_, behind)) in &hosts {
        let labels = [("endpoint", host.as_str())];
        behind.map_or(Ok(()), |behind| metric.gauge(&labels, behind))?;
    }
    Ok(())
}

fn service(app: &App, engine: &Engine, sales: &[Sale], page: &mut Page<'_>) -> fmt::Result {
    let help = "Connections that are open";
    page.gauge("jangteo_connections", help, count(app.connections()))?;
    let help = "Replies that wait for the disk";
    page.gauge("jangteo_replies_waiting", help, count(app.in_flight.waiting()))?;
    let help = "Bytes of replies that clients of RESP have not taken";
    page.gauge("jangteo_unsent_bytes", help, count(app.in_flight.unsent_bytes()))?;
    page.gauge("jangteo_watchers", "Clients that watch drops", count(app.watchers()))?;
    let help = "1 once the service has been told to stop";
    page.gauge("jangteo_draining", help, u64::from(app.drain.has_begun()))?;
    let scheduled = sales.iter().filter(|sale| sale.phase() == Phase::Scheduled);
    if let Some(opens_at) = scheduled.map(Sale::opens_at).min() {
        let help = "When the next drop opens, in Unix seconds";
        page.gauge("jangteo_next_open_timestamp_seconds", help, seconds(opens_at.as_ms()))?;
    }
    let help = "1 if the next drop opens within a day and has no items";
    let without = without_goods(engine).is_some();
    page.gauge("jangteo_next_open_without_goods", help, u64::from(without))?;
    let mut metric =
        page.0.encode_descriptor("jangteo_build", "What is running", None, MetricType::Info)?;
    metric.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
}

fn process(app: &App, page: &mut Page<'_>) -> fmt::Result {
    let process = Process::read();
    let started_s = seconds(app.started_at.as_ms());
    page.gauge("process_start_time_seconds", "When it was started", started_s)?;
    if let Some(spent_s) = process.cpu_seconds {
        let help = "Processor time, user and system";
        let mut metric =
            page.0.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
        metric.encode_counter::<Labels, _, u64>(&spent_s, None)?;
    }
    let gauges = [
        ("process_resident_memory_bytes", "Memory in use", process.resident_bytes),
        ("process_open_fds", "Open files", process.open_fds),
        ("process_max_fds", "Open files that the system allows", process.max_fds),
        ("process_threads", "Threads", process.threads),
    ];
    gauges.into_iter().try_for_each(|(name, help, value)| {
        value.map_or(Ok(()), |value| page.gauge(name, help, value))
    })
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1e3
}

fn count(things: usize) -> u64 {
    u64::try_from(things).unwrap_or(u64::MAX)
}
