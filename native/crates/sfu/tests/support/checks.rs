//! What must be true of a run, whatever its seed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sfu::api::{Codec, Event, Kind};
use sfu::time::{Span, Time};

use super::viewer::{Got, Sink, Track};
use super::world::World;

/// One frame as a viewer has it.
#[derive(Clone, Debug)]
pub struct Frame {
    pub publisher: u16,
    pub encoding: u8,
    pub spatial: u8,
    pub temporal: u8,
    pub number: u32,
    pub reference: u32,
    pub capture_us: u64,
    pub timestamp: u32,
    pub codec: Codec,
    pub first: u64,
    pub last: u64,
    pub complete: bool,
    pub picture: Option<u16>,
    pub tl0: Option<u8>,
    pub decoded: bool,
}

/// Publisher, encoding, spatial layer, number.
pub type FrameId = (u16, u8, u8, u32);

/// Frames in the order of their numbers, decoded as far as they can be.
pub fn frames(track: &Track) -> Vec<Frame> {
    decode(track, 0, &mut BTreeSet::new())
}

/// The same from a number on, given what was decoded before.
pub fn decode(track: &Track, from: u64, decoded: &mut BTreeSet<FrameId>) -> Vec<Frame> {
    let mut frames: BTreeMap<u64, Frame> = BTreeMap::new();
    let mut begun: HashMap<(u16, u8, u8, u32), u64> = HashMap::new();
    let mut parts: HashMap<u64, BTreeSet<u16>> = HashMap::new();
    for (index, got) in track.got.range(from..) {
        let info = &got.info;
        let key = (info.publisher, info.encoding, info.spatial, info.frame);
        let first = *begun.entry(key).or_insert(*index);
        parts.entry(first).or_default().insert(info.index);
        let complete = parts[&first].len() == usize::from(info.count);
        let frame = frames.entry(first).or_insert_with(|| frame_of(got, *index));
        frame.last = *index;
        frame.complete = complete;
    }
    let mut frames: Vec<Frame> = frames.into_values().collect();
    for frame in &mut frames {
        let own = (frame.publisher, frame.encoding, frame.spatial, frame.number);
        let reference = (frame.publisher, frame.encoding, frame.spatial, frame.reference);
        let below =
            frame.spatial == 0 || decoded.contains(&(frame.publisher, frame.encoding, frame.spatial - 1, frame.number));
        let alone = frame.reference == frame.number;
        let known = decoded.contains(&own); // its beginning may be before `from`
        frame.decoded = known || frame.complete && below && (alone || decoded.contains(&reference));
        if frame.decoded {
            decoded.insert(own);
        }
    }
    frames
}

fn frame_of(got: &Got, index: u64) -> Frame {
    let info = &got.info;
    Frame {
        publisher: info.publisher,
        encoding: info.encoding,
        spatial: info.spatial,
        temporal: info.temporal,
        number: info.frame,
        reference: info.reference,
        capture_us: info.capture_us,
        timestamp: got.timestamp,
        codec: got.codec,
        first: index,
        last: index,
        complete: false,
        picture: got.picture,
        tl0: got.tl0,
        decoded: false,
    }
}

/// Nobody found anything wrong with what came.
pub fn no_faults(world: &World) {
    for (at, client) in world.clients.iter().enumerate() {
        assert!(client.faults.is_empty(), "client {at}: {:?}", &client.faults[..client.faults.len().min(5)]);
    }
}

/// Events tell a story that can be: connected at most once, ended at most once and last.
pub fn events_make_sense(world: &World) {
    let mut connected = BTreeSet::new();
    let mut ended = BTreeSet::new();
    for (at, event) in &world.events {
        match event {
            Event::Connected { peer, .. } => {
                assert!(connected.insert(*peer), "{peer} connected twice at {at:?}");
                assert!(!ended.contains(peer), "{peer} connected after its end");
            }
            Event::Ended { peer, connected: was, .. } => {
                assert!(ended.insert(*peer), "{peer} ended twice at {at:?}");
                assert_eq!(*was, connected.contains(peer), "{peer}");
            }
            Event::MediaStarted { peer, .. }
            | Event::Stalled { peer, .. }
            | Event::Resumed { peer, .. }
            | Event::LayerSwitched { peer, .. } => {
                assert!(connected.contains(peer) && !ended.contains(peer), "{event:?} at {at:?}");
            }
            _ => {}
        }
    }
}

/// All numbers from the first to the newest came, or were lost on the way and given up before `since`.
pub fn numbers_are_whole(track: &Track, since: Time, who: &str) {
    let (Some((first, _)), Some((last, _))) = (track.got.first_key_value(), track.got.last_key_value()) else {
        return;
    };
    let given_up: Vec<_> = track.given_up.iter().filter(|(_, at)| *at >= since).collect();
    assert!(given_up.is_empty(), "{who}: never answered: {:?}", &given_up[..given_up.len().min(5)]);
    let mut before: Option<(u64, Time)> = None;
    for (index, got) in track.got.range(*first..=*last) {
        if let Some((previous, at)) = before
            && at >= since
            && got.at.since(at) < Span::millis(300)
        {
            assert!(*index == previous + 1, "{who}: {previous} is followed by {index} at {:?}", got.at);
        }
        before = Some((*index, got.at));
    }
}

/// Within what comes from one encoding, numbers are as far apart as the publisher's, and go the same way.
pub fn order_is_kept(track: &Track, thinned: bool, who: &str) {
    let mut before: Option<(u64, &Got)> = None;
    for (index, got) in &track.got {
        if let Some((previous, old)) = before
            && (old.info.publisher, old.info.encoding) == (got.info.publisher, got.info.encoding)
        {
            let (out, inside) = (index - previous, got.info.seq.wrapping_sub(old.info.seq));
            assert!(got.info.seq > old.info.seq, "{who}: {index} goes back: {old:?} {got:?}");
            // Not always its first packet: of an H.264 keyframe whose parameter sets are late the slices let viewers in.
            let key = got.info.is_key() && got.info.frame != old.info.frame;
            // Between what was lost the encoding may have been left and entered again.
            let whole = out == 1;
            assert!(
                thinned || key || !whole || inside == 1,
                "{who}: {index} is {out} behind, {inside} at the publisher"
            );
        }
        before = Some((*index, got));
    }
}

/// The encoding changes where a decoder can follow; returns how often it did.
pub fn switches_are_clean(track: &Track, who: &str) -> usize {
    let all = frames(track);
    let mut switches = 0;
    for pair in all.windows(2) {
        let [a, b] = pair else { continue };
        if (a.publisher, a.encoding) != (b.publisher, b.encoding) {
            switches += 1;
            let whole = b.first == a.last + 1; // else what was between is lost
            assert!(!whole || b.reference == b.number && b.spatial == 0, "{who}: switched to {b:?}");
            assert!(b.first > a.last, "{who}: frames overlap: {a:?} {b:?}");
        }
    }
    switches
}

/// RTP time never stands still between pictures nor goes back by more than an alignment may take.
pub fn time_goes_on(track: &Track, since: Time, who: &str) {
    let all = frames(track);
    for pair in all.windows(2) {
        let [a, b] = pair else { continue };
        let at = track.got[&b.first].at;
        if at < since || (a.publisher, a.encoding, a.number) == (b.publisher, b.encoding, b.number) {
            continue;
        }
        let step = b.timestamp.wrapping_sub(a.timestamp) as i32;
        assert!(step > 0, "{who}: time steps by {step}: {a:?} {b:?}");
    }
}

/// What came whole can be decoded: nothing is sent that refers to what was left out.
pub fn all_decode(track: &Track, since: Time, who: &str) {
    for frame in frames(track).iter().filter(|frame| track.got[&frame.first].at >= since) {
        assert!(frame.decoded || !frame.complete, "{who}: {frame:?} needs what was not sent");
    }
}

/// Every capture in the interval was decoded, in one encoding. `layer`: the highest temporal layer to be expected.
pub fn frames_came(world: &mut World, publisher: usize, viewer: usize, from: Time, to: Time, layer: u8) {
    let expected: Vec<u64> = world.clients[publisher]
        .source()
        .captured
        .iter()
        .filter(|(at, of)| *at >= from.0 && *at < to.0 && *of <= layer)
        .map(|(at, _)| *at)
        .collect();
    let all = frames(&world.clients[viewer].sink().tracks[1]);
    let decoded: BTreeSet<u64> = all.iter().filter(|f| f.decoded).map(|f| f.capture_us).collect();
    let missing: Vec<&u64> = expected.iter().filter(|at| !decoded.contains(at)).collect();
    assert!(!expected.is_empty());
    assert!(
        missing.is_empty(),
        "viewer {viewer}: {} of {} pictures are missing, the first of {:?}; {:?}",
        missing.len(),
        expected.len(),
        missing[0],
        all.iter().find(|f| f.capture_us == *missing[0]),
    );
}

/// By the newest sender report, RTP times tell the time of capture. Returns how many packets were looked at.
pub fn clocks_agree(world: &mut World, publisher: usize, viewer: usize, since: Time) -> usize {
    let base = world.clients[publisher].source().ntp_base;
    let sink = world.clients[viewer].sink();
    let mut looked_at = 0;
    for (kind, hz) in [(Kind::Audio, 48_000.0), (Kind::Video, 90_000.0)] {
        let track = &sink.tracks[kind as usize];
        for got in track.got.values().filter(|got| usize::from(got.info.publisher) == publisher && got.at >= since) {
            let Some(report) = track.reports.iter().rev().find(|(_, _, at)| *at <= got.at) else { continue };
            let ahead = f64::from(got.timestamp.wrapping_sub(report.1) as i32) / hz;
            let told = report.0.wrapping_sub(base) as i64 as f64 / 4_294_967_296.0 + ahead;
            let off = told - got.info.capture_us as f64 / 1e6;
            assert!(off.abs() < 0.002, "viewer {viewer}, {kind:?}: {:.1} ms off: {got:?}", off * 1e3);
            looked_at += 1;
        }
    }
    looked_at
}

/// Encodings shown one after the other lie on one time line: RTP time minus capture time is constant.
pub fn one_time_line(track: &Track, publisher: usize, since: Time, who: &str) {
    let mut first: Option<i64> = None;
    for got in track.got.values().filter(|got| usize::from(got.info.publisher) == publisher && got.at >= since) {
        let ticks = (u128::from(got.info.capture_us) * 90_000 / 1_000_000) as u32;
        let offset = i64::from(got.timestamp.wrapping_sub(ticks));
        let first = *first.get_or_insert(offset);
        let off = (offset - first) as i32;
        assert!(off.abs() <= 180, "{who}: {off} ticks off the line: {got:?}");
    }
}

/// Picture numbers follow one another as the codec wants it.
pub fn pictures_are_continuous(sink: &Sink, since: Time, thinned: bool, who: &str) {
    let track = &sink.tracks[1];
    let all: Vec<Frame> = frames(track).into_iter().filter(|f| track.got[&f.first].at >= since).collect();
    for pair in all.windows(2) {
        let [a, b] = pair else { continue };
        let (Some(old), Some(new)) = (a.picture, b.picture) else { continue };
        if b.first != a.last + 1 || a.codec != b.codec {
            continue;
        }
        let mask = if a.codec == Codec::Av1 { u16::MAX } else { 0x7FFF };
        let step = new.wrapping_sub(old) & mask;
        let same = (a.publisher, a.encoding, a.number) == (b.publisher, b.encoding, b.number);
        let exact = a.codec == Codec::Vp8 || !thinned;
        let right = if same {
            step == 0
        } else if exact {
            step == 1
        } else {
            (1..=8).contains(&step)
        };
        assert!(right, "{who}: picture {old} is followed by {new}: {a:?} {b:?}");
        if let (Some(old), Some(new)) = (a.tl0, b.tl0) {
            let step = new.wrapping_sub(old);
            let lowest = b.temporal == 0 && !same;
            assert!(step == u8::from(lowest), "{who}: TL0PICIDX {old} is followed by {new}: {a:?} {b:?}");
        }
    }
}

/// Everything that a viewer's run must have, once the network healed at `healed`.
pub fn viewer_is_served(world: &mut World, viewer: usize, healed: Time, thinned: bool) {
    let who = format!("viewer {viewer}");
    let sink = world.clients[viewer].sink();
    assert!(!sink.watching.video || !sink.tracks[1].got.is_empty(), "{who} has no video");
    assert!(!sink.watching.audio || !sink.tracks[0].got.is_empty(), "{who} has no audio");
    for track in &sink.tracks {
        order_is_kept(track, thinned, &who);
    }
    numbers_are_whole(&sink.tracks[1], healed, &who);
    switches_are_clean(&sink.tracks[1], &who);
    // The first picture may have overtaken the end of the handshake.
    let joined = sink.tracks[1].got.values().map(|got| got.at).min().unwrap_or_default();
    all_decode(&sink.tracks[1], healed.max(joined + Span::secs(2)), &who);
    time_goes_on(&sink.tracks[1], healed, &who);
    pictures_are_continuous(sink, healed, thinned, &who);
}
