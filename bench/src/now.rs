//! This second in UTC, as a campaign file has it: a drop that opens now is made ready for a crowd,
//! one that opened long ago is not.

use std::time::SystemTime;

use jangteo::Timestamp;

/// For `opens`, with `time_zone = "UTC"`.
///
/// # Panics
/// If the clock shows a time before 1970.
#[must_use]
pub fn opens() -> String {
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970");
    let now = Timestamp::from_ms(since.as_secs() * 1_000).to_string();
    now.chars().take("2020-04-29T10:00:00".len()).collect()
}
