//! A drop that is put up for a while: one of a campaign's, moved to an instant a few seconds ahead,
//! in a directory of its own, served on loopback for a crowd or for somebody who wants to look.
//!
//! The way of it: `stage` puts it up; `baskets` says what the crowd wants of it; `play` sends the
//! crowd; `witness` asks service and journal what happened; `story` tells.

mod baskets;
mod opening;
mod play;
mod stage;
mod story;
mod witness;

pub(crate) use opening::Opening;
pub(crate) use stage::Staged;
pub(crate) use story::Story;
