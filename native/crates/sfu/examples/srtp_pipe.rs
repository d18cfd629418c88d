//! SRTP line by line, for tests against other implementations.
//!
//! `srtp_pipe seal|open|seal_rtcp|open_rtcp gcm|cm KEY SALT`, all in hexadecimal. Takes a packet per line, for `seal`
//! after its decimal index; gives the packet or `! reason`.

use std::io::{BufRead, Write};

use sfu::srtp::{Master, Opener, Profile, Sealer};

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let hex = hex.trim();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

/// Fixed part, CSRCs and extension of a packet that this program's user made.
fn header_len(packet: &[u8]) -> usize {
    let csrcs = 12 + 4 * usize::from(packet[0] & 15);
    if packet[0] & 16 == 0 {
        return csrcs;
    }
    csrcs + 4 + 4 * usize::from(u16::from_be_bytes([packet[csrcs + 2], packet[csrcs + 3]]))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, operation, profile, key, salt] = &args[..] else {
        return Err("srtp_pipe seal|open|seal_rtcp|open_rtcp gcm|cm KEY SALT".into());
    };
    let profile = if profile == "gcm" { Profile::AeadAes128Gcm } else { Profile::Aes128CmSha1_80 };
    let mut master = Master { key: [0; 16], salt: [0; 14] };
    master.key.copy_from_slice(&bytes(key).ok_or("key")?);
    master.salt[..profile.salt_len()].copy_from_slice(&bytes(salt).ok_or("salt")?);
    let mut sealer = Sealer::new(profile, &master);
    let mut opener = Opener::new(profile, &master);
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (index, hex) = line.split_once(' ').unwrap_or(("0", &line));
        let mut packet = bytes(hex).ok_or("packet")?;
        let result = match operation.as_str() {
            "seal" => {
                let header = header_len(&packet);
                packet.resize(packet.len() + sealer.tag_len(), 0);
                sealer.seal_rtp(&mut packet, header, index.parse()?);
                Ok(packet.len())
            }
            "seal_rtcp" => {
                sealer.seal_rtcp(&mut packet);
                Ok(packet.len())
            }
            "open" => opener.open_rtp(&mut packet).map(|opened| opened.len),
            "open_rtcp" => opener.open_rtcp(&mut packet),
            _ => return Err("operation".into()),
        };
        match result {
            Ok(len) => {
                let hex: String = packet[..len].iter().map(|byte| format!("{byte:02x}")).collect();
                writeln!(out, "{hex}")?;
            }
            Err(reject) => writeln!(out, "! {}", reject.as_str())?,
        }
        out.flush()?;
    }
    Ok(())
}
