//! A place in the waiting line as its customer sees it.

use jangteo::{HoldId, HoldOrWait, Timestamp, Wait, WaitId, WaitLine, WaitState};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::Object;

use super::hold::HoldView;
use super::words::{times, words};

/// A customer's place in the line of a drop.
#[derive(Serialize, ToSchema)]
#[schema(as = Wait)]
pub(in super::super) struct WaitView<'a> {
    /// Opaque: store and compare it, nothing else.
    #[schema(value_type = String, example = "00000020000004zhah50d8ab6j")]
    id: WaitId,
    drop: &'a str,
    customer: &'a str,
    #[schema(schema_with = wait_states)]
    state: WaitState,
    /// 1 is the head of the line; null once it is over.
    #[schema(required = true)]
    place: Option<u32>,
    lines: Vec<LineShown<'a>>,
    /// Id of the hold that it became.
    #[schema(value_type = Option<String>, required = true)]
    hold: Option<HoldId>,
    #[schema(schema_with = times)]
    created_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
#[schema(as = WaitLine)]
struct LineShown<'a> {
    sku: &'a str,
    quantity: u32,
}

/// What a request for a hold is answered with.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = HoldOrWait)]
pub(in super::super) enum HoldOrWaitView<'a> {
    Hold(HoldView<'a>),
    Wait(WaitView<'a>),
}

/// What became of a wait.
fn wait_states() -> Object {
    words(&["waiting", "granted", "left", "ended"])
}

impl<'a> From<&'a Wait> for WaitView<'a> {
    fn from(wait: &'a Wait) -> Self {
        Self {
            id: wait.id,
            drop: wait.sale().id(),
            customer: wait.customer(),
            state: wait.state,
            place: wait.place,
            lines: wait.lines().map(LineShown::from).collect(),
            hold: wait.hold,
            created_at: wait.created_at,
        }
    }
}

impl<'a> From<WaitLine<'a>> for LineShown<'a> {
    fn from(WaitLine { sku, quantity }: WaitLine<'a>) -> Self {
        Self { sku, quantity }
    }
}

impl<'a> From<&'a HoldOrWait> for HoldOrWaitView<'a> {
    fn from(held: &'a HoldOrWait) -> Self {
        match held {
            HoldOrWait::Hold(hold) => Self::Hold(hold.into()),
            HoldOrWait::Wait(wait) => Self::Wait(wait.into()),
        }
    }
}
