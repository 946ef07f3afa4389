//! Who a request comes from.

use std::fmt;
use std::sync::Arc;

use jangteo::Timestamp;

use super::key::{KeyTag, Scope, SecretHash};
use super::token::Token;

/// Who a request comes from, as far as its credential says.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// There are no keys, so everybody who gets this far may do everything.
    Anyone,
    /// Somebody without a credential.
    Stranger,
    /// Somebody with a credential that is not valid.
    Unknown,
    /// A customer, by a token.
    Customer(Arc<Token>),
    /// A shop or an operator, by a key.
    Key(Scope, KeyTag),
}

/// Who a RESP connection has turned out to be, and by what, so that it can be judged again when
/// the keys change.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(super) proof: Proof,
    pub(super) caller: Caller,
}

/// What an identity rests on. Not shown by `Debug`.
#[derive(Clone)]
pub(super) enum Proof {
    /// There were no keys.
    None,
    Secret(SecretHash),
    Token(Arc<[u8]>),
}

impl Identity {
    pub(crate) const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whether its token has come to its end.
    pub(crate) fn has_expired(&self, now: impl FnOnce() -> Timestamp) -> bool {
        match &self.caller {
            Caller::Customer(token) => token.expires_at() <= now(),
            _ => false,
        }
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(..)")
    }
}
