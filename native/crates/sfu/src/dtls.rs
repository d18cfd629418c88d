//! One DTLS association as a machine: datagrams and time in, datagrams out, SRTP keys at the end (RFC 5764, RFC 8842).
//!
//! Knows dimpl and fingerprints. Which peer this is, and that its address passed an ICE check before its first
//! datagram was given here, is the caller's.

mod der;
mod identity;
mod keys;
mod verify;

use std::time::{Duration, Instant};

use dimpl::{CertificateError, Error, Output, SrtpProfile, UnexpectedMessageError};

use crate::api::Digest;
use crate::srtp::{Keys, Master, Profile};
use crate::time::{Span, Time};

pub use identity::Identity;

/// Longest datagram of a handshake.
const MTU: usize = 1200;
/// Room for what dimpl gives out in one piece; longer certificates take a detour through the heap.
const OUTPUT: usize = 2048;
/// A deadline this far ahead is dimpl's way of saying that it waits for nothing.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// How long after the handshake our last flight can be sent again. A peer that did not get it by then is gone; what the
/// handshake needed is freed, some five kilobytes.
const SETTLE: Span = Span::secs(10);

/// Why there is no association. `as_str` is the word of logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The certificate is not the one that the peer's description named.
    Fingerprint,
    /// The peer showed no certificate.
    NoCertificate,
    /// No SRTP profile of ours was offered, or none at all.
    NoSrtpProfile,
    /// Everything else: an alert, a broken message, a wrong signature, no answer in time.
    Handshake,
}

impl Failure {
    pub const fn as_str(self) -> &'static str {
        match self {
            Failure::Fingerprint => "fingerprint",
            Failure::NoCertificate => "no_certificate",
            Failure::NoSrtpProfile => "no_srtp_profile",
            Failure::Handshake => "handshake",
        }
    }
}

/// Where the association stands after a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Status {
    Handshaking,
    /// The handshake is done and the peer is who its fingerprint says. Given once.
    Connected(Box<Keys>),
    /// Connected before.
    Open,
    /// The peer said goodbye (close_notify), or we did.
    Closed,
    Failed(Failure),
}

#[derive(Clone, Copy)]
enum State {
    Handshaking,
    Open,
    Closed,
    Failed(Failure),
}

/// Our end of one association.
pub struct Dtls {
    /// Gone once the association is: it holds buffers and keys.
    engine: Option<Box<dimpl::Dtls>>,
    state: State,
    /// What the peer's description promised; empty once it is checked.
    fingerprints: Vec<(Digest, Vec<u8>)>,
    /// Whether the peer showed the certificate that they name.
    verified: bool,
    epoch: Instant,
    deadline: Option<Time>,
    /// When the handshake's memory is freed; `None` before it is done and after.
    settles: Option<Time>,
}

/// What one run through the engine's output brought.
#[derive(Default)]
struct Progress {
    connected: bool,
    keys: Option<Box<Keys>>,
    closed: bool,
}

impl Dtls {
    /// `client` is whether we open the handshake. `epoch` is the instant that `Time(0)` means.
    ///
    /// Every fingerprint must match the peer's certificate: a WebRTC endpoint has one, with at most a line per hash
    /// function (RFC 8122 5). Without any the handshake fails.
    pub fn new(id: &Identity, client: bool, fingerprints: Vec<(Digest, Vec<u8>)>, epoch: Instant, now: Time) -> Self {
        let mut engine = Box::new(id.engine(instant(epoch, now)));
        engine.set_active(client);
        Self {
            engine: Some(engine),
            state: State::Handshaking,
            fingerprints,
            verified: false,
            epoch,
            deadline: None,
            settles: None,
        }
    }

    /// Sends the first flight of a client; a server waits for the peer's.
    pub fn start(&mut self, now: Time, send: &mut dyn FnMut(&[u8])) -> Status {
        self.step(now, send, |_| Ok(()))
    }

    /// Takes one datagram that looks like DTLS (RFC 7983: first byte 20 to 63).
    pub fn receive(&mut self, datagram: &[u8], now: Time, send: &mut dyn FnMut(&[u8])) -> Status {
        self.step(now, send, |engine| engine.handle_packet(datagram))
    }

    /// To be called at `next_timeout` or later: sends a flight again, or gives up.
    pub fn timeout(&mut self, now: Time, send: &mut dyn FnMut(&[u8])) -> Status {
        self.step(now, send, |_| Ok(()))
    }

    pub fn next_timeout(&self) -> Option<Time> {
        [self.deadline, self.settles].into_iter().flatten().min()
    }

    /// Says goodbye where there is somebody to say it to. Nothing is sent or taken afterwards.
    pub fn close(&mut self, send: &mut dyn FnMut(&[u8])) {
        if let Some(engine) = &mut self.engine
            && engine.close().is_ok()
        {
            // A failure changes nothing any more.
            let _ = self.drain(self.epoch, send);
            self.end(State::Closed);
        }
    }

    fn step(
        &mut self,
        time: Time,
        send: &mut dyn FnMut(&[u8]),
        input: impl FnOnce(&mut dimpl::Dtls) -> Result<(), Error>,
    ) -> Status {
        let now = instant(self.epoch, time);
        let Some(engine) = &mut self.engine else {
            return self.status();
        };
        if self.settles.is_some_and(|at| at <= time) {
            self.settles = None;
            engine.shrink(); // of our dimpl: see third_party/README.md
        }
        let result = engine.handle_timeout(now).and_then(|()| match input(engine) {
            // Before it knows the version, a client takes all but a ServerHello for an error: what overtook it, or was
            // written by somebody else. It is passed over, as RFC 6347 4.1.2.7 wants it.
            Err(Error::UnexpectedMessage(UnexpectedMessageError::UnrecognizedAutoServerResponse)) => Ok(()),
            result => result,
        });
        // Drained even after an error: dimpl may have an alert for the peer.
        let drained = self.drain(now, send);
        let progress = match drained.and_then(|progress| match result {
            Ok(()) => Ok(progress),
            Err(error) => Err(failure_of(&error)),
        }) {
            Ok(progress) => progress,
            Err(failure) => {
                // Whatever goes wrong after the handshake is the end of an association that was there.
                let open = matches!(self.state, State::Open);
                self.end(if open { State::Closed } else { State::Failed(failure) });
                return self.status();
            }
        };
        if progress.closed {
            self.end(State::Closed);
        } else if progress.connected {
            match progress.keys {
                Some(keys) if self.verified => {
                    self.state = State::Open;
                    self.fingerprints = Vec::new();
                    self.settles = Some(time + SETTLE);
                    return Status::Connected(keys);
                }
                Some(_) => self.end(State::Failed(Failure::NoCertificate)),
                None => self.end(State::Failed(Failure::NoSrtpProfile)),
            }
        }
        self.status()
    }

    /// Takes all that the engine has to say. The peer's certificate comes before what we send in answer to it.
    fn drain(&mut self, now: Instant, send: &mut dyn FnMut(&[u8])) -> Result<Progress, Failure> {
        let mut progress = Progress::default();
        let Some(engine) = &mut self.engine else {
            return Ok(progress);
        };
        let client = engine.is_active();
        let mut scratch = [0; OUTPUT];
        let mut large = Vec::new();
        loop {
            let buffer = if large.is_empty() { &mut scratch[..] } else { &mut large[..] };
            match engine.poll_output(buffer) {
                Output::Packet(datagram) => send(datagram),
                Output::BufferTooSmall { needed } => large = vec![0; needed],
                Output::Connected => progress.connected = true,
                Output::PeerCert(certificate) => {
                    check(&self.fingerprints, certificate)?;
                    self.verified = true;
                }
                Output::KeyingMaterial(material, profile) => {
                    progress.keys = Some(Box::new(split(&material, profile, client).ok_or(Failure::NoSrtpProfile)?));
                }
                Output::CloseNotify => progress.closed = true,
                Output::Timeout(at) => {
                    let waits = at.saturating_duration_since(now) < NEVER;
                    self.deadline = waits.then(|| to_time(self.epoch, at));
                    return Ok(progress);
                }
                // Data channels are not negotiated; what else may come is not for us.
                _ => {}
            }
        }
    }

    fn end(&mut self, state: State) {
        self.state = state;
        self.engine = None;
        self.deadline = None;
        self.settles = None;
        self.fingerprints = Vec::new();
    }

    fn status(&self) -> Status {
        match self.state {
            State::Handshaking => Status::Handshaking,
            State::Open => Status::Open,
            State::Closed => Status::Closed,
            State::Failed(failure) => Status::Failed(failure),
        }
    }
}

fn instant(epoch: Instant, now: Time) -> Instant {
    // Only a clock that ran for half a million years would not fit.
    epoch.checked_add(Duration::from_micros(now.0)).unwrap_or(epoch)
}

/// Rounded up: at that time the deadline must have passed.
fn to_time(epoch: Instant, at: Instant) -> Time {
    let nanos = at.saturating_duration_since(epoch).as_nanos();
    Time(u64::try_from(nanos.div_ceil(1000)).unwrap_or(u64::MAX))
}

fn failure_of(error: &Error) -> Failure {
    match error {
        Error::CertificateError(
            CertificateError::NoClientCertificateReceived
            | CertificateError::NoServerCertificateReceived
            | CertificateError::NoClientCertificateForVerification
            | CertificateError::NoServerCertificateForVerification,
        ) => Failure::NoCertificate,
        _ => Failure::Handshake,
    }
}

fn check(fingerprints: &[(Digest, Vec<u8>)], certificate: &[u8]) -> Result<(), Failure> {
    let all_match = fingerprints.iter().all(|(function, expected)| {
        let algorithm = match function {
            Digest::Sha256 => &ring::digest::SHA256,
            Digest::Sha384 => &ring::digest::SHA384,
            Digest::Sha512 => &ring::digest::SHA512,
        };
        ring::digest::digest(algorithm, certificate).as_ref() == expected.as_slice()
    });
    if all_match && !fingerprints.is_empty() { Ok(()) } else { Err(Failure::Fingerprint) }
}

/// RFC 5764 4.2: client key, server key, client salt, server salt.
fn split(material: &[u8], profile: SrtpProfile, client: bool) -> Option<Keys> {
    let profile = match profile {
        SrtpProfile::AEAD_AES_128_GCM => Profile::AeadAes128Gcm,
        SrtpProfile::AES128_CM_SHA1_80 => Profile::Aes128CmSha1_80,
        _ => return None,
    };
    let (keys, salts) = material.split_at_checked(2 * profile.key_len())?;
    let master = |of_client: bool| {
        let at = usize::from(!of_client);
        let mut salt = [0; 14];
        let given = salts.chunks_exact(profile.salt_len()).nth(at)?;
        salt.get_mut(..given.len())?.copy_from_slice(given);
        Some(Master { key: *keys.as_chunks().0.get(at)?, salt })
    };
    Some(Keys { profile, send: master(client)?, receive: master(!client)? })
}

#[cfg(test)]
mod tests;
