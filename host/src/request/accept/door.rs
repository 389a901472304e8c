//! How many connections are open, in all and of each address; who of them may speak for others.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;

use crate::config::Config;

use super::Wire;

/// The high half of an IPv6 address: what one customer of a provider has at least.
const NETWORK: u128 = !0 << 64;

/// Counts who is in. Locked once as a connection comes and once as it goes, never by a request.
#[derive(Debug)]
pub(crate) struct Door {
    most: u32,
    most_of_one: u32,
    trusted: Vec<IpNet>,
    inside: AtomicU32,
    of_each: Mutex<HashMap<IpAddr, u32>>,
}

/// Who has come in, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(super) address: SocketAddr,
    /// A proxy that is believed when it names its client.
    pub(super) trusted: bool,
    _place: Place,
}

impl Door {
    pub(crate) fn new(config: &Config) -> Arc<Self> {
        Arc::new(Self {
            most: config.connections,
            most_of_one: config.connections_per_address,
            trusted: config.trusted_proxies.clone(),
            inside: AtomicU32::new(0),
            of_each: Mutex::default(),
        })
    }

    /// Lets a connection in, or nobody when there is no room.
    pub(crate) fn enter(self: &Arc<Self>, wire: &Wire, address: SocketAddr) -> Option<Visitor> {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let trusted = trusts(&self.trusted, address.ip());
        let counted = !trusted && !matches!(wire, Wire::Unix(_));
        let place = self.place(counted.then(|| household(address.ip())))?;
        Some(Visitor { address, trusted, _place: place })
    }

    fn place(self: &Arc<Self>, household: Option<IpAddr>) -> Option<Place> {
        // From here on, dropping it gives back what was counted.
        let mut place = Place { door: self.clone(), household: None };
        if self.inside.fetch_add(1, Ordering::Relaxed) >= self.most {
            return None;
        }
        if let Some(household) = household {
            let mut of_each = self.of_each.lock().unwrap_or_else(PoisonError::into_inner);
            let inside = of_each.entry(household).or_default();
            if *inside >= self.most_of_one {
                // The entry of a household that may have nobody would stay for ever.
                if *inside == 0 {
                    of_each.remove(&household);
                }
                drop(of_each);
                return None;
            }
            *inside += 1;
            drop(of_each);
            place.household = Some(household);
        }
        Some(place)
    }
}

#[derive(Debug)]
struct Place {
    door: Arc<Door>,
    household: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.inside.fetch_sub(1, Ordering::Relaxed);
        let Some(household) = self.household else { return };
        let mut of_each = self.door.of_each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut inside) = of_each.entry(household) {
            *inside.get_mut() -= 1;
            if *inside.get() == 0 {
                inside.remove();
            }
        }
    }
}

/// Whether an address is in one of the networks.
pub(super) fn trusts(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// What addresses are counted by.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, Door, household};

    #[test]
    fn a_place_is_free_again_when_its_visitor_left() {
        let mut config = Config::default();
        (config.connections, config.connections_per_address) = (3, 2);
        let door = Door::new(&config);
        let of = |address: &str| Some(household(address.parse().unwrap()));
        let (first, second) = (door.place(of("2001:db8::1")), door.place(of("2001:db8::2")));
        assert!(first.is_some() && second.is_some());
        assert!(door.place(of("2001:db8::3")).is_none(), "a third of one household");
        let third = door.place(None);
        assert!(third.is_some() && door.place(None).is_none(), "a fourth in all");
        drop(first);
        assert!(door.place(of("2001:db8::3")).is_some());
        drop((second, third));
        assert!(door.of_each.lock().unwrap().is_empty(), "who left is remembered");
    }
}
