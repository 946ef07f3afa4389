//! Who may call, and what.
//!
//! `key` and `token` are the two kinds of credential, `keyring` the keys that are valid at one time,
//! `current` the keyring of now, which can be replaced while the service runs. A credential makes a
//! request's sender a `Caller`, and `decision` is the one table of what each caller may do on
//! either wire. `host` is what stands in for keys as long as there are none.

mod caller;
mod current;
mod decision;
mod host;
mod key;
mod keyring;
mod token;

pub(crate) use caller::{Caller, Identity};
pub use current::{Access, LastKey};
pub(crate) use decision::{Denied, Need, admit, admit_to_hold, admit_to_wait};
pub use key::{BadKey, Key, Scope, SecretHash};
pub use keyring::Keyring;
pub use token::{BadTokenKey, TokenKey};
