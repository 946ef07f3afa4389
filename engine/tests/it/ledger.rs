//! What follows from orders: reports, settlements, points.

use std::path::Path;
use std::sync::Arc;

use jangteo::audit::audit_directory;
use jangteo::{
    Campaign, Engine, EventData, EventKind, HoldRequest, LedgerRow, ManualClock, Phase, Refund,
    Refusal, Report, Sale, Timestamp, report_directory,
};

use crate::common::{OPENS_MS, clock};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

const DONATION: &str = "[[ledger]]\nkind = \"donation\"\nbeneficiary = \"hope\"\nrate = \"50%\"\n";

/// Points for what is tagged; by themselves at the end of 2020-05-31 in Seoul, if `settles`.
fn credit(settles: bool) -> String {
    let date = if settles { "settles = \"2020-05-31T23:59:59\"\n" } else { "" };
    format!(
        "[[ledger]]\nkind = \"credit\"\nrate = \"1%\"\neligible = \"good\"\n{date}\
         beneficiary = [{{ id = \"old\", share = \"60%\" }}, \
         {{ id = \"young\", share = \"40%\" }}]\n"
    )
}

/// Two weekly drops of an hour each, of a good that is tagged and one that is not.
fn campaign(ledger: &str) -> Campaign {
    let text = format!(
        "[campaign]\nid = \"t\"\ntitle = \"t\"\ncurrency = \"KRW\"\ntime_zone = \"Asia/Seoul\"\n\
         [schedule]\nopens = \"2020-04-29T10:00:00\"\nrepeats = \"FREQ=WEEKLY;COUNT=2\"\n\
         closes_after = \"1h\"\n\
         [[items]]\nsku = \"a\"\ntitle = \"a\"\nprice = 1333\nstock = 50\neligible = [\"good\"]\n\
         [[items]]\nsku = \"b\"\ntitle = \"b\"\nprice = 4999\nstock = 50\n{ledger}"
    );
    Campaign::parse(&text).unwrap_or_else(|faults| panic!("{faults}"))
}

fn open(directory: &Path, clock: &Arc<ManualClock>) -> Engine {
    Engine::options().data(directory).clock(clock.clone()).background(false).open().unwrap()
}

/// An engine on a directory, with the first drop of the campaign open.
fn start(directory: &Path, ledger: &str) -> (Engine, Arc<ManualClock>) {
    let clock = clock();
    let engine = open(directory, &clock);
    engine.put(campaign(ledger)).unwrap();
    engine.tick();
    (engine, clock)
}

fn buy(sale: &Sale, customer: &str, lines: &[(&str, u32)]) -> jangteo::HoldId {
    let request = HoldRequest::new(customer);
    let request = lines.iter().fold(request, |request, (sku, units)| request.line(sku, *units));
    let hold = sale.hold(&request).unwrap().wait().unwrap();
    sale.confirm(&hold.id, "p").unwrap().wait().unwrap();
    hold.id
}

fn report(engine: &Engine) -> Report {
    engine.report("t").unwrap().wait().unwrap()
}

fn settle(engine: &Engine, expect: &[(&str, u64)]) -> Result<Report, Refusal> {
    engine.settle("t", expect).map(|pending| pending.wait().unwrap())
}

fn points(engine: &Engine, customer: &str) -> u64 {
    engine.points("t", customer).unwrap().wait().unwrap()
}

/// Accrued, settled, adjustment of each row.
fn amounts(ledger: &[LedgerRow]) -> Vec<(u64, u64, i64)> {
    ledger.iter().map(|row| (row.accrued, row.settled, row.adjustment)).collect()
}

fn go_to(engine: &Engine, clock: &ManualClock, at_ms: u64) {
    clock.advance(at_ms - clock.now_ms());
    engine.tick();
}

trait NowMs {
    fn now_ms(&self) -> u64;
}

impl NowMs for ManualClock {
    fn now_ms(&self) -> u64 {
        jangteo::Clock::now(self).as_ms()
    }
}

#[test]
fn an_order_is_rounded_once_and_only_eligible_lines_count() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, clock) = start(directory.path(), &(DONATION.to_owned() + &credit(false)));
    let first = engine.sale("t-1").unwrap();
    buy(&first, "c-1", &[("a", 1), ("b", 1)]); // 6,332: 3,166; 1,333 count: 13 = 8 + 5
    buy(&first, "c-2", &[("a", 3)]); // 3,999: 1,999; 39 = 23 + 16, by remainder .4 and .6
    first.hold(&HoldRequest::new("c-3").line("a", 9)).unwrap().wait().unwrap();
    go_to(&engine, &clock, OPENS_MS + 7 * DAY_MS);
    buy(&engine.sale("t-2").unwrap(), "c-1", &[("b", 1)]); // 4,999: 2,499; nothing counts
    let found = report(&engine);
    let head = (found.campaign.as_str(), found.currency.as_str(), found.idle_unit_seconds);
    assert_eq!(head, ("t", "KRW", 0));
    let total = &found.total;
    assert_eq!((total.orders, total.units, total.spend), (3, 6, 15_330));
    assert_eq!(amounts(&total.ledger), [(7_664, 0, 0), (31, 0, 0), (21, 0, 0)]);
    let names: Vec<_> = total.ledger.iter().map(|row| row.beneficiary.as_str()).collect();
    assert_eq!(names, ["hope", "old", "young"]);
    let drops: Vec<_> = found.drops.iter().map(|drop| (&*drop.drop, drop.figures.orders)).collect();
    assert_eq!(drops, [("t-1", 2), ("t-2", 1)]);
    assert_eq!(amounts(&found.drops[1].figures.ledger), [(2_499, 0, 0), (0, 0, 0), (0, 0, 0)]);
    let of = |customer| points(&engine, customer);
    assert_eq!(["c-1", "c-2", "c-3", "nobody"].map(of), [13, 39, 0, 0]);
    assert!(engine.report("u").is_none() && engine.points("u", "c-1").is_none());
}

#[test]
fn a_campaign_is_settled_once_all_is_over_and_then_stays_so() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, clock) = start(directory.path(), &(DONATION.to_owned() + &credit(false)));
    let first = engine.sale("t-1").unwrap();
    buy(&first, "c-1", &[("a", 3)]);
    assert!(matches!(engine.settle("u", &[]), Err(Refusal::UnknownCampaign)));
    assert!(matches!(settle(&engine, &[]), Err(Refusal::WrongState)), "one is open");
    go_to(&engine, &clock, OPENS_MS + 7 * DAY_MS);
    let second = engine.sale("t-2").unwrap();
    go_to(&engine, &clock, OPENS_MS + 7 * DAY_MS + HOUR_MS - 1);
    let live = second.hold(&HoldRequest::new("c-2").line("a", 1)).unwrap().wait().unwrap();
    go_to(&engine, &clock, OPENS_MS + 7 * DAY_MS + HOUR_MS);
    assert!(matches!(settle(&engine, &[]), Err(Refusal::WrongState)), "a hold is live");
    second.confirm(&live.id, "p").unwrap().wait().unwrap();

    let before = report(&engine);
    assert_eq!(amounts(&before.total.ledger), [(2_665, 0, 0), (31, 0, 0), (21, 0, 0)]);
    for wrong in [&[("hope", 2_664)][..], &[("hope", 2_665), ("old", 0)], &[("nobody", 1)]] {
        assert!(matches!(settle(&engine, wrong), Err(Refusal::Conflict)), "{wrong:?}");
        assert_eq!((report(&engine), first.phase()), (before.clone(), Phase::Closed));
    }
    let expect = [("young", 21), ("nobody", 0), ("hope", 2_665)];
    let settled = settle(&engine, &expect).unwrap();
    let all = [(2_665, 2_665, 0), (31, 31, 0), (21, 21, 0)];
    assert_eq!(amounts(&settled.total.ledger), all);
    assert_eq!([first.phase(), second.phase()], [Phase::Settled; 2]);
    let sequence = engine.report("t").unwrap().into_parts().1.sequence();
    assert_eq!(
        (settle(&engine, &[]).unwrap(), settle(&engine, &expect).unwrap()),
        (settled.clone(), settled.clone())
    );
    assert!(matches!(settle(&engine, &[("hope", 2_664)]), Err(Refusal::Conflict)));
    assert_eq!(engine.report("t").unwrap().into_parts().1.sequence(), sequence, "no record");
    assert_eq!(report(&engine), settled);
    assert_eq!(["c-1", "c-2"].map(|customer| points(&engine, customer)), [0, 0]);
    let late = second.hold(&HoldRequest::new("c-9").line("a", 1));
    assert!(matches!(late, Err(Refusal::Closed)), "settled is closed");
}

#[test]
fn a_credit_with_a_date_settles_by_itself_when_it_first_can() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, clock) = start(directory.path(), &(DONATION.to_owned() + &credit(true)));
    let first = engine.sale("t-1").unwrap();
    buy(&first, "c-1", &[("a", 3)]);
    let settles_ms = OPENS_MS + 32 * DAY_MS + 14 * HOUR_MS - 1_000;
    go_to(&engine, &clock, settles_ms - 1);
    assert_eq!((points(&engine, "c-1"), first.phase()), (39, Phase::Closed));
    go_to(&engine, &clock, settles_ms);
    let by_itself = [(1_999, 0, 0), (23, 23, 0), (16, 16, 0)];
    assert_eq!(amounts(&report(&engine).total.ledger), by_itself);
    assert_eq!((points(&engine, "c-1"), first.phase()), (0, Phase::Closed), "one rule is left");
    let sequence = engine.report("t").unwrap().into_parts().1.sequence();
    engine.tick();
    assert_eq!(engine.report("t").unwrap().into_parts().1.sequence(), sequence, "once");
    let settled = settle(&engine, &[("hope", 1_999), ("old", 23)]).unwrap();
    assert_eq!(amounts(&settled.total.ledger), [(1_999, 1_999, 0), (23, 23, 0), (16, 16, 0)]);
    assert_eq!(first.phase(), Phase::Settled);
}

#[test]
fn a_campaign_of_nothing_but_a_dated_credit_is_settled_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, clock) = start(directory.path(), &credit(true));
    go_to(&engine, &clock, OPENS_MS + 40 * DAY_MS);
    assert_eq!(engine.sale("t-1").unwrap().phase(), Phase::Settled);
}

#[test]
fn a_campaign_without_rules_can_be_settled() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, clock) = start(directory.path(), "");
    go_to(&engine, &clock, OPENS_MS + 8 * DAY_MS);
    let settled = settle(&engine, &[]).unwrap();
    assert_eq!((settled.total.orders, settled.total.ledger.len()), (0, 0));
    assert_eq!(engine.sale("t-2").unwrap().phase(), Phase::Settled);
    assert!(matches!(settle(&engine, &[("hope", 1)]), Err(Refusal::Conflict)));
}

/// A campaign that is settled, on a directory.
fn settled(directory: &Path) -> (Report, Arc<ManualClock>) {
    let (engine, clock) = start(directory, &(DONATION.to_owned() + &credit(true)));
    buy(&engine.sale("t-1").unwrap(), "c-1", &[("a", 3), ("b", 2)]);
    go_to(&engine, &clock, OPENS_MS + 7 * DAY_MS);
    buy(&engine.sale("t-2").unwrap(), "c-1", &[("a", 7)]);
    go_to(&engine, &clock, OPENS_MS + 40 * DAY_MS);
    let settled = settle(&engine, &[]).unwrap();
    (settled, clock)
}

#[test]
fn a_report_is_the_same_after_a_restart_from_a_snapshot_and_without_an_engine() {
    let directory = tempfile::tempdir().unwrap();
    let (before, clock) = settled(directory.path());
    let text = serde_json::to_string(&before).unwrap();
    let offline = report_directory(directory.path(), "t").unwrap().unwrap();
    assert_eq!(serde_json::to_string(&offline).unwrap(), text, "from the journal");
    let engine = open(directory.path(), &clock);
    assert_eq!(serde_json::to_string(&report(&engine)).unwrap(), text, "after a start");
    assert_eq!(serde_json::to_string(&settle(&engine, &[]).unwrap()).unwrap(), text);
    assert_eq!(engine.sale("t-1").unwrap().phase(), Phase::Settled);
    drop(engine);
    let found = audit_directory(directory.path()).unwrap();
    assert!(found.ok, "{:?}", found.violations);

    jangteo::snapshot_directory(directory.path()).unwrap().unwrap();
    let engine = open(directory.path(), &clock);
    assert_eq!(engine.snapshots_passed_over(), [] as [&str; 0]);
    assert_eq!(serde_json::to_string(&report(&engine)).unwrap(), text, "from a snapshot");
    assert_eq!(points(&engine, "c-1"), 0);
    let beside = report_directory(directory.path(), "t").unwrap().unwrap();
    assert_eq!(serde_json::to_string(&beside).unwrap(), text, "beside an engine");
    assert_eq!(report_directory(directory.path(), "u").unwrap(), None);
    drop(engine);
    assert!(audit_directory(directory.path()).unwrap().ok, "snapshot and journal agree");
}

#[test]
fn a_settlement_is_an_event_that_shows_the_report() {
    let directory = tempfile::tempdir().unwrap();
    let (report, clock) = settled(directory.path());
    let engine = open(directory.path(), &clock);
    let events = engine.events(None, 1_000).unwrap().list;
    let settlements: Vec<_> =
        events.iter().filter(|event| event.kind == EventKind::CampaignSettled).collect();
    let [by_itself, whole] = settlements[..] else { panic!("two settlements") };
    assert_eq!((whole.kind.name(), &*whole.subject()), ("jangteo.campaign.settled", "t"));
    let EventData::Report(data) = &whole.data else { panic!("no report: {whole:?}") };
    assert_eq!(**data, report);
    let EventData::Report(data) = &by_itself.data else { panic!("no report: {by_itself:?}") };
    let rows = |ledger: &[LedgerRow]| ledger.iter().map(|row| row.settled).collect::<Vec<_>>();
    let mut expected = rows(&report.total.ledger);
    expected[0] = 0;
    assert_eq!(rows(&data.total.ledger), expected, "the donation was left");
}

#[test]
fn a_settlement_is_told_once_it_is_durable() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, clock) = start(directory.path(), DONATION);
    go_to(&engine, &clock, OPENS_MS + 8 * DAY_MS);
    let (_, ticket) = engine.settle("t", &[]).unwrap().into_parts();
    assert!(!ticket.is_durable(), "nobody has flushed it");
    let (_, report) = engine.report("t").unwrap().into_parts();
    assert_eq!(report.sequence(), ticket.sequence(), "a report waits for what it names");
    ticket.wait().unwrap();
    assert!(report.is_durable());
}

#[test]
fn the_engines_own_thread_settles_what_is_due() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let options = Engine::options().data(directory.path()).clock(clock.clone());
    let engine = options.open().unwrap();
    engine.put(campaign(&credit(true))).unwrap();
    clock.advance(40 * DAY_MS);
    let sale = engine.sale("t-2").unwrap();
    let began = std::time::Instant::now();
    while sale.phase() != Phase::Settled {
        assert!(began.elapsed().as_secs() < 60, "it never did");
        std::thread::yield_now();
    }
    assert!(engine.now() >= Timestamp::from_ms(OPENS_MS + 40 * DAY_MS));
}

#[test]
fn what_is_left_is_shared_anew_and_one_of_three_may_then_get_more() {
    let directory = tempfile::tempdir().unwrap();
    let shares = "[[ledger]]\nkind = \"donation\"\nrate = \"0.0667%\"\nbeneficiary = [\
        { id = \"x\", share = \"40%\" }, { id = \"y\", share = \"15%\" }, \
        { id = \"z\", share = \"45%\" }]\n";
    let (engine, clock) = start(directory.path(), shares);
    let first = engine.sale("t-1").unwrap();
    let order = buy(&first, "c-1", &[("a", 5)]); // 6,665: 4 = 2 + 0 + 2, by remainder .6 and .8
    go_to(&engine, &clock, OPENS_MS + 8 * DAY_MS);
    let settled = settle(&engine, &[]).unwrap();
    assert_eq!(amounts(&settled.total.ledger), [(2, 2, 0), (0, 0, 0), (2, 2, 0)]);
    first.refund(&order, &Refund::all().line("a", 1)).unwrap().wait().unwrap();
    let found = amounts(&report(&engine).total.ledger); // 5,332: 3 = 1 + 1 + 1, by .45 and .35
    assert_eq!(found, [(1, 2, -1), (1, 0, 1), (1, 2, -1)]);
    assert_eq!(found.iter().map(|row| row.2).sum::<i64>(), -1, "all together get less");
    drop(engine);
    assert!(audit_directory(directory.path()).unwrap().ok);
}

#[test]
fn a_refund_reverses_exactly_and_after_a_settlement_is_an_adjustment() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, clock) = start(directory.path(), &(DONATION.to_owned() + &credit(true)));
    let first = engine.sale("t-1").unwrap();
    buy(&first, "c-1", &[("a", 1)]); // 1,333: 666; 13 = 8 + 5
    let alone = report(&engine);
    let whole = buy(&first, "c-2", &[("a", 3), ("b", 1)]);
    let part = buy(&first, "c-3", &[("a", 3)]); // 3,999: 1,999; 39 = 23 + 16
    first.refund(&whole, &Refund::all()).unwrap().wait().unwrap();
    first.refund(&part, &Refund::all().line("a", 2)).unwrap().wait().unwrap(); // as c-1's
    let found = report(&engine);
    let total = &found.total;
    assert_eq!((total.orders, total.units, total.refunded_units), (3, 8, 6));
    assert_eq!((total.spend, total.refunds), (1_333 * 7 + 4_999, 1_333 * 5 + 4_999));
    let twice = |(accrued, _, _): (u64, u64, i64)| (2 * accrued, 0, 0);
    let expected: Vec<_> = amounts(&alone.total.ledger).into_iter().map(twice).collect();
    assert_eq!(amounts(&total.ledger), expected);
    assert_eq!(["c-1", "c-2", "c-3"].map(|customer| points(&engine, customer)), [13, 0, 13]);

    go_to(&engine, &clock, OPENS_MS + 40 * DAY_MS);
    let by_itself = [(1_332, 0, 0), (16, 16, 0), (10, 10, 0)];
    assert_eq!(amounts(&report(&engine).total.ledger), by_itself);
    first.refund(&part, &Refund::all()).unwrap().wait().unwrap();
    let apart = [(666, 0, 0), (8, 16, -8), (5, 10, -5)];
    assert_eq!(amounts(&report(&engine).total.ledger), apart);
    assert_eq!(points(&engine, "c-3"), 0, "what was donated is nobody's points any more");
    assert!(matches!(settle(&engine, &[("old", 16)]), Err(Refusal::Conflict)));
    let netted = settle(&engine, &[("hope", 666), ("old", 8)]).unwrap();
    let all = [(666, 666, 0), (8, 8, 0), (5, 5, 0)];
    assert_eq!(amounts(&netted.total.ledger), all, "the later settlement nets");

    let last = first.find("c-1").wait().unwrap()[0].id;
    first.refund(&last, &Refund::all()).unwrap().wait().unwrap();
    let after = settle(&engine, &[("hope", 666)]).unwrap();
    assert_eq!(amounts(&after.total.ledger), [(0, 666, -666), (0, 8, -8), (0, 5, -5)]);
    assert_eq!(amounts(&after.drops[0].figures.ledger), amounts(&after.total.ledger));
    drop(engine);
    assert_eq!(report_directory(directory.path(), "t").unwrap(), Some(after));
    let audit = audit_directory(directory.path()).unwrap();
    assert!(audit.ok, "{:?}", audit.violations);
}

#[test]
fn the_report_of_a_deleted_campaign_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, clock) = start(directory.path(), DONATION);
    let sale = engine.sale("t-1").unwrap();
    buy(&sale, "c-1", &[("a", 3)]);
    assert!(matches!(engine.delete("t"), Err(Refusal::WrongState)), "it goes on");
    clock.advance(8 * DAY_MS);
    engine.tick();
    let settled = engine.settle("t", &[("hope", 1_999)]).unwrap().wait().unwrap();
    engine.delete("t").unwrap().wait().unwrap();
    assert!(engine.sale("t-1").is_none());
    let kept = engine.report("t").unwrap().wait().unwrap();
    assert_eq!((kept.total.orders, &kept), (1, &settled));
    drop((engine, sale));
    let engine = open(directory.path(), &clock);
    assert_eq!(engine.report("t").unwrap().wait().unwrap(), settled);
    assert_eq!(report_directory(directory.path(), "t").unwrap(), Some(settled.clone()));
    engine.put(campaign("")).unwrap();
    let fresh = engine.report("t").unwrap().wait().unwrap();
    assert_eq!(fresh.total.orders, 0, "another campaign took the id");
    drop(engine);
    assert!(audit_directory(directory.path()).unwrap().ok);
}
