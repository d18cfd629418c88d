//! The class `Core`.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use net::socket::bind_first_free;
use net::{Clock, Full, Net, NetConfig};
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTimeoutError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use sfu::api::{Command, Config, Dial, PeerId, PeerSpec, Role, RoomClock, RoomId, RoomSpec};
use sfu::counters::Counters;
use sfu::dtls::Identity;
use sfu::shard::Shard;
use sfu::time::Span;

use crate::events;
use crate::figures;
use crate::spec::{self, SectionTuple, Slot};

/// See `_native.pyi`.
#[pyclass(frozen, module = "streamserver_native._native")]
pub struct Core {
    /// None after `stop`.
    net: RwLock<Option<Net<Shard>>>,
    /// Where each room's video is, written by its home shard.
    clocks: Mutex<HashMap<RoomId, RoomClock>>,
    counters: Vec<Arc<Counters>>,
    manual: Option<Arc<AtomicU64>>,
    #[pyo3(get)]
    fingerprint: String,
    #[pyo3(get)]
    ports: HashMap<u8, u16>,
    #[pyo3(get)]
    tcp_port: Option<u16>,
    #[pyo3(get)]
    shards: usize,
    event_fd: i32,
}

#[pymethods]
impl Core {
    #[new]
    #[pyo3(signature = (*, hosts, ports, tcp_port, threads, manual_clock, max_video_bps, handshake_s, silence_s,
        stall_s, resume_s, keyframe_interval_s, ring_packets, hold_s, nack_packets_per_s, publisher_packets_per_s,
        cpus = None))]
    #[allow(clippy::too_many_arguments)] // all by name in Python
    fn new(
        py: Python<'_>,
        hosts: Vec<String>,
        ports: (u16, u16),
        tcp_port: Option<u16>,
        threads: usize,
        manual_clock: bool,
        max_video_bps: u64,
        handshake_s: f64,
        silence_s: f64,
        stall_s: f64,
        resume_s: f64,
        keyframe_interval_s: f64,
        ring_packets: usize,
        hold_s: f64,
        nack_packets_per_s: f64,
        publisher_packets_per_s: f64,
        cpus: Option<Vec<usize>>,
    ) -> PyResult<Self> {
        let hosts = hosts.iter().map(|host| spec::address(host)).collect::<PyResult<Vec<_>>>()?;
        let sfu = Config {
            max_video_bps,
            handshake: Span::from_secs_f64(handshake_s),
            silence: Span::from_secs_f64(silence_s),
            stall: Span::from_secs_f64(stall_s),
            resume: Span::from_secs_f64(resume_s),
            keyframe_interval: Span::from_secs_f64(keyframe_interval_s),
            ring_packets: ring_packets.clamp(16, 1 << 15).next_power_of_two(),
            hold: Span::from_secs_f64(hold_s),
            nack_packets_per_s,
            publisher_packets_per_s,
            ..Config::default()
        };
        let manual = manual_clock.then(Arc::<AtomicU64>::default);
        let identity = Identity::generate().map_err(PyRuntimeError::new_err)?;
        let fingerprint = identity.fingerprint().to_owned();
        let counters: Vec<Arc<Counters>> = (0..threads).map(|_| Arc::default()).collect();
        let clock = manual.clone().map_or_else(Clock::system, Clock::Manual);
        let net = py.detach(|| start(hosts, ports, tcp_port, threads, clock, cpus, sfu, identity, &counters))?;
        let bound = net.addresses().iter().map(|address| (if address.is_ipv4() { 4 } else { 6 }, address.port()));
        Ok(Self {
            ports: bound.collect(),
            tcp_port: net.tcp_addresses().first().map(SocketAddr::port),
            shards: net.threads(),
            event_fd: net.event_fd(),
            net: RwLock::new(Some(net)),
            clocks: Mutex::default(),
            counters,
            manual,
            fingerprint,
        })
    }

    fn add_room(
        &self,
        shard: Option<u8>,
        number: RoomId,
        home: u8,
        audio: Slot,
        video: Slot,
        cname: String,
    ) -> PyResult<()> {
        let room = RoomSpec {
            id: number,
            clock: self.clocks().entry(number).or_default().clone(),
            home,
            audio: spec::slot(audio),
            video: spec::slot(video),
            cname,
        };
        let command = Command::AddRoom(room);
        self.with(|net| match shard {
            Some(shard) => net.command(shard, command),
            None => net.broadcast(&command),
        })
    }

    fn forget_room(&self, number: RoomId) {
        self.clocks().remove(&number);
    }

    #[pyo3(signature = (shard, *, id, room, publisher, ufrag, password, remote_ufrag, fingerprints, dtls_client,
        sections, dial = None))]
    #[allow(clippy::too_many_arguments)] // all by name in Python
    fn add_peer(
        &self,
        shard: u8,
        id: PeerId,
        room: RoomId,
        publisher: bool,
        ufrag: String,
        password: String,
        remote_ufrag: String,
        fingerprints: Vec<(String, Vec<u8>)>,
        dtls_client: bool,
        sections: Vec<SectionTuple>,
        dial: Option<(String, Vec<(String, u16)>)>,
    ) -> PyResult<()> {
        let dial = match dial {
            None => None,
            Some((remote_password, candidates)) => {
                Some(Dial { remote_password, candidates: spec::addresses(candidates)? })
            }
        };
        let peer = PeerSpec {
            id,
            room,
            role: if publisher { Role::Publisher } else { Role::Viewer },
            ufrag,
            password,
            remote_ufrag,
            fingerprints: fingerprints.into_iter().map(spec::fingerprint).collect::<PyResult<_>>()?,
            dtls_client,
            sections: sections.into_iter().map(spec::section).collect::<PyResult<_>>()?,
            dial,
        };
        self.command(shard, Command::AddPeer(Box::new(peer)))
    }

    fn restart(&self, shard: u8, peer: PeerId, ufrag: String, password: String, remote_ufrag: String) -> PyResult<()> {
        self.command(shard, Command::Restart { peer, ufrag, password, remote_ufrag })
    }

    fn candidates(&self, shard: u8, peer: PeerId, candidates: Vec<(String, u16)>) -> PyResult<()> {
        let candidates = spec::addresses(candidates)?;
        self.command(shard, Command::Candidates { peer, candidates })
    }

    fn close(&self, shard: u8, peer: PeerId, reason: &str) -> PyResult<()> {
        let reason = spec::reason(reason)?;
        self.command(shard, Command::Close { peer, reason })
    }

    fn end_room(&self, home: u8, room: RoomId, reason: &str) -> PyResult<()> {
        let reason = spec::reason(reason)?;
        self.command(home, Command::EndRoom { room, reason })
    }

    fn tap(&self, home: u8, room: RoomId, on: bool) -> PyResult<()> {
        self.command(home, Command::Tap { room, on })
    }

    fn event_fd(&self) -> i32 {
        self.event_fd
    }

    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut events = Vec::new();
        if let Some(net) = self.net.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            net.drain_events(&mut events);
        }
        events::to_list(py, &mut events)
    }

    fn drain_frames<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut frames = Vec::new();
        if let Some(net) = self.net.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            net.drain_frames(&mut frames);
        }
        let list = PyList::empty(py);
        for frame in frames {
            list.append((
                frame.room,
                events::kind_name(frame.codec.kind()),
                events::codec_name(frame.codec),
                PyBytes::new(py, &frame.data),
                frame.timestamp,
                frame.keyframe,
                frame.captured_ntp,
            ))?;
        }
        Ok(list)
    }

    fn timeline(&self, room: RoomId) -> Option<events::Timeline> {
        self.clocks().get(&room)?.get().map(events::timeline)
    }

    fn snapshot(&self) -> figures::Figures {
        match self.net.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(net) => figures::read(net, &self.counters),
            None => figures::Figures::new(),
        }
    }

    fn set_time(&self, us: u64) -> PyResult<()> {
        let manual = self.manual.as_ref().ok_or_else(|| PyValueError::new_err("the clock is the system's"))?;
        manual.store(us, Ordering::Release);
        Ok(())
    }

    fn now_us(&self) -> PyResult<u64> {
        self.with(|net| Ok(net.now().0))
    }

    fn barrier(&self, py: Python<'_>) -> PyResult<()> {
        match py.detach(|| self.with(|net| Ok(net.barrier())))? {
            true => Ok(()),
            false => Err(PyTimeoutError::new_err("a media thread does not answer")),
        }
    }

    fn stop(&self, py: Python<'_>) {
        py.detach(|| {
            let net = self.net.write().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(mut net) = net {
                net.stop();
            }
        });
    }
}

impl Core {
    fn command(&self, shard: u8, command: Command) -> PyResult<()> {
        self.with(|net| net.command(shard, command))
    }

    fn with<T>(&self, call: impl FnOnce(&Net<Shard>) -> Result<T, Full>) -> PyResult<T> {
        let net = self.net.read().unwrap_or_else(PoisonError::into_inner);
        let net = net.as_ref().ok_or_else(|| PyRuntimeError::new_err("the media threads were stopped"))?;
        call(net).map_err(|full| PyRuntimeError::new_err(full.to_string()))
    }

    fn clocks(&self) -> MutexGuard<'_, HashMap<RoomId, RoomClock>> {
        self.clocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[allow(clippy::too_many_arguments)] // the one caller is above
fn start(
    hosts: Vec<IpAddr>,
    (low, high): (u16, u16),
    tcp_port: Option<u16>,
    threads: usize,
    clock: Clock,
    cpus: Option<Vec<usize>>,
    sfu: Config,
    identity: Identity,
    counters: &[Arc<Counters>],
) -> PyResult<Net<Shard>> {
    let mut config = NetConfig { threads, clock, cpus, ..NetConfig::default() };
    let sockets = bind_first_free(&hosts, low, high, threads, config.buffers)?;
    let udp_port = sockets.first().and_then(|list| list.first()).map_or(0, |socket| socket.local.port());
    if let Some(wanted) = tcp_port {
        let port = if wanted == 0 { udp_port } else { wanted };
        config.tcp = hosts.iter().map(|host| SocketAddr::new(*host, port)).collect();
        if let Err(error) = config.tcp.iter().try_for_each(|address| TcpListener::bind(address).map(drop)) {
            if wanted != 0 {
                return Err(PyOSError::new_err(format!("TCP port {port} is not free: {error}")));
            }
            config.tcp.clear(); // nobody asked for just this one; UDP serves
        }
    }
    let counters = counters.to_vec();
    // One moment for the clock of DTLS in every thread; the shards count from it.
    let epoch = Instant::now();
    let random = RandomState::new();
    let make = move |index: u8| {
        let counters = counters.get(usize::from(index)).cloned().unwrap_or_default();
        let seed = random.hash_one(index);
        Shard::new(index, threads as u8, sfu.clone(), identity.clone(), epoch, seed, counters)
    };
    Ok(Net::start_on(sockets, config, make)?)
}
