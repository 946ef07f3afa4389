//! The tree that both formats are read into.

/// A value and where it begins.
#[derive(Debug)]
pub(super) struct Node {
    /// Byte offset in the file; 0 if not known.
    pub(super) at: usize,
    pub(super) value: Value,
}

/// What a node holds. Depth is bounded by the parsers (80 in TOML, 128 in JSON).
#[derive(Debug)]
pub(super) enum Value {
    Text(String),
    /// Numbers beyond the type are held at its ends: out of every range that is asked for.
    Integer(i128),
    Flag(bool),
    /// TOML's own date or time, as written.
    Time(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
    /// JSON's null: the same as leaving the key out.
    Null,
    /// A number with a fraction; nothing here takes one.
    Fraction,
}

/// A key of a table, where it begins, and its value. Keys may repeat (JSON allows it).
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) at: usize,
    pub(super) key: String,
    pub(super) node: Node,
}

impl Value {
    /// What it is, for `expected .., found ..`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "an integer",
            Self::Flag(_) => "a boolean",
            Self::Time(_) => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Null => "null",
            Self::Fraction => "a number with a fraction",
        }
    }
}
