//! What an endpoint knows a sender by: secrets, and signatures made with them.

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::limits::{WEBHOOK_SECRET_BYTES_MAX, WEBHOOK_SECRET_BYTES_MIN, WEBHOOK_SECRETS_MAX};
use crate::secret_file;

/// The beginning of every secret.
const PREFIX: &str = "whsec_";

/// The secrets of one endpoint; every event is signed with each. Debug shows nothing secret.
#[derive(Clone, Debug)]
pub struct Secrets(Vec<hmac::Key>);

impl FromStr for Secrets {
    type Err = &'static str;

    /// One secret a line, each `whsec_` and 24 to 64 bytes in base64.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let keys: Result<Vec<hmac::Key>, _> = lines.map(key).collect();
        match keys? {
            keys if keys.is_empty() => Err("has no secret"),
            keys if WEBHOOK_SECRETS_MAX < keys.len() => Err("has more than 4 secrets"),
            keys => Ok(Self(keys)),
        }
    }
}

fn key(line: &str) -> Result<hmac::Key, &'static str> {
    let bytes = line.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
    let long = WEBHOOK_SECRET_BYTES_MIN..=WEBHOOK_SECRET_BYTES_MAX;
    let bytes = bytes.filter(|bytes| long.contains(&bytes.len()));
    let bytes = bytes.ok_or("a secret must be whsec_ and 24 to 64 bytes in base64")?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

impl Secrets {
    /// Reads a file that only its owner and its group may read.
    ///
    /// # Errors
    /// The file cannot be read, others may read it, or it holds something else. The text repeats
    /// nothing of it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let named = |why: &dyn Display| format!("{}: {why}", path.display());
        let bytes = secret_file::read(path)?;
        let text = str::from_utf8(&bytes).map_err(|_| named(&"is no text"))?;
        text.parse().map_err(|why: &str| named(&why))
    }

    /// The signatures of a message, one for each secret.
    pub(super) fn sign(&self, id: &str, timestamp_s: u64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp_s}.");
        let signed = self.0.iter().map(|key| {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            format!("v1,{}", STANDARD.encode(context.sign()))
        });
        signed.collect::<Vec<String>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    #[test]
    fn a_message_is_signed_as_the_standard_says() {
        // The example of the reference implementations.
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        let expected = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";
        let sign = |text: &str| {
            let secrets: Secrets = text.parse().unwrap();
            secrets.sign("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body)
        };
        assert_eq!(sign(SECRET), expected);
        let two = sign(&format!("whsec_{}\r\n\n {SECRET}\n", STANDARD.encode([7; 64])));
        let (first, second) = two.split_once(' ').unwrap();
        assert!(first.starts_with("v1,") && first != second, "{two}");
        assert_eq!(second, expected);
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let of = |length: usize| format!("whsec_{}", STANDARD.encode(vec![7; length]));
        for length in [24, 32, 64] {
            assert!(of(length).parse::<Secrets>().is_ok(), "{length}");
        }
        let bare = SECRET.strip_prefix("whsec_").unwrap().to_owned();
        let short = of(24).trim_end_matches(|c| c != '=').to_owned() + "!";
        let five = [of(32), of(33), of(34), of(35), of(36)].join("\n");
        for text in [String::new(), of(23), of(65), bare, short, five, format!("{SECRET}\nx")] {
            let refused = text.parse::<Secrets>().unwrap_err();
            assert!(!refused.contains("C2FV"), "{refused}");
        }
    }

    #[test]
    fn a_file_of_secrets_is_named_and_not_repeated() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (bytes, fine) in
            [(SECRET.as_bytes(), true), (b"whsec_C2FV", false), (b"\xffC2FV", false)]
        {
            std::fs::write(file.path(), bytes).unwrap();
            match Secrets::read(file.path()) {
                Ok(_) => assert!(fine),
                Err(why) => {
                    assert!(!fine && why.starts_with(file.path().to_str().unwrap()), "{why}");
                    assert!(!why.contains("C2FV"), "{why}");
                }
            }
        }
    }
}
