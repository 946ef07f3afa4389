//! Connections by the address they come from, so that no single one takes all the room.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::limits::IPV6_PREFIX_BITS;

/// See the module. Holds one entry for each address with a connection.
#[derive(Debug)]
pub(crate) struct Peers {
    most: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place among those of its address, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Option<(Arc<Peers>, IpAddr)>);

impl Peers {
    /// At most so many from one address; none is counted if that is 0.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, open: Mutex::default() })
    }

    /// A place for one more from there. This machine's own connections need none.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        if self.most == 0 || address.is_loopback() {
            return Some(Place(None));
        }
        let household = household(address);
        let mut open = self.open.lock();
        let count = open.entry(household).or_default();
        if *count < self.most {
            *count += 1;
            Some(Place(Some((Arc::clone(self), household))))
        } else {
            None
        }
    }
}

/// What stands for one who may choose his own addresses: with IPv6 that is a whole network.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let network = u128::MAX << (128 - IPV6_PREFIX_BITS);
            Ipv6Addr::from_bits(address.to_bits() & network).into()
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((peers, household)) = self.0.take() else { return };
        let mut open = peers.open.lock();
        if let Some(count) = open.get_mut(&household) {
            *count -= 1;
            if *count == 0 {
                open.remove(&household);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let peers = Peers::new(2);
        let one: IpAddr = "203.0.113.7".parse().unwrap();
        let places = [(); 2].map(|()| peers.admit(one).unwrap());
        assert!(peers.admit(one).is_none());
        assert!(peers.admit("::ffff:203.0.113.7".parse().unwrap()).is_none(), "the same in IPv6");
        assert!(peers.admit("203.0.113.8".parse().unwrap()).is_some());
        drop(places);
        assert!(peers.open.lock().is_empty(), "nothing is left of those that went");
        assert!(peers.admit(one).is_some());
    }

    #[test]
    fn this_machine_and_networks_of_ipv6() {
        let peers = Peers::new(1);
        for address in ["127.0.0.1", "127.0.0.1", "::1", "::1"] {
            assert!(peers.admit(address.parse().unwrap()).is_some());
        }
        let place = peers.admit("2001:db8:1:2::3".parse().unwrap());
        assert!(peers.admit("2001:db8:1:2:ffff::9".parse().unwrap()).is_none());
        assert!(peers.admit("2001:db8:1:3::3".parse().unwrap()).is_some());
        drop(place);
        assert!(Peers::new(0).admit("203.0.113.7".parse().unwrap()).is_some());
    }
}
