//! Makes the committed inputs: real datagrams of a small run. `cargo test --test fuzz -- --ignored write_corpus`.

use sfu::api::{Codec, Config};
use sfu::rtcp::{self, ReportBlock};
use sfu::rtp;
use sfu::srtp::{Master, Profile, Sealer};
use sfu::time::{Span, Time};
use sfu::twcc;

use super::support::Rng;
use super::support::payload::{self, Info, Numbers, Place};
use super::support::publisher::Media;
use super::support::viewer::Watching;
use super::support::world::World;

const CODECS: [Codec; 5] = [Codec::Opus, Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1];

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = super::directory("corpus", target);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), bytes).unwrap();
}

/// First and later packets of a keyframe and of a frame in upper layers.
fn payloads(codec: Codec) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rng = Rng::new(5);
    let mut all = Vec::new();
    for (reference, index, temporal, spatial) in [(9, 0, 0, 0), (9, 1, 0, 0), (9, 2, 0, 0), (8, 0, 1, 1), (8, 2, 2, 2)]
    {
        let info = Info {
            publisher: 1,
            encoding: 0,
            spatial,
            temporal,
            video: codec != Codec::Opus,
            frame: 9,
            reference,
            index,
            count: 3,
            seq: 77,
            capture_us: 1,
        };
        let place = Place { spatial, temporal, spatial_layers: 3, temporal_layers: 3, sync: true };
        let bytes = payload::write(codec, &info, Numbers { picture: 300, tl0: 7 }, place, 60, &mut rng);
        all.push((bytes, payload::descriptor(&info, 500, place, 3)));
    }
    all
}

fn controls() -> Vec<(&'static str, Vec<u8>)> {
    let mut all: Vec<(&'static str, Vec<u8>)> = Vec::new();
    let block = ReportBlock { ssrc: 7, fraction_lost: 3, cumulative_lost: -1, ..ReportBlock::default() };
    let mut make = |name, write: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = Vec::new();
        write(&mut packet);
        all.push((name, packet));
    };
    make("sender-report", &|p| {
        rtcp::write_sender_report(p, 1, 1 << 60, 90_000, 5, 500);
        rtcp::write_cname(p, 1, "somebody");
    });
    make("receiver-report", &|p| rtcp::write_receiver_report(p, 1, &[block, block]));
    make("nack", &|p| {
        rtcp::write_receiver_report(p, 1, &[]);
        rtcp::write_nack(p, 1, 7, &[1, 2, 5, 40, 65_535, 0]);
    });
    make("pli-and-bye", &|p| {
        rtcp::write_pli(p, 1, 7);
        rtcp::write_bye(p, 1);
    });
    make("fir", &|p| p.extend_from_slice(&[0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 9, 0, 0, 0]));
    make("remb", &|p| rtcp::write_remb(p, 1, 1_234_567, &[7, 8]));
    make("transport-feedback", &|p| {
        let mut receiver = twcc::Receiver::new();
        for seq in [1u16, 2, 3, 5, 6, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 90] {
            receiver.packet(seq, Time::from_millis(1000 + u64::from(seq) * 9));
        }
        receiver.write(1, 7, p);
    });
    all
}

fn packet(codec: Codec, payload: &[u8], descriptor: &[u8]) -> Vec<u8> {
    let head = rtp::Outgoing {
        payload_type: if codec == Codec::Opus { 111 } else { 96 },
        marker: true,
        padding: false,
        seq: 4,
        timestamp: 90_000,
        ssrc: 7,
    };
    let mut packet = Vec::new();
    rtp::write_header(&mut packet, &head, &[(3, &[0, 9]), (4, b"1"), (1, descriptor), (7, &[1; 8]), (10, b"h")]);
    packet.extend_from_slice(payload);
    packet
}

#[test]
#[ignore = "writes files"]
fn write_corpus() {
    let mut world = World::new(3, 1, Config::default());
    world.recording = true;
    let room = world.room(0);
    world.publish(room, Media::new(Codec::Vp8));
    world.watch(room, 0, Watching::new());
    world.run(Span::millis(300));
    let mut handshake: Vec<u8> = vec![0];
    for (at, (_, datagram)) in world.recorded.iter().enumerate() {
        match datagram[0] {
            0 if at < 12 => write("stun", &format!("check-{at}"), datagram),
            20..=63 => {
                handshake.extend_from_slice(&(datagram.len() as u16).to_be_bytes());
                handshake.extend_from_slice(datagram);
                let alone = [&[0x30][..], &(datagram.len() as u16).to_be_bytes(), datagram].concat();
                write("dtls", &format!("record-{at}"), &alone);
            }
            _ => {}
        }
    }
    for mode in [0u8, 1, 2, 3, 0x10, 0x21, 0x32, 0x43] {
        handshake[0] = mode;
        write("dtls", &format!("handshake-{mode:02x}"), &handshake);
    }
    let mut answer = Vec::new();
    sfu::stun::write_success(&[7; 12], "192.0.2.1:3456".parse().unwrap(), b"password", &mut answer);
    write("stun", "success", &answer);
    answer.clear();
    sfu::stun::write_error(&[7; 12], 487, "Role Conflict", &[], b"password", &mut answer);
    write("stun", "role-conflict", &answer);

    let master = Master { key: [3; 16], salt: [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0] };
    let mut sealer = Sealer::new(Profile::AeadAes128Gcm, &master);
    for codec in CODECS {
        let mut stream: Vec<u8> = Vec::new();
        let mut steps: Vec<u8> = vec![CODECS.iter().position(|c| *c == codec).unwrap_or(0).saturating_sub(1) as u8];
        for (at, (payload, descriptor)) in payloads(codec).into_iter().enumerate() {
            let whole = packet(codec, &payload, &descriptor);
            write("rtp", &format!("{codec:?}-{at}").to_lowercase(), &whole);
            let own = [&[descriptor.len() as u8][..], &descriptor, &payload].concat();
            write("rtp", &format!("{codec:?}-{at}-payload").to_lowercase(), &own);
            let op = CODECS.iter().position(|c| *c == codec).unwrap_or(0) as u8 | if at == 2 { 0x18 } else { 0 };
            let mut padded = payload.clone();
            padded.resize(payload.len().next_multiple_of(4), 0);
            stream.extend_from_slice(&[op, 1, (padded.len() / 4) as u8]);
            stream.extend_from_slice(&padded);
            let step = 3 | 1 << 3 | u8::from(at == 2) << 6;
            steps.push(step);
            steps.extend_from_slice(&(payload.len() as u16).to_be_bytes());
            steps.extend_from_slice(&payload);
            if at == 0 {
                let mut sealed = whole.clone();
                sealed.resize(whole.len() + sealer.tag_len(), 0);
                sealer.seal_rtp(&mut sealed, rtp::header_len(&whole).unwrap(), 4);
                write("srtp", &format!("{codec:?}-sealed").to_lowercase(), &sealed);
                write("srtp", &format!("{codec:?}").to_lowercase(), &whole);
            }
        }
        write("frames", &format!("{codec:?}").to_lowercase(), &stream);
        for (from, (_, control)) in controls().into_iter().enumerate() {
            steps.push(5 + (from % 2) as u8);
            steps.extend_from_slice(&(control.len() as u16).to_be_bytes());
            steps.extend_from_slice(&control);
        }
        steps.extend_from_slice(&[7, 0, 30]);
        steps.extend_from_slice(&[0; 30]);
        write("shard", &format!("{codec:?}").to_lowercase(), &steps);
    }
    for (name, control) in controls() {
        write("rtcp", name, &control);
        let mut sealed = control.clone();
        sealer.seal_rtcp(&mut sealed);
        write("srtp", &format!("control-{name}"), &sealed);
    }
}
