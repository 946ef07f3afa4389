//! Tests of the workspace as a whole.

#[cfg(test)]
mod tidy;
