//! Whose datagram it is: the shard named by its ICE ufrag, or the one that has authenticated its route.

use std::collections::HashMap;

use sfu::api::shard_of;
use sfu::io::Route;
use sfu::stun::peek_ufrag;

/// What one thread knows of the routes of the other shards. Only authenticated routes get in, so that a stranger
/// cannot fill it.
#[derive(Default)]
pub struct Owners {
    others: HashMap<Route, u8>,
}

impl Owners {
    /// A notice of another shard. A route that has moved on since is not taken from its new owner.
    pub fn notice(&mut self, route: Route, shard: u8, added: bool) {
        if added {
            self.others.insert(route, shard);
        } else if self.others.get(&route) == Some(&shard) {
            self.others.remove(&route);
        }
    }

    /// The route is this thread's own now.
    pub fn mine(&mut self, route: &Route) {
        self.others.remove(route);
    }

    /// The other shard that the datagram is for; `None`: this thread's own, or nobody's.
    pub fn owner(&self, route: &Route, datagram: &[u8], shards: u8) -> Option<u8> {
        match datagram.first() {
            Some(0..4) => match named_shard(datagram) {
                Some(shard) if shard < shards => Some(shard),
                Some(_) => None,
                None => {
                    // An answer to a check of ours (RFC 8489 has no USERNAME in it): a shard that dials begins its
                    // transaction ids with its number.
                    let known = self.others.get(route).copied();
                    known.or_else(|| datagram.get(8).copied().filter(|&shard| shard < shards))
                }
            },
            _ => self.others.get(route).copied(),
        }
    }
}

/// The shard that a Binding request names by the first character of our ufrag. Nothing is checked.
pub fn named_shard(datagram: &[u8]) -> Option<u8> {
    shard_of(*peek_ufrag(datagram)?.first()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(port: u16) -> Route {
        Route { socket: 0, remote: ([192, 0, 2, 1], port).into() }
    }

    fn request(ufrag: &str) -> Vec<u8> {
        let name = format!("{ufrag}:far");
        let mut out = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        out.extend([1; 12]);
        out.extend([0x80, 0x22, 0, 3, b'a', b'b', b'c', 0]); // SOFTWARE first: order is free
        out.extend([0, 6, 0, name.len() as u8]);
        out.extend(name.bytes());
        out.resize(out.len().next_multiple_of(4), 0);
        let length = (out.len() - 20) as u16;
        out[2..4].copy_from_slice(&length.to_be_bytes());
        out
    }

    #[test]
    fn a_check_goes_to_the_shard_it_names() {
        let owners = Owners::default();
        assert_eq!(owners.owner(&route(1), &request("1abc"), 4), Some(1));
        assert_eq!(owners.owner(&route(1), &request("zabc"), 4), None, "no such shard");
        assert_eq!(owners.owner(&route(1), &request(""), 4), Some(1), "by transaction");
        for cut in 0..40 {
            owners.owner(&route(1), &request("1abc")[..cut], 4);
        }
    }

    #[test]
    fn media_goes_to_the_owner_of_its_route() {
        let mut owners = Owners::default();
        let media = [0x80; 20];
        assert_eq!(owners.owner(&route(1), &media, 4), None);
        owners.notice(route(1), 2, true);
        assert_eq!(owners.owner(&route(1), &media, 4), Some(2));
        owners.notice(route(1), 3, true);
        owners.notice(route(1), 2, false);
        assert_eq!(owners.owner(&route(1), &media, 4), Some(3), "a late farewell");
        owners.mine(&route(1));
        assert_eq!(owners.owner(&route(1), &media, 4), None);
    }
}
