//! The STUN that an ICE-lite agent needs, and the little that a controlling one needs to dial (RFC 8489, RFC 8445).
//!
//! Reads and writes single datagrams. Knows no sockets, no sessions and no retransmission. What is not signed reads
//! as nothing, so that nobody is ever answered who does not hold a password: there is nothing to amplify.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::hmac;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const HEADER: usize = 20;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;
/// A check of a browser has seven; more than this is somebody's fuzzer.
const MAX_ATTRIBUTES: usize = 32;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
const ICE_CONTROLLING: u16 = 0x802A;

const SIGNATURE: usize = 20;
/// MESSAGE-INTEGRITY with its head, and FINGERPRINT with its head.
const SIGNATURE_ATTRIBUTE: usize = 4 + SIGNATURE;
const FINGERPRINT_ATTRIBUTE: usize = 8;
const FINGERPRINT_XOR: u32 = 0x5354_554E;
/// Priority of a peer-reflexive candidate as RFC 8445 section 5.1.2 computes it, with the highest local preference
/// that leaves room below host candidates.
const CHECK_PRIORITY: u32 = 0x7E00_00FF;

/// Whether a datagram of a multiplexed port is STUN (RFC 7983 section 7: first byte 0..=3, and the magic cookie).
pub fn is_stun(d: &[u8]) -> bool {
    d.len() >= HEADER && d[0] < 4 && d[4..8] == COOKIE
}

/// The local ufrag that a Binding request names, with nothing checked: to find who must check it, for nothing else.
pub fn peek_ufrag(d: &[u8]) -> Option<&[u8]> {
    let mut attributes = Attributes::of(d, BINDING_REQUEST)?;
    while let Some(attribute) = attributes.next()? {
        match attribute.name {
            USERNAME => return split_username(attribute.value).map(|(local, _)| local),
            MESSAGE_INTEGRITY => return None,
            _ => {}
        }
    }
    None
}

/// A connectivity check as it came in. Nothing in it is to be believed before [`Request::verify`] said yes.
#[derive(Debug)]
pub struct Request<'a> {
    pub transaction: [u8; 12],
    pub local_ufrag: &'a str,
    pub remote_ufrag: &'a str,
    /// USE-CANDIDATE: the controlling side nominates this pair.
    pub use_candidate: bool,
    /// ICE-CONTROLLED: wrong against a lite agent, which is always the controlled one. Answer 487.
    pub claims_controlled: bool,
    /// Comprehension-required attributes that are not known here, usually none. Answer 420 when there are any.
    pub unknown: Vec<u16>,
    signed: Signed<'a>,
}

impl Request<'_> {
    /// Whether it was signed with this password (RFC 8489 section 14.5); compared in constant time.
    pub fn verify(&self, password: &[u8]) -> bool {
        self.signed.verify(password)
    }
}

/// Read a Binding request; `None` for anything else: malformed, unsigned, without or with a wrong FINGERPRINT (ICE
/// checks carry one, RFC 8445 section 7.1, and nothing else vouches for the bytes behind the signature).
///
/// Of an attribute that occurs twice the first counts (RFC 8489 section 14), the one that [`peek_ufrag`] saw.
pub fn read_request(d: &[u8]) -> Option<Request<'_>> {
    let mut attributes = Attributes::of(d, BINDING_REQUEST)?;
    let mut username = None;
    let mut signed = None;
    let (mut use_candidate, mut claims_controlled, mut printed) = (false, false, false);
    let mut unknown = Vec::new();
    while let Some(Attribute { name, value, at }) = attributes.next()? {
        match name {
            FINGERPRINT => {
                check_fingerprint(d, value, at)?;
                printed = true;
            }
            // RFC 8489 section 14.5: what follows the signature, the fingerprint excepted, is ignored
            _ if signed.is_some() => {}
            MESSAGE_INTEGRITY => signed = Some(Signed::new(d, value, at)?),
            USERNAME => username = username.or(Some(value)),
            USE_CANDIDATE => use_candidate = true,
            ICE_CONTROLLED => claims_controlled = true,
            PRIORITY | 0x8000.. => {}
            _ => unknown.push(name),
        }
    }
    let signed = signed.filter(|_| printed)?;
    let (local, remote) = split_username(username?)?;
    if !local.is_ascii() || !remote.is_ascii() {
        return None;
    }
    Some(Request {
        transaction: transaction(d)?,
        local_ufrag: std::str::from_utf8(local).ok()?,
        remote_ufrag: std::str::from_utf8(remote).ok()?,
        use_candidate,
        claims_controlled,
        unknown,
        signed,
    })
}

/// What came back on a check of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    pub transaction: [u8; 12],
    pub success: bool,
    /// The code of ERROR-CODE, 300..=699; 0 on success or when the refusal gives none.
    pub error: u16,
}

/// Read the answer to a check of ours; `None` when it is anything else, unsigned or signed with another password.
/// The caller matches `transaction` with what it sent.
pub fn read_response(d: &[u8], password: &[u8]) -> Option<Response> {
    let kind = u16::from_be_bytes([*d.first()?, *d.get(1)?]);
    if kind != BINDING_SUCCESS && kind != BINDING_ERROR {
        return None;
    }
    let mut attributes = Attributes::of(d, kind)?;
    let mut signed = None;
    let mut error = 0;
    while let Some(Attribute { name, value, at }) = attributes.next()? {
        match name {
            FINGERPRINT => check_fingerprint(d, value, at)?,
            _ if signed.is_some() => {}
            MESSAGE_INTEGRITY => signed = Some(Signed::new(d, value, at)?),
            ERROR_CODE => {
                let (class, number) = (*value.get(2)? & 7, *value.get(3)?);
                error = u16::from(class) * 100 + u16::from(number);
            }
            _ => {}
        }
    }
    if !signed?.verify(password) {
        return None;
    }
    let success = kind == BINDING_SUCCESS;
    Some(Response { transaction: transaction(d)?, success, error: if success { 0 } else { error } })
}

/// Append the answer that validates a path: it tells the peer the address we saw.
///
/// A v4-mapped address is told as IPv4, which is what the peer used, whatever kind our socket is.
pub fn write_success(transaction: &[u8; 12], mapped: SocketAddr, password: &[u8], out: &mut Vec<u8>) {
    let message = Writer::begin(BINDING_SUCCESS, transaction, out);
    let mut value = [0u8; 20];
    let port = mapped.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
    value[2..4].copy_from_slice(&port.to_be_bytes());
    let mask = COOKIE.iter().chain(transaction);
    let length = match mapped.ip().to_canonical() {
        IpAddr::V4(ip) => {
            value[1] = 1;
            for ((to, byte), mask) in value[4..].iter_mut().zip(ip.octets()).zip(mask) {
                *to = byte ^ mask;
            }
            8
        }
        IpAddr::V6(ip) => {
            value[1] = 2;
            for ((to, byte), mask) in value[4..].iter_mut().zip(ip.octets()).zip(mask) {
                *to = byte ^ mask;
            }
            20
        }
    };
    message.attribute(XOR_MAPPED_ADDRESS, &value[..length]).sign(password);
}

/// Append a signed refusal: 487 for a role conflict, 420 for attributes not understood (`unknown` goes with it).
/// At most 255 bytes of `reason` and 64 of `unknown` are sent.
pub fn write_error(
    transaction: &[u8; 12],
    code: u16,
    reason: &str,
    unknown: &[u16],
    password: &[u8],
    out: &mut Vec<u8>,
) {
    let mut value = [0u8; 4 + 255];
    value[2] = (code / 100) as u8 & 7;
    value[3] = (code % 100) as u8;
    let reason = &reason.as_bytes()[..reason.len().min(255)];
    value[4..4 + reason.len()].copy_from_slice(reason);
    let message = Writer::begin(BINDING_ERROR, transaction, out).attribute(ERROR_CODE, &value[..4 + reason.len()]);
    if code != 420 {
        return message.sign(password);
    }
    let mut names = [0u8; 2 * 64];
    for (to, name) in names.chunks_exact_mut(2).zip(unknown) {
        to.copy_from_slice(&name.to_be_bytes());
    }
    message.attribute(UNKNOWN_ATTRIBUTES, &names[..2 * unknown.len().min(64)]).sign(password);
}

/// Append a check of a controlling agent. `username` is `remote:local`, `password` the remote's.
pub fn write_request(
    transaction: &[u8; 12],
    username: &str,
    password: &[u8],
    tie_breaker: u64,
    use_candidate: bool,
    out: &mut Vec<u8>,
) {
    let username = &username.as_bytes()[..username.len().min(513)];
    let mut message = Writer::begin(BINDING_REQUEST, transaction, out)
        .attribute(USERNAME, username)
        .attribute(PRIORITY, &CHECK_PRIORITY.to_be_bytes())
        .attribute(ICE_CONTROLLING, &tie_breaker.to_be_bytes());
    if use_candidate {
        message = message.attribute(USE_CANDIDATE, &[]);
    }
    message.sign(password);
}

fn transaction(d: &[u8]) -> Option<[u8; 12]> {
    d.get(8..HEADER)?.try_into().ok()
}

fn split_username(username: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = username.iter().position(|&byte| byte == b':')?;
    Some((&username[..colon], &username[colon + 1..]))
}

struct Attribute<'a> {
    name: u16,
    value: &'a [u8],
    /// Where its head begins in the datagram.
    at: usize,
}

struct Attributes<'a> {
    datagram: &'a [u8],
    position: usize,
    left: usize,
}

impl<'a> Attributes<'a> {
    /// The attributes of a whole message of this kind, `None` when the datagram is not exactly one.
    fn of(d: &'a [u8], kind: u16) -> Option<Self> {
        if !is_stun(d) || d[..2] != kind.to_be_bytes() {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([d[2], d[3]]));
        (length == d.len() - HEADER && length % 4 == 0).then_some(Self {
            datagram: d,
            position: HEADER,
            left: MAX_ATTRIBUTES,
        })
    }

    /// `Some(None)` at the end, `None` when the datagram is malformed there.
    #[allow(clippy::should_implement_trait)] // an iterator could not tell the two ends apart
    fn next(&mut self) -> Option<Option<Attribute<'a>>> {
        let at = self.position;
        let rest = self.datagram.get(at..)?;
        if rest.is_empty() {
            return Some(None);
        }
        self.left = self.left.checked_sub(1)?;
        let (head, rest) = rest.split_first_chunk::<4>()?;
        let name = u16::from_be_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = rest.get(..length)?;
        self.position = at + 4 + length.next_multiple_of(4);
        Some(Some(Attribute { name, value, at }))
    }
}

#[derive(Debug)]
struct Signed<'a> {
    /// The message up to its MESSAGE-INTEGRITY. The length in it is covered as if the signature ended the message.
    covered: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    fn new(d: &'a [u8], value: &'a [u8], at: usize) -> Option<Self> {
        (value.len() == SIGNATURE).then_some(Self { covered: d.get(..at)?, signature: value })
    }

    fn verify(&self, password: &[u8]) -> bool {
        let tag = digest(self.covered, SIGNATURE_ATTRIBUTE, password);
        aws_lc_rs::constant_time::verify_slices_are_equal(tag.as_ref(), self.signature).is_ok()
    }
}

/// HMAC-SHA1 of the message, the length in its head being what it would be with `extra` bytes behind it.
fn digest(message: &[u8], extra: usize, password: &[u8]) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password);
    let mut context = hmac::Context::with_key(&key);
    let (kind, length, rest) = resized(message, extra);
    context.update(kind);
    context.update(&length);
    context.update(rest);
    context.sign()
}

/// The message in three parts: its type, the length it would have with `extra` bytes behind it, the rest.
fn resized(message: &[u8], extra: usize) -> (&[u8], [u8; 2], &[u8]) {
    let length = (message.len() + extra).saturating_sub(HEADER) as u16;
    (message.get(..2).unwrap_or_default(), length.to_be_bytes(), message.get(4..).unwrap_or_default())
}

fn fingerprint(message: &[u8]) -> u32 {
    let (kind, length, rest) = resized(message, FINGERPRINT_ATTRIBUTE);
    !crc32(crc32(crc32(!0, kind), &length), rest) ^ FINGERPRINT_XOR
}

/// `None` unless `value` is the fingerprint of what is before it at `at` (RFC 8489 section 14.7).
fn check_fingerprint(d: &[u8], value: &[u8], at: usize) -> Option<()> {
    (*value == fingerprint(d.get(..at)?).to_be_bytes()).then_some(())
}

/// CRC-32 of ISO 3309, reflected, by the byte; `crc` is the running register.
fn crc32(crc: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0u32; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = index as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { value >> 1 ^ 0xEDB8_8320 } else { value >> 1 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    bytes.iter().fold(crc, |crc, &byte| TABLE[usize::from(crc as u8 ^ byte)] ^ crc >> 8)
}

/// One message at the end of a buffer that may hold others.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Writer<'a> {
    fn begin(kind: u16, transaction: &[u8; 12], out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&[0, 0]); // the length, once it is known
        out.extend_from_slice(&COOKIE);
        out.extend_from_slice(transaction);
        Self { out, start }
    }

    /// `value` is at most 513 bytes long (the callers see to it), so that no length here can overflow.
    fn attribute(self, name: u16, value: &[u8]) -> Self {
        self.out.extend_from_slice(&name.to_be_bytes());
        self.out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.out.extend_from_slice(value);
        self.out.resize(self.out.len() + (value.len().next_multiple_of(4) - value.len()), 0);
        self
    }

    /// Add MESSAGE-INTEGRITY and FINGERPRINT, which ends the message.
    fn sign(self, password: &[u8]) {
        let tag = digest(&self.out[self.start..], SIGNATURE_ATTRIBUTE, password);
        let message = self.attribute(MESSAGE_INTEGRITY, tag.as_ref());
        let print = fingerprint(&message.out[message.start..]);
        let Self { out, start } = message.attribute(FINGERPRINT, &print.to_be_bytes());
        let length = (out.len() - start - HEADER) as u16;
        out[start + 2..start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests;
