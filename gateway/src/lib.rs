//! Part of jangteo.

pub mod limits;
pub mod resp;
