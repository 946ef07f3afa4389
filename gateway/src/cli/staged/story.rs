//! What a person, or a script, is told about the sale.

use std::io::{self, Write};

use jangteo::Sale;
use jangteo_loadtest::{Finding, Summary, Verdict, WireRow};
use serde_json::{Value, json};

use crate::cli::check;

/// Most items that are listed.
const ITEMS_SHOWN: usize = 5;

/// What the witnesses say.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) verdict: Verdict,
    /// Both audits found every invariant kept.
    pub(super) audit_ok: bool,
}

impl Proof {
    /// Whether the sale was right in every respect.
    pub(super) const fn holds(&self) -> bool {
        self.verdict.ok && self.audit_ok
    }

    fn findings(&self) -> [(&'static str, &Finding); 6] {
        let verdict = &self.verdict;
        [
            ("oversold", &verdict.oversold),
            ("undersold", &verdict.undersold),
            ("lost", &verdict.lost),
            ("doubled", &verdict.duplicates),
            ("granted before the opening", &verdict.early),
            ("told differently by two witnesses", &verdict.mismatches),
        ]
    }
}

/// One sale, from all sides.
pub(crate) struct Story {
    pub(super) sale: Sale,
    /// Units there were, if there was an end to them.
    pub(super) units: Option<u64>,
    pub(super) sealed_before: bool,
    pub(super) summary: Summary,
    pub(super) proof: Proof,
}

impl Story {
    /// Whether the sale was right in every respect.
    pub(crate) const fn holds(&self) -> bool {
        self.proof.holds()
    }

    /// What was wrong, in a few words; nothing if [`Story::holds`].
    pub(crate) fn wrongs(&self) -> Vec<String> {
        let found = self.proof.findings();
        let found = found.iter().filter(|(_, finding)| !finding.is_none());
        let mut wrongs: Vec<String> =
            found.map(|(what, finding)| format!("{} {what}", finding.count)).collect();
        if !self.proof.audit_ok {
            wrongs.push("an audit found a broken invariant".to_owned());
        }
        wrongs
    }

    /// One JSON object: every figure of the summary, and the verdict.
    pub(crate) fn json(&self) -> serde_json::Result<Value> {
        let mut told = serde_json::to_value(&self.summary)?;
        let verdict = &self.proof.verdict;
        let more = json!({
            "drop": self.sale.id(),
            "units": self.units,
            "oversold": verdict.oversold.count,
            "undersold": verdict.undersold.count,
            "lost": verdict.lost.count,
            "duplicates": verdict.duplicates.count,
            "early": verdict.early.count,
            "mismatches": verdict.mismatches.count,
            "audit_ok": self.proof.audit_ok,
            "generator_slipped": verdict.generator_slipped,
            "ok": self.proof.holds(),
        });
        if let (Some(told), Some(more)) = (told.as_object_mut(), more.as_object()) {
            told.extend(more.clone());
        }
        Ok(told)
    }

    /// The story for people, in fewer than 25 lines.
    pub(crate) fn tell(&self, out: &mut dyn Write) -> io::Result<()> {
        self.goods(out)?;
        self.timeline(out)?;
        self.wires(out)?;
        self.verdict(out)
    }

    fn goods(&self, out: &mut dyn Write) -> io::Result<()> {
        let campaign = self.sale.campaign();
        let opens_at = self.sale.opens_at();
        let (title, zone) = (&campaign.title, campaign.time_zone);
        writeln!(out, "{title}: {} opens at {opens_at} ({zone})", self.sale.id())?;
        let (view, _) = self.sale.view();
        let items = || view.items.iter().flatten();
        for item in items().take(ITEMS_SHOWN) {
            let units = item.total.map_or("unlimited".to_owned(), |total| grouped(total.into()));
            let list = item.list_price.map(|price| format!(", elsewhere {}", grouped(price)));
            let (price, currency) = (grouped(item.price), &view.currency);
            let list = list.unwrap_or_default();
            writeln!(out, "  {}: {price} {currency}{list}, {units} units", item.title)?;
        }
        let more = items().count().saturating_sub(ITEMS_SHOWN);
        if more > 0 {
            writeln!(out, "  and {more} items more")?;
        }
        writeln!(out)
    }

    fn timeline(&self, out: &mut dyn Write) -> io::Result<()> {
        let seen = &self.summary;
        let sealed = if self.sealed_before { "sealed: nobody can see it" } else { "open to see" };
        writeln!(out, "  {:>12}  {sealed}", "before")?;
        let sold_out = if self.sale.campaign().items_in(1).count() == 1 {
            "sold out"
        } else {
            "the first basket refused as sold out"
        };
        let moments = [
            (seen.first_grant_after_open_ms, "first unit acknowledged at a client".to_owned()),
            (seen.sold_out_after_open_ms, sold_out.to_owned()),
            (seen.first_return_after_open_ms, self.returned()),
            (seen.last_grant_after_open_ms, "last unit".to_owned()),
        ];
        let mut moments: Vec<(f64, String)> =
            moments.into_iter().filter_map(|(ms, what)| Some((ms?, what))).collect();
        moments.sort_by(|one, other| one.0.total_cmp(&other.0));
        for (ms, what) in moments {
            writeln!(out, "  {ms:>9.1} ms  {what}")?;
        }
        writeln!(out)
    }

    fn returned(&self) -> String {
        let (returned, again) = (grouped(self.summary.returned), grouped(self.summary.sold_again));
        format!("first unit returned: {returned} in all, {again} sold again")
    }

    fn wires(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "  wire  offered  granted  replayed   limit  sold out  not open  other   \
             p50 ms  p99 ms  p99.9 ms"
        )?;
        for row in &self.summary.wires {
            let WireRow { wire, offered, granted, replayed, limit_reached, sold_out, .. } = row;
            let wire = format!("{wire:?}").to_uppercase();
            let latency = row.latency_ms;
            writeln!(
                out,
                "  {wire:<4} {offered:>8} {granted:>8} {replayed:>9} {limit_reached:>7} \
                 {sold_out:>9} {:>9} {:>6} {:>8.2} {:>7.2} {:>9.2}",
                row.not_open, row.other, latency.p50, latency.p99, latency.p999
            )?;
        }
        writeln!(out, "  latency counts from the instant each call was due, sent on time or not\n")
    }

    fn verdict(&self, out: &mut dyn Write) -> io::Result<()> {
        let seen = &self.summary;
        let (sold, people) = (grouped(seen.units_confirmed), grouped(seen.customers));
        let of = self.units.map(|units| format!(" of {}", grouped(units))).unwrap_or_default();
        writeln!(out, "{sold}{of} units sold to {people} people who came")?;
        if self.proof.holds() {
            writeln!(
                out,
                "nothing oversold, undersold, lost or doubled: clients, service and journal agree"
            )?;
        }
        for (what, finding) in self.proof.findings() {
            if !finding.is_none() {
                let example = finding.examples.first().map_or("", String::as_str);
                writeln!(out, "WRONG: {} {what}, such as: {example}", finding.count)?;
            }
        }
        if !self.proof.audit_ok {
            writeln!(out, "WRONG: an audit found a broken invariant")?;
        }
        if self.proof.verdict.generator_slipped {
            let (late, most) = (grouped(seen.late_calls), seen.max_late_ms);
            writeln!(
                out,
                "the crowd itself was late: {late} calls, by up to {most:.0} ms; \
                 the latencies show this machine, not the service"
            )?;
        }
        Ok(())
    }
}

fn grouped(number: u64) -> String {
    check::grouped(number.into())
}
