//! A browser's recorded offer with our own credentials in it, and what is needed of the answer.
//!
//! Text only. The whole offer of a real browser is posted because the server's time to read it is part of a join.

use std::net::SocketAddr;

/// What stands in an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    pub ufrag: String,
    pub password: String,
    pub fingerprint: String,
    pub address: Option<SocketAddr>,
    /// `a=ssrc` of the video section: media, retransmission (0: none).
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    /// First payload type of the video section that is H.264, and its retransmissions'.
    pub payload_type: u8,
    pub rtx_payload_type: u8,
    /// Id of the transport-wide sequence number in the video section; 0: none.
    pub transport_cc: u8,
    pub remb: bool,
}

const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// `template` with ICE credentials, fingerprint and, for a publisher, the video SSRC replaced. Candidates are left
/// out: an ICE-lite server has no use for them and learns us from our checks.
pub fn offer(template: &str, ufrag: &str, password: &str, fingerprint: &str, session: u64, ssrc: u32) -> String {
    let mut out = String::with_capacity(template.len());
    let mut video = false;
    for line in template.lines() {
        let line = line.trim_end();
        video = video && !line.starts_with("m=") || line.starts_with("m=video");
        if line.starts_with("a=candidate:") || line.is_empty() {
            continue;
        } else if line.starts_with("a=ice-ufrag:") {
            out.extend(["a=ice-ufrag:", ufrag]);
        } else if line.starts_with("a=ice-pwd:") {
            out.extend(["a=ice-pwd:", password]);
        } else if line.starts_with("a=fingerprint:") {
            out.extend(["a=fingerprint:", fingerprint]);
        } else if line.starts_with("o=") {
            out.push_str(&format!("o=- {session} 2 IN IP4 127.0.0.1"));
        } else if video && line.starts_with("a=ssrc-group:FID") {
            out.push_str(&format!("a=ssrc-group:FID {ssrc} {}", ssrc ^ 1));
        } else if video && line.starts_with("a=ssrc:") {
            continue;
        } else {
            out.push_str(line);
        }
        out.push_str("\r\n");
        if video && line.starts_with("a=ssrc-group:FID") {
            out.push_str(&format!("a=ssrc:{ssrc} cname:load\r\na=ssrc:{} cname:load\r\n", ssrc ^ 1));
        }
    }
    out
}

/// Raises the name of what is missing.
pub fn read_answer(text: &str) -> Result<Answer, String> {
    let mut answer = Answer::default();
    let mut video = false;
    let mut best: Option<(u32, SocketAddr)> = None;
    for line in text.lines() {
        let line = line.trim_end();
        if let Some(media) = line.strip_prefix("m=") {
            video = media.starts_with("video");
        }
        let Some((name, value)) = line.strip_prefix("a=").map(|rest| rest.split_once(':').unwrap_or((rest, ""))) else {
            continue;
        };
        let mut words = value.split(' ');
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        match name {
            "ice-ufrag" => answer.ufrag = value.to_owned(),
            "ice-pwd" => answer.password = value.to_owned(),
            "fingerprint" => answer.fingerprint = value.to_owned(),
            "candidate" => {
                let words: Vec<&str> = words.collect();
                if let [_, "1", "udp", priority, host, port, "typ", "host", ..] = words[..]
                    && let Ok(address) = format!("{host}:{port}").parse::<SocketAddr>()
                {
                    let priority = number(Some(priority));
                    if best.is_none_or(|(other, _)| priority > other) {
                        best = Some((priority, address));
                    }
                }
            }
            "ssrc" if video && answer.ssrc == 0 => answer.ssrc = number(words.next()),
            "ssrc-group" if video => {
                words.next();
                answer.ssrc = number(words.next());
                answer.rtx_ssrc = number(words.next());
            }
            "rtpmap" if video => {
                let payload_type = number(words.next()) as u8;
                if words.next() == Some("H264/90000") && answer.payload_type == 0 {
                    answer.payload_type = payload_type;
                }
            }
            "fmtp" if video && answer.rtx_payload_type == 0 => {
                let payload_type = number(words.next()) as u8;
                if answer.payload_type != 0 && words.next() == Some(&format!("apt={}", answer.payload_type)) {
                    answer.rtx_payload_type = payload_type;
                }
            }
            "extmap" if video => {
                let id = words.next().unwrap_or("").split('/').next().and_then(|id| id.parse().ok()).unwrap_or(0);
                if words.next() == Some(TRANSPORT_CC) && (1..15).contains(&id) {
                    answer.transport_cc = id;
                }
            }
            "rtcp-fb" if video && value.ends_with("goog-remb") => answer.remb = true,
            _ => {}
        }
    }
    answer.address = best.map(|(_, address)| address);
    let missing = [
        ("ice-ufrag", answer.ufrag.is_empty()),
        ("ice-pwd", answer.password.is_empty()),
        ("fingerprint", answer.fingerprint.is_empty()),
        ("UDP host candidate", answer.address.is_none()),
        ("H264", answer.payload_type == 0),
    ];
    match missing.iter().find(|(_, missing)| *missing) {
        Some((name, _)) => Err(format!("the answer has no {name}")),
        None => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let text = "v=0\r\nm=audio 9 X 111\r\na=ssrc:9 cname:x\r\nm=video 9 UDP/TLS/RTP/SAVPF 102 103\r\na=ice-ufrag:u\r\n\
            a=ice-pwd:p\r\na=fingerprint:sha-256 AB\r\na=rtpmap:102 H264/90000\r\na=rtcp-fb:102 goog-remb\r\n\
            a=fmtp:103 apt=102\r\na=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
            a=ssrc-group:FID 5 6\r\na=candidate:1 1 udp 9 127.0.0.1 4000 typ host\r\n\
            a=candidate:2 1 tcp 10 127.0.0.1 4000 typ host tcptype passive\r\n";
        let answer = read_answer(text).unwrap();
        assert_eq!((answer.ssrc, answer.rtx_ssrc, answer.payload_type, answer.rtx_payload_type), (5, 6, 102, 103));
        assert_eq!((answer.transport_cc, answer.remb), (3, true));
        assert_eq!(answer.address, "127.0.0.1:4000".parse().ok());
        assert_eq!(read_answer("v=0"), Err("the answer has no ice-ufrag".to_owned()));
    }

    #[test]
    fn an_offer_carries_our_credentials_only() {
        let template = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\nm=video 9 X 96\r\na=candidate:1\r\na=ice-ufrag:old\r\n\
            a=ice-pwd:old\r\na=fingerprint:old\r\na=ssrc-group:FID 1 2\r\na=ssrc:1 cname:old\r\n";
        let text = offer(template, "u", "p", "sha-256 AB", 7, 10);
        assert!(!text.contains("old") && !text.contains("candidate"));
        assert!(text.contains("a=ssrc-group:FID 10 11\r\na=ssrc:10 cname:load\r\n"));
    }
}
