//! What an answer leads a buyer to do next.

use std::ops::Range;

use crate::call::{Ask, Wire};

/// What a buyer will ask next, and how long it thinks before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) ask: Ask,
    pub(crate) wire: Wire,
    pub(crate) think: Think,
}

/// A time to think, drawn evenly from a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Think {
    /// From the opening, or from now if that is past.
    UntilOpening,
    /// Before paying.
    Pay,
    /// Before giving a hold back.
    Abandon,
    /// Before coming back as a winner.
    ComeBack,
    /// Before another try for a unit that has come back.
    Hope,
    /// Before sending the same request again.
    Repeat,
}

impl Think {
    pub(crate) const fn range_us(self) -> Range<i64> {
        match self {
            Self::UntilOpening => 0..250_000,
            Self::Pay => 200_000..1_500_000,
            Self::Abandon => 500_000..2_000_000,
            Self::ComeBack => 50_000..400_000,
            Self::Hope => 800_000..1_600_000,
            Self::Repeat => 200_000..800_000,
        }
    }
}

/// What an answer leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) plan: Option<Plan>,
    /// What the contract does not allow to be answered here.
    pub(crate) surprise: Option<&'static str>,
}

impl Heard {
    pub(crate) fn surprise(what: &'static str) -> Self {
        Self { plan: None, surprise: Some(what) }
    }

    /// The same plan after another time to think.
    pub(crate) fn later(mut self, think: Think) -> Self {
        if let Some(plan) = &mut self.plan {
            plan.think = think;
        }
        self
    }
}
