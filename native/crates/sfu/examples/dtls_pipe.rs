//! The server's end of a DTLS association line by line, for tests against other implementations.
//!
//! `dtls_pipe SHA256`, the client's fingerprint in hexadecimal without colons. First gives our own as it stands in
//! SDP. Takes a datagram per line in hexadecimal (an empty one only lets time pass); gives `> datagram` for each that
//! it sends, then `= status`, with profile, send key, send salt, receive key and receive salt when connected.

use std::io::{BufRead, Write};
use std::time::Instant;

use sfu::api::Digest;
use sfu::dtls::{Dtls, Identity, Status};
use sfu::time::Time;

fn bytes(hex: &str) -> Option<Vec<u8>> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let expected = std::env::args().nth(1).and_then(|hex| bytes(&hex)).ok_or("dtls_pipe SHA256")?;
    let id = Identity::generate()?;
    let epoch = Instant::now();
    let now = || Time(epoch.elapsed().as_micros() as u64);
    let mut dtls = Dtls::new(&id, false, vec![(Digest::Sha256, expected)], epoch, now());
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", id.fingerprint())?;
    out.flush()?;
    for line in std::io::stdin().lock().lines() {
        let datagram = bytes(line?.trim()).ok_or("datagram")?;
        let mut sent = Vec::new();
        let mut send = |datagram: &[u8]| sent.push(hex(datagram));
        let status = if datagram.is_empty() {
            dtls.timeout(now(), &mut send)
        } else {
            dtls.receive(&datagram, now(), &mut send)
        };
        for datagram in sent {
            writeln!(out, "> {datagram}")?;
        }
        match status {
            Status::Handshaking => writeln!(out, "= handshaking")?,
            Status::Connected(keys) => writeln!(
                out,
                "= connected {:?} {} {} {} {}",
                keys.profile,
                hex(&keys.send.key),
                hex(&keys.send.salt[..keys.profile.salt_len()]),
                hex(&keys.receive.key),
                hex(&keys.receive.salt[..keys.profile.salt_len()]),
            )?,
            Status::Open => writeln!(out, "= open")?,
            Status::Closed => writeln!(out, "= closed")?,
            Status::Failed(failure) => writeln!(out, "= failed {}", failure.as_str())?,
        }
        out.flush()?;
    }
    Ok(())
}
