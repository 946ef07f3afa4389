//! What a person, or a script, is told about the sale.

use std::io::{self, Write};

use jangteo::Sale;
use jangteo_loadtest::{Finding, Summary, Verdict, WireRow};
use serde_json::json;

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
pub(super) struct Story<'a> {
    pub(super) sale: &'a Sale,
    pub(super) units: u64,
    pub(super) sealed_before: bool,
    pub(super) summary: &'a Summary,
    pub(super) proof: &'a Proof,
}

impl Story<'_> {
    /// One JSON object: every figure of the summary, and the verdict.
    pub(super) fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut told = serde_json::to_value(self.summary)?;
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
        serde_json::to_writer(&mut *out, &told)?;
        writeln!(out)
    }

    /// The story for people, in fewer than 25 lines.
    pub(super) fn tell(&self, out: &mut dyn Write) -> io::Result<()> {
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
        for item in view.items.iter().flatten() {
            let units = item.total.map_or("unlimited".to_owned(), |total| grouped(total.into()));
            let list = item.list_price.map(|price| format!(", elsewhere {}", grouped(price)));
            let (price, currency) = (grouped(item.price), &view.currency);
            let list = list.unwrap_or_default();
            writeln!(out, "  {}: {price} {currency}{list}, {units} units", item.title)?;
        }
        writeln!(out)
    }

    fn timeline(&self, out: &mut dyn Write) -> io::Result<()> {
        let seen = self.summary;
        let sealed = if self.sealed_before { "sealed: nobody can see it" } else { "open to see" };
        writeln!(out, "  {:>12}  {sealed}", "before")?;
        let moments = [
            (seen.first_grant_after_open_ms, "first unit acknowledged at a client".to_owned()),
            (seen.sold_out_after_open_ms, "sold out".to_owned()),
            (seen.first_return_after_open_ms, self.returned()),
            (seen.last_grant_after_open_ms, "last unit".to_owned()),
        ];
        for (ms, what) in moments {
            if let Some(ms) = ms {
                writeln!(out, "  {:>9.1} ms  {what}", ms)?;
            }
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
        let seen = self.summary;
        let (sold, units) = (grouped(seen.confirmed), grouped(self.units));
        let people = grouped(seen.customers);
        writeln!(out, "{sold} of {units} units sold to {people} people who came")?;
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
        writeln!(out, "next: jangteo serve --help, or cargo run --release -- demo --keep")
    }
}

/// A number with its thousands set apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let shown = [0, 999, 1_000, 54_321, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "54,321", "1,234,567"]);
    }
}
