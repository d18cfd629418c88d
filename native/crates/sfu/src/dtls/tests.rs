use super::*;
use crate::srtp::{Opener, Sealer};
use crate::time::Span;

fn fingerprint(id: &Identity) -> (Digest, Vec<u8>) {
    let (_, hex) = id.fingerprint().split_once(' ').unwrap();
    (Digest::Sha256, hex.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect())
}

/// DTLS 1.2 only; both ends offer 1.3 otherwise.
fn old() -> Identity {
    Identity::generate_dtls_1_2().unwrap()
}

fn new() -> Identity {
    Identity::generate().unwrap()
}

/// Two ends and the datagrams between them, in virtual time.
struct Pair {
    now: Time,
    ends: [Dtls; 2],
    /// To the server, to the client.
    wires: [Vec<Vec<u8>>; 2],
    keys: [Option<Box<Keys>>; 2],
    status: [Status; 2],
}

impl Pair {
    fn new(server: &Identity, client: &Identity) -> Self {
        Self::with(server, vec![fingerprint(client)], client, vec![fingerprint(server)])
    }

    fn with(
        server: &Identity,
        of_client: Vec<(Digest, Vec<u8>)>,
        client: &Identity,
        of_server: Vec<(Digest, Vec<u8>)>,
    ) -> Self {
        let (epoch, now) = (Instant::now(), Time(5));
        let ends = [Dtls::new(server, false, of_client, epoch, now), Dtls::new(client, true, of_server, epoch, now)];
        let mut pair = Self {
            now,
            ends,
            wires: [vec![], vec![]],
            keys: [None, None],
            status: [Status::Handshaking, Status::Handshaking],
        };
        for end in [0, 1] {
            pair.call(end, |dtls, now, send| dtls.start(now, send));
        }
        pair
    }

    fn call(&mut self, end: usize, call: impl FnOnce(&mut Dtls, Time, &mut dyn FnMut(&[u8])) -> Status) {
        let wire = &mut self.wires[1 - end];
        let mut send = |datagram: &[u8]| {
            assert!(datagram.len() <= MTU);
            wire.push(datagram.to_vec());
        };
        self.status[end] = match call(&mut self.ends[end], self.now, &mut send) {
            Status::Connected(keys) => {
                assert!(self.keys[end].replace(keys).is_none(), "keys are given once");
                Status::Open
            }
            status => status,
        };
    }

    /// Carries datagrams until `until` holds or nothing moves; `lose` sees each.
    fn run(&mut self, mut lose: impl FnMut(&[u8]) -> bool) {
        for _ in 0..200 {
            for end in [0, 1] {
                for datagram in std::mem::take(&mut self.wires[end]) {
                    if !lose(&datagram) {
                        self.call(end, |dtls, now, send| dtls.receive(&datagram, now, send));
                    }
                }
            }
            if self.wires.iter().any(|wire| !wire.is_empty()) {
                continue;
            }
            if self.keys.iter().all(Option::is_some) {
                return;
            }
            let Some(next) = self.ends.iter().filter_map(Dtls::next_timeout).min() else {
                return;
            };
            self.now = self.now.max(next);
            for end in [0, 1] {
                if self.ends[end].next_timeout().is_some_and(|at| at <= self.now) {
                    self.call(end, |dtls, now, send| dtls.timeout(now, send));
                }
            }
        }
    }

    fn assert_keys_meet(&self) {
        let [Some(server), Some(client)] = &self.keys else { panic!("no keys: {:?}", self.status) };
        assert_eq!(server.profile, Profile::AeadAes128Gcm);
        assert_eq!((&server.send, &server.receive), (&client.receive, &client.send));
        assert_ne!(server.send, server.receive);
        let mut packet = vec![0x80, 0xc9, 0, 1, 1, 2, 3, 4];
        Sealer::new(server.profile, &server.send).seal_rtcp(&mut packet);
        assert_eq!(Opener::new(client.profile, &client.receive).open_rtcp(&mut packet), Ok(8));
    }
}

#[test]
fn both_versions_agree_on_keys() {
    for (server, client) in [(new(), new()), (new(), old()), (old(), new()), (old(), old())] {
        let mut pair = Pair::new(&server, &client);
        pair.run(|_| false);
        pair.assert_keys_meet();
        assert_eq!(pair.now, Time(5), "no timer was needed");
    }
}

#[test]
fn lost_datagrams_are_sent_again() {
    for make in [old, new] {
        let (server, client) = (make(), make());
        for seed in 1..60u64 {
            let mut pair = Pair::new(&server, &client);
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            pair.run(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state % 10 == 0
            });
            pair.assert_keys_meet();
            assert!(pair.now.since(Time(5)) < Span::secs(30), "{:?}", pair.now);
        }
    }
}

#[test]
fn nobody_there_is_a_failure_in_time() {
    let (server, client) = (new(), new());
    let mut pair = Pair::new(&server, &client);
    pair.run(|_| true);
    assert_eq!(pair.status[1], Status::Failed(Failure::Handshake));
    assert_eq!(pair.ends[1].next_timeout(), None);
    assert!(pair.now < Time(0) + Span::secs(31));
}

#[test]
fn every_fingerprint_must_match() {
    for make in [old, new] {
        let (server, client) = (make(), make());
        let right = fingerprint(&client);
        let wrong = fingerprint(&server);
        let with = |of_client| {
            let mut pair = Pair::with(&server, of_client, &client, vec![fingerprint(&server)]);
            pair.run(|_| false);
            pair
        };
        with(vec![right.clone()]).assert_keys_meet();
        with(vec![right.clone(), right.clone()]).assert_keys_meet();
        let short = (Digest::Sha256, right.1[..31].to_vec());
        let other_hash = (Digest::Sha512, right.1.clone());
        for bad in [vec![], vec![wrong.clone()], vec![right.clone(), wrong], vec![short], vec![right, other_hash]] {
            let pair = with(bad);
            assert_eq!(pair.status[0], Status::Failed(Failure::Fingerprint));
            assert!(pair.keys[0].is_none());
        }
    }
}

#[test]
fn a_client_checks_the_server_too() {
    for make in [old, new] {
        let (server, client) = (make(), make());
        let of_server = vec![fingerprint(&client)];
        let mut pair = Pair::with(&server, vec![fingerprint(&client)], &client, of_server);
        pair.run(|_| false);
        assert_eq!(pair.status[1], Status::Failed(Failure::Fingerprint));
        assert!(pair.keys[0].is_none() || pair.keys[1].is_none());
    }
}

#[test]
fn goodbye_is_heard() {
    let versions: [fn() -> Identity; 2] = [old, new];
    for (make, settled) in versions.into_iter().flat_map(|make| [(make, false), (make, true)]) {
        let (server, client) = (make(), make());
        for from in [0, 1] {
            let mut pair = Pair::new(&server, &client);
            pair.run(|_| false);
            if settled {
                pair.now = pair.now + SETTLE;
                for end in [0, 1] {
                    assert!(pair.ends[end].next_timeout().is_some_and(|at| at <= pair.now));
                    pair.call(end, |dtls, now, send| dtls.timeout(now, send));
                    assert_eq!(pair.ends[end].next_timeout(), None);
                }
            }
            let mut sent = vec![];
            pair.ends[from].close(&mut |datagram| sent.push(datagram.to_vec()));
            assert_eq!(sent.len(), 1);
            let forged = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0];
            pair.call(1 - from, |dtls, now, send| dtls.receive(&forged, now, send));
            assert_eq!(pair.status[1 - from], Status::Open);
            pair.call(1 - from, |dtls, now, send| dtls.receive(&sent[0], now, send));
            assert_eq!(pair.status[1 - from], Status::Closed);
            pair.call(from, |dtls, now, send| dtls.receive(&sent[0], now, send));
            assert_eq!(pair.status[from], Status::Closed);
        }
    }
}

/// Damaged copies of real datagrams and plain noise, at every stage: no panic, and no keys for nobody.
#[test]
fn noise_is_survived() {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for make in [old, new] {
        let (server, client) = (make(), make());
        for _ in 0..150 {
            let mut pair = Pair::new(&server, &client);
            for _ in 0..8 {
                for end in [0, 1] {
                    for mut datagram in std::mem::take(&mut pair.wires[end]) {
                        for _ in 0..3 {
                            let mut damaged = datagram.clone();
                            for _ in 0..=random(3) {
                                let at = random(damaged.len());
                                damaged[at] = random(256) as u8;
                            }
                            damaged.truncate(1 + random(2 * damaged.len()));
                            pair.call(end, |dtls, now, send| dtls.receive(&damaged, now, send));
                        }
                        if random(10) == 0 {
                            datagram = (0..random(200)).map(|_| random(256) as u8).collect();
                        }
                        pair.call(end, |dtls, now, send| dtls.receive(&datagram, now, send));
                    }
                }
            }
            if pair.keys.iter().all(Option::is_some) {
                pair.assert_keys_meet();
            }
        }
    }
}
