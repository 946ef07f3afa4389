//! `jangteo demo`: the main job, proved. One drop opens a few seconds from now on loopback, a crowd
//! comes over both wires, and three witnesses say what happened.

use std::io::{self, Write};

use clap::Args;
use jangteo::Campaign;

use super::staged::{Opening, Staged, Story};
use super::{Exit, Failure};

/// The campaign whose first drop is shown: what was really sold on eight Wednesdays in 2020.
const CAMPAIGN: &str = include_str!("../../../docs/campaigns/uroad-2020.toml");
/// From the start to the opening, in milliseconds: the first of the crowd come before it.
const LEAD_MS: u64 = 4_000;

/// What `demo` is told.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  jangteo demo\n  jangteo demo --json | jq .oversold\n  \
                        jangteo demo --customers 200000 --seed 7 --keep")]
pub(crate) struct Demo {
    /// Print one JSON object on stdout, and progress on stderr
    #[arg(long)]
    json: bool,
    /// Leave the service running afterwards, until interrupted
    #[arg(long)]
    keep: bool,
    /// How many people come
    #[arg(long, value_name = "N", default_value_t = 100_000,
          value_parser = clap::value_parser!(u32).range(1..))]
    customers: u32,
    /// Seed of the crowd: who comes when, and what they do
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Demo {
    /// Runs the sale and judges it.
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let directory = tempfile::Builder::new().prefix("jangteo-demo-").tempdir();
        let directory = directory.map_err(|error| Failure::io("a temporary directory", &error))?;
        let campaign =
            Campaign::parse(CAMPAIGN).map_err(|e| Failure::new(Exit::Data, e.to_string()))?;
        let opening = Opening::After(LEAD_MS);
        let staged = Staged::put_up(directory.path(), &campaign, 1, opening)?;
        let story = staged.sell(self.customers, self.seed)?;
        self.print(&story).map_err(|error| Failure::io("standard output", &error))?;
        if self.keep {
            staged.stand()?;
        }
        staged.take_down();
        Ok(if story.holds() { Exit::Done } else { Exit::DidNotHold })
    }

    fn print(&self, story: &Story) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer(&mut out, &story.json()?)?;
            writeln!(out)?;
        } else {
            story.tell(&mut out)?;
            writeln!(out, "next: jangteo serve --help, or cargo run --release -- demo --keep")?;
        }
        out.flush()
    }
}
