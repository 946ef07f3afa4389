//! A campaign file on disk: TOML, or JSON where its name ends in `.json`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use jangteo::limits::CAMPAIGN_BYTES_MAX;
use jangteo::{Campaign, CampaignFault, Engine, Error};

use super::{Exit, Failure};

/// A file, read.
#[derive(Debug)]
pub(super) struct CampaignFile {
    /// The campaign, or every fault.
    pub(super) campaign: Result<Campaign, Vec<CampaignFault>>,
    /// The id that the file claims, also where it is faulty as a whole.
    pub(super) claimed_id: Option<String>,
}

impl CampaignFile {
    /// Reads the file; a faulty one is no failure yet.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = start(path).map_err(|error| Failure::io(path.display(), &error))?;
        let suffix = path.extension();
        let is_json = suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("json"));
        let whole = bytes.len() <= CAMPAIGN_BYTES_MAX;
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) if !whole => String::from_utf8_lossy(error.as_bytes()).into_owned(),
            Err(error) => {
                let fault = not_utf8(error.as_bytes(), error.utf8_error().valid_up_to());
                return Ok(Self { campaign: Err(vec![fault]), claimed_id: None });
            }
        };
        let (campaign, claimed_id) = if is_json {
            (Campaign::parse_json(&text), claimed_in_json(&text))
        } else {
            (Campaign::parse(&text), claimed_in_toml(&text))
        };
        let claimed_id = claimed_id.map(str::to_owned);
        Ok(Self { campaign: campaign.map_err(|invalid| invalid.faults), claimed_id })
    }
}

/// All of a file, or as much of it as shows that it is too long.
fn start(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(CAMPAIGN_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn not_utf8(bytes: &[u8], valid: usize) -> CampaignFault {
    let before = bytes.iter().take(valid).filter(|byte| **byte == b'\n').count();
    let line = u32::try_from(before + 1).unwrap_or(u32::MAX);
    CampaignFault { line, column: 1, key: String::new(), detail: "is not UTF-8".to_owned() }
}

fn claimed_in_json(text: &str) -> Option<&str> {
    let (_, table) = text.split_once("\"campaign\"")?;
    let (_, value) = table.split_once("\"id\"")?;
    let value = value.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    value.split_once('"').map(|(id, _)| id)
}

fn claimed_in_toml(text: &str) -> Option<&str> {
    let table = text.lines().map(str::trim).skip_while(|line| *line != "[campaign]").skip(1);
    let mut keys = table.take_while(|line| !line.starts_with('['));
    keys.find_map(|line| {
        let value = line.strip_prefix("id")?.trim_start().strip_prefix('=')?.trim_start();
        let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''))?;
        value.get(1..)?.split_once(quote).map(|(id, _)| id)
    })
}

/// The files that a service is started with.
pub(super) struct CampaignFiles<'f>(Vec<(&'f Path, CampaignFile)>);

impl<'f> CampaignFiles<'f> {
    /// Reads them all: one that is missing or cannot be read is a failure, also where the directory
    /// remembers campaigns, since nobody can tell which of them it was to be.
    pub(super) fn read(files: impl IntoIterator<Item = &'f Path>) -> Result<Self, Failure> {
        let read = |file: &'f Path| Ok((file, CampaignFile::read(file)?));
        files.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Fails with the faults of every file whose campaign is not among those that are remembered;
    /// those of the others are no failure, so that a bad edit never stops a restart.
    pub(super) fn check(&self, remembers: impl Fn(&str) -> bool) -> Result<(), Failure> {
        let mut faults = Vec::new();
        for (file, read) in &self.0 {
            let may_stay = read.claimed_id.as_deref().is_some_and(&remembers);
            if let Some(found) = read.campaign.as_ref().err().filter(|_| !may_stay) {
                faults.extend(found.iter().map(|fault| format!("{}:{fault}", file.display())));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(Failure::placed(Exit::Data, faults.join("\n"))) }
    }

    /// Puts their campaigns into the engine on `data`, or none of them if one fails the check. What
    /// is wrong with a campaign that is remembered is logged.
    pub(super) fn put(self, engine: &Engine, data: &Path) -> Result<(), Failure> {
        self.check(|id| is_remembered(engine, id))?;
        for (file, read) in self.0 {
            match read.campaign {
                Ok(campaign) => put(engine, data, file, campaign)?,
                Err(found) => {
                    found.iter().for_each(|fault| tracing::error!("{}:{fault}", file.display()));
                    tracing::warn!("{}: the recorded campaign is kept", file.display());
                }
            }
        }
        Ok(())
    }
}

fn put(engine: &Engine, data: &Path, file: &Path, campaign: Campaign) -> Result<(), Failure> {
    let is_remembered = is_remembered(engine, &campaign.id);
    match engine.put(campaign) {
        Err(error @ (Error::Conflict { .. } | Error::TooMany(_))) if is_remembered => {
            tracing::error!("{}: {error}; the recorded campaign is kept", file.display());
            Ok(())
        }
        done => done.map_err(|error| Failure::about(data, error)),
    }
}

fn is_remembered(engine: &Engine, campaign: &str) -> bool {
    engine.sales().iter().any(|sale| sale.campaign_id() == campaign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_broken_file_is_still_found() {
        let table = [
            ("[campaign]\nid = \"a-1\" # x\ntitle=", Some("a-1")),
            ("[schedule]\nid = \"no\"\n[campaign]\n  id='b'\n", Some("b")),
            ("[campaign]\nidea = \"no\"\nid = \"c\"", Some("c")),
            ("[campaign]\n[items]\nid = \"no\"", None),
            ("id = \"no\"", None),
            ("[campaign]\nid = no", None),
        ];
        for (text, id) in table {
            assert_eq!(claimed_in_toml(text), id, "{text}");
        }
        assert_eq!(claimed_in_json(r#"{"campaign":{"id":"a-1"}}"#), Some("a-1"));
        assert_eq!(claimed_in_json(r#"{"campaign": { "title": 1, "id" : "b","#), Some("b"));
        assert_eq!(claimed_in_json(r#"{"campaign":{"id":7}}"#), None);
    }

    #[test]
    fn a_file_without_end_is_too_long() {
        let read = CampaignFile::read(Path::new("/dev/zero")).unwrap();
        let faults = read.campaign.unwrap_err();
        assert_eq!(faults.first().unwrap().detail, "longer than 1048576 bytes", "{faults:?}");
    }

    #[test]
    fn a_file_that_is_too_long_is_told_so_also_where_it_is_cut_within_a_character() {
        let directory = tempfile::tempdir().unwrap();
        let long = "\u{c7a5}".repeat(CAMPAIGN_BYTES_MAX / 2);
        for (name, text) in [
            ("a.toml", format!("[campaign]\nid = \"a\"\n#{long}")),
            ("a.json", format!("{{\"campaign\":{{\"id\":\"a\",\"title\":\"{long}\"}}}}")),
        ] {
            let file = directory.path().join(name);
            assert!(!text.is_char_boundary(CAMPAIGN_BYTES_MAX + 1), "{name}");
            std::fs::write(&file, text).unwrap();
            let read = CampaignFile::read(&file).unwrap();
            assert_eq!(read.campaign.unwrap_err().len(), 1, "{name}");
            assert_eq!(read.claimed_id.as_deref(), Some("a"), "what is remembered of it stays");
        }
    }
}
