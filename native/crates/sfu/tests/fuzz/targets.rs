//! What reads bytes of strangers, each as a function of bytes that must come back.

use std::cell::RefCell;
use std::time::Instant;

use sfu::api::Codec;
use sfu::bwe::Estimator;
use sfu::codec::{self, CodecState, dd, h264, vp8, vp9};
use sfu::dtls::{Dtls, Identity, Status};
use sfu::frames::{Assembler, Piece};
use sfu::rtcp::{self, Item};
use sfu::rtp;
use sfu::srtp::{Master, Opener, Profile, Sealer};
use sfu::stun;
use sfu::time::{Span, Time};
use sfu::twcc::{self, SendHistory};

use super::support::client::fingerprint;

const CODECS: [Codec; 5] = [Codec::Opus, Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1];

pub fn stun(data: &[u8]) {
    let _ = stun::is_stun(data);
    let peeked = stun::peek_ufrag(data);
    if let Some(request) = stun::read_request(data) {
        // Who must check it is found by what it says itself.
        assert_eq!(peeked, Some(request.local_ufrag.as_bytes()));
        let _ = request.verify(b"password");
        let mut out = Vec::new();
        stun::write_error(&request.transaction, 420, "Unknown", &request.unknown, b"password", &mut out);
        assert!(stun::read_response(&out, b"password").is_some_and(|response| response.error == 420));
    }
    let _ = stun::read_response(data, b"password");
}

thread_local! {
    static IDENTITIES: [Identity; 3] = [
        Identity::generate().unwrap(),
        Identity::generate().unwrap(),
        Identity::generate_dtls_1_2().unwrap(),
    ];
}

/// The first byte says which end we are, of which version the other is, and how far the handshake has come before the
/// datagrams that follow, each behind its length in two bytes.
pub fn dtls(data: &[u8]) {
    let Some((&mode, mut rest)) = data.split_first() else { return };
    let [ours, new, old] = IDENTITIES.with(Clone::clone);
    let theirs = if mode & 2 == 0 { new } else { old };
    let (epoch, mut now) = (Instant::now(), Time(0));
    let we_open = mode & 1 != 0;
    let mut ends = [
        Dtls::new(&ours, we_open, vec![fingerprint(&theirs)], epoch, now),
        Dtls::new(&theirs, !we_open, vec![fingerprint(&ours)], epoch, now),
    ];
    let mut wires: [Vec<Vec<u8>>; 2] = Default::default();
    for (at, end) in ends.iter_mut().enumerate() {
        let _ = end.start(now, &mut |datagram| wires[1 - at].push(datagram.to_vec()));
    }
    for _ in 0..mode >> 4 {
        for at in [0, 1] {
            for datagram in std::mem::take(&mut wires[at]) {
                let _ = ends[at].receive(&datagram, now, &mut |datagram| wires[1 - at].push(datagram.to_vec()));
            }
        }
    }
    let mut sent = 0;
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(behind.len());
        let (datagram, behind) = behind.split_at(length);
        rest = behind;
        let status = ends[0].receive(datagram, now, &mut |_| sent += 1);
        assert!(!matches!(status, Status::Connected(_)) || mode >> 4 > 0, "keys for a stranger");
        now = now + Span::millis(300);
        if ends[0].next_timeout().is_some_and(|at| at <= now) {
            let _ = ends[0].timeout(now, &mut |_| sent += 1);
        }
    }
    // No amplifier: what it answers is bounded by its own flights and their repetition.
    assert!(sent < 2000, "{sent} datagrams");
    ends[0].close(&mut |_| {});
}

pub fn rtp(data: &[u8]) {
    let _ = rtp::is_rtcp(data);
    if let Some(view) = rtp::read(data) {
        assert_eq!(rtp::header_len(data), Some(view.header_len));
        assert!(view.payload.end <= data.len() && view.payload.start == view.header_len);
        for id in 0..=255 {
            if let Some(value) = rtp::extension(data, &view, id) {
                assert!(value.len() <= 255);
            }
        }
        payload(&data[view.payload.clone()], rtp::extension(data, &view, 1), view.marker);
    }
    payload(data, None, false);
    // As a descriptor and a payload of one's own.
    if let Some((&at, rest)) = data.split_first() {
        let (descriptor, body) = rest.split_at(usize::from(at).min(rest.len()));
        payload(body, Some(descriptor), at & 1 != 0);
        let mut state = dd::DdState::default();
        let _ = dd::read(descriptor, &mut state);
        if let Some(read) = dd::read(body, &mut state) {
            for target in 0..=255 {
                let _ = (read.dti(target), read.switches_to(target), state.target_layers(target));
            }
        }
    }
}

fn payload(bytes: &[u8], descriptor: Option<&[u8]>, marker: bool) {
    for codec in CODECS {
        let mut state = CodecState::default();
        for _ in 0..2 {
            let facts = codec::facts(codec, bytes, marker, descriptor, &mut state);
            assert!(facts.spatial < 8 && facts.temporal < 8);
        }
        let _ = (codec::starts_keyframe(codec, bytes), state.spatial_layers(), state.temporal_layers());
    }
    assert!(vp8::payload_at(bytes) <= bytes.len());
    let mut copy = bytes.to_vec();
    codec::patch_vp8(&mut copy, 77, 5);
    if let (Some(before), Some(after)) = (vp8::read(bytes), vp8::read(&copy)) {
        assert_eq!((before.payload_at, before.temporal), (after.payload_at, after.temporal));
    }
    for codec in CODECS {
        sfu::fanout::patch_payload(codec, &mut copy, 0, (3, 250));
    }
    let _ = vp9::read(bytes).map(|read| read.payload_at <= bytes.len());
    assert!(h264::units(bytes).count() <= bytes.len());
}

pub fn rtcp(data: &[u8]) {
    let mut items = 0;
    let mut history = SendHistory::new();
    history.sent(600, 1200, Time(1000));
    let mut estimator = Estimator::new(1_000_000);
    rtcp::read(data, &mut |item| {
        items += 1;
        match item {
            Item::Nack { seqs, .. } => assert!(seqs.count() <= rtcp::MAX_NACK_SEQS),
            Item::TransportFeedback { body, .. } => {
                estimator.on_feedback(body, &history, Time::from_millis(100 * items));
            }
            Item::Remb { bps } => estimator.on_remb(bps, Time::from_millis(100 * items)),
            Item::Report(block) => {
                let _ = block.round_trip(7);
                estimator.on_report(block.fraction_lost, None, Time::from_millis(100 * items));
            }
            _ => {}
        }
    });
    assert!(items <= rtcp::MAX_ITEMS as u64);
    let mut told = 0;
    twcc::read_feedback(data, &mut |_, _| told += 1);
    assert!(told <= 4096);
    estimator.on_feedback(data, &history, Time::from_millis(50_000));
    if let Some(bps) = estimator.estimate() {
        assert!((10_000..=200_000_000).contains(&bps), "{bps}");
    }
    let _ = estimator.probe(5_000_000, Time::from_millis(60_000));
}

/// Bytes as they come, and bytes that were sealed with the right key.
pub fn srtp(data: &[u8]) {
    for profile in [Profile::AeadAes128Gcm, Profile::Aes128CmSha1_80] {
        let mut salt = [7; 14];
        salt[profile.salt_len()..].fill(0);
        let master = Master { key: [3; 16], salt };
        let mut opener = Opener::new(profile, &master);
        let mut sealer = Sealer::new(profile, &master);
        let mut stranger = Opener::new(profile, &Master { key: [4; 16], salt });
        assert!(stranger.open_rtp(&mut data.to_vec()).is_err(), "a forgery");
        assert!(stranger.open_rtcp(&mut data.to_vec()).is_err(), "a forgery");
        // Some of the committed ones are sealed with this key.
        let mut known = Opener::new(profile, &master);
        let _ = (known.open_rtp(&mut data.to_vec()), known.open_rtcp(&mut data.to_vec()));
        if let Some(header) = rtp::header_len(data) {
            let mut packet = data.to_vec();
            packet.resize(data.len() + sealer.tag_len(), 0);
            let index = u64::from(u16::from_be_bytes([data[2], data[3]]));
            sealer.seal_rtp(&mut packet, header, index);
            let opened = opener.open_rtp(&mut packet.clone()).expect("what was sealed opens");
            assert_eq!(opened.len, data.len());
            assert!(opener.open_rtp(&mut packet).is_err(), "a replay");
        }
        let mut control = data.to_vec();
        sealer.seal_rtcp(&mut control);
        let head = data.first().is_some_and(|first| first >> 6 == 2);
        assert_eq!(opener.open_rtcp(&mut control).is_ok(), head && data.len() >= 8);
    }
}

/// Packets of one stream, each behind its length: codec, number, marker, payload.
pub fn frames(data: &[u8]) {
    let mut assembler = Assembler::new();
    let (mut seq, mut timestamp) = (1000u64, 0u32);
    let mut rest = data;
    let mut fed = 0;
    let mut out = 0;
    thread_local!(static FRAMES: RefCell<u64> = const { RefCell::new(0) });
    while let Some((&[op, step, length], behind)) = rest.split_first_chunk::<3>() {
        let length = (usize::from(length) * 4).min(behind.len());
        let (payload, behind) = behind.split_at(length);
        rest = behind;
        seq = match op >> 5 {
            0..=4 => seq + 1,
            5 => seq.saturating_sub(u64::from(step)),
            6 => seq + u64::from(step) * 8,
            _ => seq,
        };
        timestamp = timestamp.wrapping_add(u32::from(op & 16 != 0) * 3000);
        let codec = CODECS[usize::from(op & 7) % 5];
        let piece = Piece { seq, timestamp, marker: op & 8 != 0, codec, payload };
        fed += payload.len();
        assembler.push(&piece, &mut |frame| {
            out += frame.data.len();
            FRAMES.with_borrow_mut(|count| *count += 1);
        });
    }
    // Start codes and sizes are added, data is not made up.
    assert!(out <= fed * 8 + 1024, "{fed} bytes became {out}");
}
