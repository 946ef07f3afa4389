//! Part of jangteo.
