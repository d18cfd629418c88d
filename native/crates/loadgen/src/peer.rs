//! One WebRTC peer, publisher or viewer: ICE checks, DTLS as the client, SRTP keys, then its packets.
//!
//! It owns its socket; when to call it is the load's business.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Instant;

use dimpl::{Config, Dtls, DtlsCertificate, Output};
use ring::hmac;

use crate::certificate;
use crate::feedback::{self, Arrivals, Reception};
use crate::sdp::Answer;
use crate::srtp::{self, Half, Rollover};
use crate::video::Checker;
use crate::{stun, sys};

const SECOND: i64 = 1_000_000_000;
const CHECK_AGAIN: i64 = SECOND / 10;
/// RFC 7675 asks for 5 s less up to a half, by chance.
const CONSENT_MIN: i64 = 5 * SECOND / 2;
const FEEDBACK: i64 = SECOND / 10;
const REPORT: i64 = SECOND;
const REMB_BPS: u64 = 8_000_000;

/// What all peers share.
pub struct Shared {
    pub certificate: DtlsCertificate,
    pub fingerprint: String,
    pub config: Arc<Config>,
    pub dtls12: bool,
    pub remb_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its offer is not answered yet.
    New,
    Checking,
    Handshaking,
    Connected,
    Failed,
}

/// Counted over all peers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    pub packets: u64,
    pub bytes: u64,
    pub trains: u64,
    pub padding: u64,
    pub retransmitted: u64,
    pub strangers: u64,
    pub forged: u64,
    pub reports_in: u64,
    pub reports_bad: u64,
    pub byes: u64,
    pub feedback_out: u64,
    pub checks_out: u64,
    pub checks_answered: u64,
    pub keyframes_asked: u64,
    pub nacked: u64,
    pub unsent: u64,
}

pub struct Peer {
    pub ufrag: String,
    pub password: String,
    pub answer: Answer,
    pub state: State,
    pub failure: String,
    /// When its offer was posted, its handshake done and its first media packet there (CLOCK_MONOTONIC ns; 0: not yet).
    pub asked: i64,
    pub connected: i64,
    pub first_media: i64,
    pub attempts: u32,
    pub checker: Option<Box<Checker>>,
    pub rollovers: [Rollover; 2],
    pub arrivals: Arrivals,
    pub reception: Reception,
    pub first_seq: Option<u32>,
    pub received: u32,
    socket: Option<OwnedFd>,
    stun_key: Option<hmac::Key>,
    username: String,
    transaction: [u8; 12],
    dtls: Option<Box<Dtls>>,
    dtls_due: Option<Instant>,
    send: Option<Box<Half>>,
    pub receive: Option<Box<Half>>,
    rtcp_index: u32,
    next_check: i64,
    next_feedback: i64,
    next_report: i64,
}

impl Peer {
    pub fn new(number: usize, random: &mut impl FnMut() -> u64) -> Self {
        let mut transaction = [0; 12];
        transaction[..4].copy_from_slice(&(number as u32).to_be_bytes());
        Self {
            ufrag: format!("{:08x}", random() as u32),
            password: format!("{:016x}{:016x}", random(), random()),
            answer: Answer::default(),
            state: State::New,
            failure: String::new(),
            asked: 0,
            connected: 0,
            first_media: 0,
            attempts: 0,
            checker: None,
            rollovers: Default::default(),
            arrivals: Arrivals::default(),
            reception: Reception::default(),
            first_seq: None,
            received: 0,
            socket: None,
            stun_key: None,
            username: String::new(),
            transaction,
            dtls: None,
            dtls_due: None,
            send: None,
            receive: None,
            rtcp_index: 0,
            next_check: 0,
            next_feedback: 0,
            next_report: 0,
        }
    }

    pub fn fail(&mut self, why: String) {
        self.state = State::Failed;
        self.failure = why;
    }

    /// Takes the answer, opens the socket and sends the first check. The descriptor is for epoll.
    pub fn start(&mut self, answer: Answer, now: i64, totals: &mut Totals) -> Result<RawFd, String> {
        let address = answer.address.ok_or("no address")?;
        let socket = sys::udp(address).map_err(|error| format!("a socket: {error}"))?;
        let fd = socket.as_raw_fd();
        self.socket = Some(socket);
        self.stun_key = Some(stun::key(&answer.password));
        self.username = format!("{}:{}", answer.ufrag, self.ufrag);
        self.answer = answer;
        self.state = State::Checking;
        self.check(now, CHECK_AGAIN, totals);
        Ok(fd)
    }

    pub fn fd(&self) -> Option<RawFd> {
        self.socket.as_ref().map(AsRawFd::as_raw_fd)
    }

    fn put(&self, datagram: &[u8], totals: &mut Totals) {
        if !self.socket.as_ref().is_some_and(|socket| sys::send(socket, datagram)) {
            totals.unsent += 1;
        }
    }

    fn check(&mut self, now: i64, again: i64, totals: &mut Totals) {
        let Some(key) = &self.stun_key else { return };
        let count = u64::from_be_bytes(self.transaction[4..].try_into().expect("eight bytes"));
        self.transaction[4..].copy_from_slice(&count.wrapping_add(1).to_be_bytes());
        let mut message = Vec::with_capacity(128);
        stun::check(&self.transaction, &self.username, key, &mut message);
        self.put(&message, totals);
        totals.checks_out += 1;
        self.next_check = now + again;
    }

    /// Its turn, about every 100 ms: what is due of checks, handshake, feedback and reports.
    pub fn turn(&mut self, now: i64, chance: u64, shared: &Shared, totals: &mut Totals) {
        match self.state {
            State::New | State::Failed => return,
            State::Checking if now >= self.next_check => self.check(now, CHECK_AGAIN, totals),
            State::Connected if now >= self.next_check => {
                self.check(now, CONSENT_MIN + (chance % CONSENT_MIN as u64) as i64, totals);
            }
            _ => {}
        }
        if self.dtls_due.is_some_and(|due| Instant::now() >= due) {
            let done = self.dtls.as_mut().map(|dtls| dtls.handle_timeout(Instant::now()));
            self.after_dtls(done.and_then(Result::err).map(|error| error.to_string()), now, totals);
        }
        if self.state == State::Connected && self.answer.ssrc != 0 && self.first_media != 0 {
            self.report(now, shared, totals);
        }
    }

    fn report(&mut self, now: i64, shared: &Shared, totals: &mut Totals) {
        let media = self.answer.ssrc;
        let transport = self.answer.transport_cc != 0 && !shared.remb_only;
        let mut out = Vec::with_capacity(256);
        if transport && now >= self.next_feedback && self.arrivals.write(media, &mut out) {
            self.next_feedback = now + FEEDBACK * 9 / 10; // a turn comes each 100 ms and must not be missed by a hair
            self.send_rtcp(&mut out, totals);
        }
        if now >= self.next_report {
            self.next_report = now + REPORT;
            out.clear();
            let expected = self.reception.highest.wrapping_sub(self.first_seq.unwrap_or(0)).wrapping_add(1);
            self.reception.lost = expected.saturating_sub(self.received);
            feedback::write_report(media, &self.reception, now, &mut out);
            if !transport && self.answer.remb {
                feedback::write_remb(media, REMB_BPS, &mut out);
            }
            self.send_rtcp(&mut out, totals);
        }
    }

    pub fn send_rtcp(&mut self, compound: &mut Vec<u8>, totals: &mut Totals) {
        let Some(half) = &self.send else { return };
        half.seal_rtcp(compound, self.rtcp_index);
        self.rtcp_index += 1;
        totals.feedback_out += 1;
        self.put(compound, totals);
    }

    pub fn send_rtp(&self, packet: &mut Vec<u8>, header: usize, index: u64, totals: &mut Totals) {
        let Some(half) = &self.send else { return };
        half.seal_rtp(packet, header, index);
        self.put(packet, totals);
    }

    /// A STUN message.
    pub fn stun(&mut self, message: &[u8], now: i64, shared: &Shared, totals: &mut Totals) {
        let answered = self.stun_key.as_ref().is_some_and(|key| stun::is_answer(message, &self.transaction, key));
        if !answered {
            return;
        }
        totals.checks_answered += 1;
        if self.state == State::Checking {
            self.state = State::Handshaking;
            let config = Arc::clone(&shared.config);
            let certificate = shared.certificate.clone();
            let mut dtls = if shared.dtls12 {
                Dtls::new_12(config, certificate, Instant::now())
            } else {
                Dtls::new_auto(config, certificate, Instant::now())
            };
            dtls.set_active(true);
            let begun = dtls.handle_timeout(Instant::now()); // the first one sends the ClientHello
            self.dtls = Some(Box::new(dtls));
            self.after_dtls(begun.err().map(|error| error.to_string()), now, totals);
        }
    }

    /// A DTLS record.
    pub fn dtls(&mut self, datagram: &[u8], now: i64, totals: &mut Totals) {
        let done = self.dtls.as_mut().map(|dtls| dtls.handle_packet(datagram));
        self.after_dtls(done.and_then(Result::err).map(|error| error.to_string()), now, totals);
    }

    fn after_dtls(&mut self, error: Option<String>, now: i64, totals: &mut Totals) {
        if let Some(error) = error {
            self.fail(format!("DTLS: {error}"));
            return;
        }
        let Some(mut dtls) = self.dtls.take() else {
            return;
        };
        let mut buffer = [0; 4096];
        loop {
            match dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => self.put(packet, totals),
                Output::Timeout(due) => {
                    self.dtls_due = Some(due);
                    break;
                }
                Output::PeerCert(der) if certificate::fingerprint(der) != self.answer.fingerprint => {
                    self.fail("another certificate than the answer's".to_owned());
                    return;
                }
                Output::KeyingMaterial(material, profile) => match srtp::client_keys(&material, profile) {
                    Ok((send, receive)) => {
                        self.send = Some(Box::new(send));
                        self.receive = Some(Box::new(receive));
                    }
                    Err(error) => return self.fail(error),
                },
                Output::Connected => {
                    self.state = State::Connected;
                    self.connected = now;
                    self.next_check = now + CONSENT_MIN;
                }
                Output::BufferTooSmall { .. } => return self.fail("a record too long".to_owned()),
                Output::CloseNotify => {
                    totals.byes += 1;
                    return self.fail("closed by the server".to_owned());
                }
                _ => {}
            }
        }
        if self.state == State::Connected && self.send.is_none() {
            return self.fail("no SRTP keys".to_owned());
        }
        self.dtls = Some(dtls);
    }

    /// An SRTCP packet, opened in place; `seen` gets each packet of the compound.
    pub fn rtcp(&mut self, datagram: &mut [u8], now: i64, totals: &mut Totals, mut seen: impl FnMut(u8, u8, &[u8])) {
        let Some(half) = &self.receive else { return };
        let Some(length) = half.open_rtcp(datagram) else {
            totals.reports_bad += 1;
            return;
        };
        totals.reports_in += 1;
        let reception = &mut self.reception;
        feedback::each(&datagram[..length], |format, kind, packet| {
            if kind == 200
                && let Some(middle) = crate::rtp::u32_at(packet, 10)
            {
                reception.last_report = middle;
                reception.last_report_at = now;
            }
            totals.byes += u64::from(kind == 203);
            seen(format, kind, packet);
        });
    }
}
