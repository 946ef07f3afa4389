//! What `rehearse` is told, and what it does.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use jangteo::{Campaign, CampaignFault, Clock, SystemClock, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::go_list::GoList;
use super::{clock, flush, headroom, points};
use crate::cli::campaign_file::CampaignFile;
use crate::cli::descriptors;
use crate::cli::staged::{Opening, Staged, Story};
use crate::cli::{Exit, Failure};

/// A crowd needs this long to connect, and the first of it come before the opening.
const LEAD_MS: u64 = 3_000;

/// What `rehearse` is told.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    jangteo rehearse wednesdays.toml\n  \
    jangteo rehearse wednesdays.toml --drop 3 --at +30s --crowd 200000\n  \
    jangteo rehearse wednesdays.toml --under /var/lib --json | jq .go\n  \
    jangteo rehearse wednesdays.toml --crowd 0    # to play with, until Ctrl-C\n\n\
    Ends with 0 if it is go, with 1 if it is no-go, with 65 if the file is bad.")]
pub(crate) struct Rehearse {
    /// The campaign file, TOML; JSON where the name ends in .json
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Number of the drop; without it the next one, or the first if none is to come
    #[arg(long, value_name = "N")]
    drop: Option<u32>,
    /// When the drop opens: a while from now, or an instant as in 2026-11-25T09:00:00+09:00
    #[arg(long, value_name = "+10s", default_value = "+10s")]
    at: Opening,
    /// How many people come; 0: nobody, the drop is left to play with until interrupted
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    crowd: u32,
    /// Connections that are expected on the day, if people do not have one each
    #[arg(long, value_name = "N")]
    connections: Option<u64>,
    /// Seed of the crowd: who comes when, and what they do
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where the throw-away directory is made; without it where the system has such directories
    #[arg(long, value_name = "DIR")]
    under: Option<PathBuf>,
    /// Keep the directory, and print where it is
    #[arg(long)]
    keep: bool,
    /// Print one JSON object on stdout, and progress on stderr
    #[arg(long)]
    json: bool,
}

/// What came of it.
struct Rehearsed<'r> {
    campaign: &'r Campaign,
    number: u32,
    list: GoList,
    story: Option<Story>,
}

impl Rehearse {
    /// Runs the rehearsal and says go or no-go.
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let campaign = match CampaignFile::read(&self.file)?.campaign {
            Ok(campaign) => campaign,
            Err(faults) => return self.is_faulty(&faults),
        };
        let now = SystemClock::new().now();
        let number = self.number(&campaign, now)?;
        self.check_lead(now)?;
        let directory = self.directory()?;
        // What cannot be raised shows in the list.
        _ = descriptors::raise();
        let mut seen =
            Rehearsed { campaign: &campaign, number, list: GoList::default(), story: None };
        seen.list.add(points::file(&campaign, now));
        seen.list.add(clock::point());
        seen.list.add(flush::point(directory.path())?);
        seen.list.add(points::connections(self.connections.unwrap_or(self.crowd.into())));
        if campaign.items_in(number).next().is_none() {
            seen.list.add(points::no_goods(&campaign.drop_id(number)));
            self.tell(&seen, directory.path(), None)?;
        } else {
            self.play(&mut seen, directory.path())?;
        }
        if self.keep {
            _ = directory.keep();
        }
        Ok(if seen.list.is_go() { Exit::Done } else { Exit::DidNotHold })
    }

    /// Puts the drop up, and sends the crowd or waits for whoever plays with it.
    fn play(&self, seen: &mut Rehearsed<'_>, directory: &Path) -> Result<(), Failure> {
        let staged = Staged::put_up(directory, seen.campaign, seen.number, self.at)?;
        seen.list.add(points::stock(seen.campaign, seen.number, staged.sale())?);
        if self.crowd == 0 {
            self.tell(seen, directory, Some(&staged))?;
            staged.stand()?;
        } else {
            let story = staged.sell(self.crowd, self.seed)?;
            seen.list.add(points::witnesses(&story));
            seen.list.add(headroom::point(&staged, self.crowd)?);
            seen.story = Some(story);
            self.tell(seen, directory, None)?;
        }
        staged.take_down();
        Ok(())
    }

    /// The drop that is meant.
    fn number(&self, campaign: &Campaign, now: Timestamp) -> Result<u32, Failure> {
        let drops = campaign.occurrences();
        let next = || drops.iter().find(|drop| drop.opens_at > now).or(drops.first());
        let meant = match self.drop {
            Some(number) => drops.iter().find(|drop| drop.number == number),
            None => next(),
        };
        meant.map(|drop| drop.number).ok_or_else(|| {
            let number = self.drop.unwrap_or_default();
            Failure::new(Exit::Usage, format!("{} has no drop {number}", self.file.display()))
        })
    }

    /// Whether a crowd has the time to gather.
    fn check_lead(&self, now: Timestamp) -> Result<(), Failure> {
        if self.crowd > 0 && self.at.instant(now) < now.plus_ms(LEAD_MS) {
            let text = "--at: a crowd needs 3 s to gather; say +3s or later";
            return Err(Failure::new(Exit::Usage, text));
        }
        Ok(())
    }

    fn directory(&self) -> Result<TempDir, Failure> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("jangteo-rehearsal-");
        let (made, place) = match &self.under {
            Some(under) => (builder.tempdir_in(under), under.display().to_string()),
            None => (builder.tempdir(), "a temporary directory".to_owned()),
        };
        made.map_err(|error| Failure::io(place, &error))
    }

    /// Every fault, as `check` has them.
    fn is_faulty(&self, faults: &[CampaignFault]) -> Result<Exit, Failure> {
        let mut out = io::stdout().lock();
        let written = if self.json {
            writeln!(out, "{}", json!({ "go": false, "faults": faults }))
        } else {
            let file = self.file.display();
            faults.iter().try_for_each(|fault| writeln!(out, "{file}:{fault}"))
        };
        written.and_then(|()| out.flush()).map_err(|e| Failure::io("standard output", &e))?;
        Ok(Exit::Data)
    }

    fn tell(
        &self,
        seen: &Rehearsed<'_>,
        directory: &Path,
        standing: Option<&Staged<'_>>,
    ) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let told = if self.json {
            self.json(seen, directory, standing).map_err(io::Error::from).and_then(|told| {
                serde_json::to_writer(&mut out, &told)?;
                writeln!(out)
            })
        } else {
            self.text(seen, directory, standing, &mut out)
        };
        told.and_then(|()| out.flush()).map_err(|error| Failure::io("standard output", &error))
    }

    fn json(
        &self,
        seen: &Rehearsed<'_>,
        directory: &Path,
        standing: Option<&Staged<'_>>,
    ) -> serde_json::Result<Value> {
        let drop = seen.campaign.drop_id(seen.number);
        let sale = seen.story.as_ref().map(Story::json).transpose()?;
        Ok(json!({
            "drop": drop,
            "go": seen.list.is_go(),
            "list": seen.list,
            "sale": sale,
            "staged_as": standing.map(|staged| staged.sale().id()),
            "http": standing.map(|staged| staged.http().to_string()),
            "resp": standing.map(|staged| staged.resp().to_string()),
            "directory": self.keep.then(|| directory.display().to_string()),
        }))
    }

    fn text(
        &self,
        seen: &Rehearsed<'_>,
        directory: &Path,
        standing: Option<&Staged<'_>>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if let Some(story) = &seen.story {
            story.tell(out)?;
            writeln!(out)?;
        }
        writeln!(out, "rehearsal of {}", seen.campaign.drop_id(seen.number))?;
        seen.list.tell(out)?;
        if self.keep {
            let directory = directory.display();
            writeln!(out, "kept: {directory}, for jangteo audit {directory}")?;
        }
        standing.map_or(Ok(()), |staged| something_to_try(staged, out))
    }
}

/// A request that a person can copy.
fn something_to_try(staged: &Staged<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (sale, http) = (staged.sale(), staged.http());
    let baskets = staged.baskets();
    let lines = baskets.first().map(|basket| &basket.lines[..]).unwrap_or_default();
    let line = |line: &jangteo_loadtest::Line| json!({ "sku": line.sku, "quantity": line.units });
    let lines: Vec<Value> = lines.iter().map(line).collect();
    let mut body = json!({ "customer": "c-1", "lines": lines });
    if let (Some(area), Some(body)) = (staged.area(), body.as_object_mut()) {
        body.insert("area".to_owned(), area.into());
    }
    writeln!(out, "\n{} opens at {}; then try:", sale.id(), sale.opens_at())?;
    writeln!(out, "curl -s http://{http}/v1/drops/{}/holds \\", sale.id())?;
    writeln!(out, "  -H 'Content-Type: application/json' -H 'Idempotency-Key: order-1' \\")?;
    writeln!(out, "  -d '{}'", body.to_string().replace('\'', "'\\''"))
}
