//! Every bound of the engine, and what breaks without it.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Most units one item may have in one drop: units and two flags share a 32-bit word.
pub const UNITS_MAX: u32 = 1_000_000_000;
const _: () = assert!(UNITS_MAX < 1 << 30, "two bits of the stock word are flags");

/// Most lines of one hold, after lines of the same item are summed.
pub const LINES_MAX: usize = 20;
const _: () = assert!(LINES_MAX <= 32, "which lines got a gift is a 32-bit mask");

/// Most units of one item in one hold.
pub const QUANTITY_MAX: u32 = 1_000;
const _: () = assert!(QUANTITY_MAX <= u16::MAX as u32, "a quantity is two bytes in a record");

/// Longest customer name, in bytes of visible ASCII.
pub const CUSTOMER_MAX: usize = 64;
/// Longest idempotency key, in bytes of visible ASCII.
pub const KEY_MAX: usize = 128;
/// Longest payment reference, in bytes of visible ASCII.
pub const PAYMENT_MAX: usize = 128;
/// Longest delivery area, in bytes of visible ASCII.
pub const AREA_MAX: usize = 64;
const _: () = assert!(KEY_MAX < 256 && PAYMENT_MAX < 256 && CUSTOMER_MAX < 256 && AREA_MAX < 256);

/// Longest SKU, in bytes of visible ASCII.
pub const SKU_MAX: usize = 64;

/// Most items (and, apart from them, gifts) of one drop: a line names its item in two bytes.
pub const ITEMS_MAX: usize = 1_000;

/// Most occurrences of one schedule.
pub const OCCURRENCES_MAX: usize = 1_000;

/// Most amounts of one campaign's ledger: one for each drop and each beneficiary of each rule. All
/// of them are in the record that settles it, and in every report.
pub const LEDGER_AMOUNTS_MAX: usize = 20_000;
const _: () = assert!(LEDGER_AMOUNTS_MAX <= u16::MAX as usize, "a record counts them in two bytes");

/// Rows of a shard that a report reads under one lock: a few tenths of a millisecond for whoever
/// wants to buy meanwhile.
pub const REPORT_ROWS: usize = 4_096;

/// Refunds and late payments in one part of a report from files: so many orders are kept at a time
/// at most, in some 60 bytes each, and more if they have more than two lines. With fewer, a report
/// would read its files more often where much came back; with no bound, its memory would grow with
/// what did.
pub const REPORT_LATER_MAX: usize = 1 << 20;

/// How often a settlement or a deletion counts a campaign anew because something was refunded
/// meanwhile, before it is answered `overloaded`.
pub const SETTLE_TRIES_MAX: u32 = 8;

/// How often to look whether a credit settles by itself, in milliseconds.
pub const SETTLE_LOOK_MS: u64 = 1_000;

/// Longest campaign file, in bytes.
pub const CAMPAIGN_BYTES_MAX: usize = 1 << 20;

/// Most sales (drops) one engine remembers: a hold id names its sale in 24 bits.
pub const SALES_MAX: u32 = 1 << 24;

/// Shards of one sale's buyers. Part of the journal's format: a hold's slot names its shard.
///
/// 64 keeps two threads from meeting (a chance of 1 in 64 a call) while the rows being written to
/// stay in the nearest cache.
pub const SHARDS: usize = 64;

/// Most buyers, most holds, and most places in the line that ever were, of one shard; the next is
/// answered `overloaded`.
///
/// Holds of every state stay for the life of the drop, so this bounds a drop; texts that
/// together reach 4 GiB in a shard (some 2^25 holds) bound it earlier.
pub const ROWS_MAX: u32 = 1 << 28;

/// A unit that is not back in its word after this long is lost: putting it back is a few
/// instructions of a thread that waits for nothing. Who would join the line meanwhile is answered
/// `overloaded`, and an audit says so.
pub const GIVE_BACK_MAX: Duration = Duration::from_secs(1);

/// Rows of a sale that are reserved and touched shortly before it opens, at most. Page faults at
/// the opening instant would otherwise cost more than the grants themselves.
pub const ROWS_TOUCHED_MAX: usize = 4_000_000;

/// Bits for each expected customer in the filter of who may be known to a drop: with fewer, more of
/// a crowd that is refused waits for a lock; with more, less of the filter is in the nearest cache.
pub const KNOWN_BITS_EACH: usize = 8;

/// Words of that filter at least: so few stay in the nearest cache anyway, and in most drops almost
/// nobody of the crowd is taken for known then.
pub const KNOWN_WORDS_MIN: usize = 1_024;

/// Buyers that one refused customer puts into that filter, and those of one shard more: some tens
/// of microseconds of that one's wait. With one shard's each, the first 64 of a small drop's crowd
/// took locks for nothing.
pub const FILLED_AT_ONCE: usize = 4_096;

/// Under a model checker a batch is full after a few records.
const FULL_UNDER_CHECK: Option<usize> = if cfg!(jangteo_loom) {
    Some(80)
} else if cfg!(jangteo_shuttle) {
    Some(144)
} else {
    None
};

/// Records that nobody waits for yet, but that are flushed all the same: neither the open batch nor
/// the wait for it grows with how many answers a caller leaves outstanding.
pub const FLUSH_AHEAD_RECORDS: u64 = 1_024;

/// Records waiting in the open batch above which new holds are answered `overloaded`, in bytes.
pub const OPEN_BATCH_BYTES: usize =
    if let Some(bytes) = FULL_UNDER_CHECK { bytes } else { 16 << 20 };
/// Likewise for confirms, releases and extensions: they come before new holds.
pub const OPEN_BATCH_BYTES_FIRST: usize =
    if let Some(bytes) = FULL_UNDER_CHECK { bytes + 16 } else { 24 << 20 };
const _: () = assert!(OPEN_BATCH_BYTES < OPEN_BATCH_BYTES_FIRST);

/// Size of one journal segment unless set otherwise, in bytes.
pub const SEGMENT_BYTES: u64 = 64 << 20;
const _: () = assert!(SEGMENT_BYTES > 2 * OPEN_BATCH_BYTES_FIRST as u64, "a batch fits a segment");

/// Segments are numbered below this: twelve digits in a file's name.
pub const SEGMENTS_MAX: u64 = 1_000_000_000_000;

/// Journal room kept back for every live hold: one confirm and one release, each alone in a batch
/// and followed by a marker.
pub const RESERVE_BYTES_PER_HOLD: u64 = 4 * 512;

/// Bytes of journal that a unit which can still be sold is reckoned with: its grant, and how that
/// ends.
pub const JOURNAL_BYTES_PER_UNIT: u64 = 256;

/// Segments written and synced ahead of need before a big opening, at most, in bytes.
pub const PREPARED_BYTES_MAX: u64 = 256 << 20;

/// Segments prepared ahead, at most: each is an open file.
pub const PREPARED_SEGMENTS_MAX: usize = 8;

/// Events in one page of the feed, at most.
pub const EVENTS_MAX: usize = 1_000;
/// Records behind the events of one page, in bytes: a page with this many is complete. Without it
/// a thousand campaigns could be asked for at once.
pub const EVENTS_PAGE_BYTES: usize = 1 << 20;

/// Distance between the frames of a segment whose places the feed remembers, in bytes: what is
/// passed at most on the way to a record, against 16 bytes of memory each.
pub const FEED_MARK_BYTES: u64 = 1 << 20;

/// Snapshots kept: should the newest be damaged, the one before it still shortens a start.
pub const SNAPSHOTS_KEPT: usize = 2;

/// How often to look whether the oldest segment may go, in milliseconds: one goes at a look, so
/// that a long past is not dropped in one burst beside a sale.
pub const RETENTION_LOOK_MS: u64 = 60_000;

/// Records that are read at such a look, in bytes: a few tenths of a second of one core.
pub const RETENTION_READ_BYTES: usize = 64 << 20;

/// Records since the last snapshot that make another one worth its writing, unless set otherwise:
/// reading back so many takes a few tenths of a second.
pub const SNAPSHOT_AFTER_RECORDS: u64 = 500_000;

/// A deadline is met within this time while the engine runs, in milliseconds.
pub const EXPIRY_LAG_MS: u64 = 100;

/// After a restart a live hold has at least this long left (or its whole TTL if shorter), in ms.
pub const GRACE_AFTER_RESTART_MS: u64 = 60_000;

/// Most places in a drop's line; who comes then is answered `overloaded`.
pub const LINE_MAX: usize = 1 << 22;

/// Most places in a drop's line that one customer takes one after another, those included that are
/// over: they are remembered for the life of the drop, and each is looked at for a key. Who comes
/// again then is answered `overloaded`.
pub const WAITS_EACH_MAX: usize = 1_000;

/// Most holds listed for one customer, newest first.
pub const HOLDS_LISTED_MAX: usize = 100;

/// Numbers that one page of a drop's orders looks at, at most: what is shown of them is in memory
/// at once.
pub const ORDERS_PAGE_MAX: u32 = 1_000;

/// Most faults reported for one campaign file; one more says how many there are beyond. Without it
/// a small file of nothing but faults would be answered by a hundred times its size.
pub const FAULTS_MAX: usize = 1_000;

/// Most violations one audit lists; a journal that is wrong throughout has as many as records.
pub const VIOLATIONS_MAX: usize = 1_000;

/// Years in which a campaign's local times may lie: instants are counted from 1970, and RFC 3339
/// shows years of four digits.
pub const LOCAL_YEARS: RangeInclusive<i32> = 1971..=2999;

/// Years after its first occurrence in which a schedule's others must lie: bounds the search for
/// the next date of a rule that matches rarely.
pub const SCHEDULE_YEARS_MAX: u32 = 100;

/// Longest recurrence rule, in bytes: every day of the search is compared with all of its lists.
pub const RULE_BYTES_MAX: usize = 500;

/// Longest campaign id, in characters.
pub const CAMPAIGN_ID_MAX: usize = 40;
/// Longest title or seller, in characters.
pub const TITLE_MAX: usize = 200;
/// Longest tag or beneficiary, in bytes of visible ASCII.
pub const TAG_MAX: usize = 64;

/// Largest amount of money, in minor units: JSON numbers are exact up to here.
pub const AMOUNT_MAX: u64 = (1 << 53) - 1;
/// Highest price of one unit, so that the total of the largest hold is an amount.
pub const PRICE_MAX: u64 = AMOUNT_MAX / (QUANTITY_MAX as u64 * LINES_MAX as u64);

/// Shortest and longest time to live of a hold, in milliseconds: deadlines are met to 100 ms, and
/// units that are held for months are not on sale.
pub const HOLD_TTL_MS: RangeInclusive<u64> = 1_000..=30 * 86_400_000;
/// Shortest and longest time from opening to closing, and from revealing to opening, in
/// milliseconds: ten years, so that instants stay in years of four digits.
pub const SPAN_MS: RangeInclusive<u64> = 1_000..=3_652 * 86_400_000;
