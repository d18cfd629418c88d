//! The real shard behind real sockets: a check is answered by UDP and by TCP, on every thread.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use net::{Clock, Net, NetConfig};
use sfu::api::{Command, Config, PeerSpec, Role, RoomClock, RoomSpec, SlotSpec, shard_char};
use sfu::counters::Counters;
use sfu::dtls::Identity;
use sfu::shard::Shard;
use sfu::stun;

const PASSWORD: &str = "a-password-of-22-chars";

fn start(threads: usize, clock: Clock) -> Net<Shard> {
    let config = NetConfig {
        binds: vec!["127.0.0.1:0".parse().unwrap()],
        tcp: vec!["127.0.0.1:0".parse().unwrap()],
        threads,
        clock,
        ..NetConfig::default()
    };
    let (identity, epoch) = (Identity::generate().unwrap(), Instant::now());
    Net::start_with(config, move |index| {
        let (config, counters) = (Config::default(), Arc::new(Counters::default()));
        Shard::new(index, threads as u8, config, identity.clone(), epoch, u64::from(index), counters)
    })
    .unwrap()
}

fn add_room(net: &Net<Shard>) {
    let slot = SlotSpec { ssrc: 1, rtx_ssrc: 2, first_seq: 3, first_timestamp: 4 };
    let room = RoomSpec {
        id: 1,
        home: 0,
        audio: slot,
        video: SlotSpec { ssrc: 5, rtx_ssrc: 6, ..slot },
        cname: "c".into(),
        clock: RoomClock::default(),
    };
    net.broadcast(&Command::AddRoom(room)).unwrap();
}

fn add_viewer(net: &Net<Shard>, shard: u8, id: u64) -> String {
    let ufrag = format!("{}own{id}", shard_char(shard));
    let spec = PeerSpec {
        id,
        room: 1,
        role: Role::Viewer,
        ufrag: ufrag.clone(),
        password: PASSWORD.into(),
        remote_ufrag: "far".into(),
        fingerprints: Vec::new(),
        dtls_client: false,
        sections: Vec::new(),
        dial: None,
    };
    net.command(shard, Command::AddPeer(Box::new(spec))).unwrap();
    ufrag
}

fn check(ufrag: &str) -> Vec<u8> {
    let mut out = Vec::new();
    stun::write_request(&[5; 12], &format!("{ufrag}:far"), PASSWORD.as_bytes(), 7, true, &mut out);
    out
}

fn is_success(answer: &[u8]) -> bool {
    stun::read_response(answer, PASSWORD.as_bytes()).is_some_and(|response| response.success)
}

fn ask_by_tcp(stream: &mut TcpStream, check: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(&(check.len() as u16).to_be_bytes())?;
    stream.write_all(check)?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

#[test]
fn checks_are_answered_by_udp_and_tcp() {
    for threads in [1, 2, 4] {
        let net = start(threads, Clock::system());
        add_room(&net);
        for shard in 0..threads as u8 {
            let ufrag = add_viewer(&net, shard, u64::from(shard) + 1);
            assert!(net.barrier());
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            socket.send_to(&check(&ufrag), net.addresses()[0]).unwrap();
            let mut answer = [0; 1500];
            let n = socket.recv(&mut answer).unwrap();
            assert!(is_success(&answer[..n]));

            let mut stream = TcpStream::connect(net.tcp_addresses()[0]).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            assert!(is_success(&ask_by_tcp(&mut stream, &check(&ufrag)).unwrap()));
        }
    }
}

#[test]
fn a_checked_connection_outlives_the_limit_for_strangers() {
    for threads in [1, 2] {
        let time = Arc::new(AtomicU64::new(0));
        let net = start(threads, Clock::Manual(time.clone()));
        add_room(&net);
        let ufrag = add_viewer(&net, 0, 1);
        net.barrier();
        let mut stream = TcpStream::connect(net.tcp_addresses()[0]).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        // checks go on, as a browser's do; the handshake's limit (10 s) is the shard's business, so stop before it
        for second in [0, 4, 8] {
            time.store(second * 1_000_000, Ordering::Release);
            assert!(is_success(&ask_by_tcp(&mut stream, &check(&ufrag)).unwrap()));
        }
        net.barrier();
        let mut accepted = 0;
        net.snapshot(|_, name, value| accepted += if name == "streams_invalid" { value } else { 0 });
        assert_eq!(accepted, 0);
        // its peer is ended by the handshake's limit, and the connection with it
        time.store(11_000_000, Ordering::Release);
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        net.barrier();
        let mut invalid = 0;
        net.snapshot(|_, name, value| invalid += if name == "streams_invalid" { value } else { 0 });
        assert_eq!(invalid, 0, "closed with its peer, not as a stranger ({threads} threads)");
    }
}
