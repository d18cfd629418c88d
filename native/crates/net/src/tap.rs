//! Encoded frames of tapped rooms out of the batches that their viewers get. Runs on the tap thread, so that nothing
//! here delays a packet.
//!
//! One video per room comes out: of simulcast encodings the best that flows, changed at its keyframes.

use std::collections::HashMap;

use sfu::api::{Codec, Kind, RoomId};
use sfu::frames::{Assembler, Piece};
use sfu::packet::Batch;
use sfu::time::{Span, Time};

/// One encoded frame of a tapped room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub room: RoomId,
    pub codec: Codec,
    pub data: Vec<u8>,
    /// On the room's time line, in ticks of the codec's RTP clock.
    pub timestamp: u32,
    pub keyframe: bool,
    /// When it was captured, by the publisher's clock: NTP time, 32.32 bits. Unknown before the first sender report.
    pub captured_ntp: Option<u64>,
}

/// An encoding that was silent for so long is not waited for.
const SILENT: Span = Span::secs(2);
/// A room that was silent for so long is forgotten, once there are many: nobody tells this thread that it is over.
const FORGOTTEN: Span = Span::secs(60);
const MANY: usize = 64;

/// What is tapped of one room's audio or video.
struct Tap {
    encoding: u8,
    assembler: Assembler,
    seen: Time,
}

#[derive(Default)]
pub struct Taps {
    taps: HashMap<(RoomId, Kind), Tap>,
}

impl Taps {
    /// Takes a batch and appends the frames that it completes.
    pub fn push(&mut self, batch: &Batch, frames: &mut Vec<Frame>) {
        if self.taps.len() >= MANY {
            self.taps.retain(|_, tap| batch.arrived.since(tap.seen) < FORGOTTEN);
        }
        let tap = self.taps.entry((batch.room, batch.kind)).or_insert_with(|| Tap {
            encoding: batch.encoding,
            assembler: Assembler::new(),
            seen: batch.arrived,
        });
        if batch.encoding != tap.encoding {
            let better = batch.encoding > tap.encoding || batch.arrived.since(tap.seen) >= SILENT;
            if !better || batch.keyframe().is_none() {
                return;
            }
            tap.encoding = batch.encoding;
            tap.assembler = Assembler::new();
        }
        tap.seen = batch.arrived;
        for packet in &batch.packets {
            let piece = Piece {
                seq: packet.index,
                timestamp: packet.timestamp,
                marker: packet.marker,
                codec: batch.codec,
                payload: &packet.payload,
            };
            tap.assembler.push(&piece, &mut |frame| {
                frames.push(Frame {
                    room: batch.room,
                    codec: frame.codec,
                    data: frame.data.to_vec(),
                    timestamp: frame.timestamp,
                    keyframe: frame.keyframe,
                    captured_ntp: captured_ntp(batch.clock, frame.timestamp, frame.codec.clock_hz()),
                });
            });
        }
    }
}

/// NTP time of an RTP time, by the sender report `clock` (NTP, RTP time).
fn captured_ntp(clock: Option<(u64, u32)>, timestamp: u32, clock_hz: u32) -> Option<u64> {
    let (ntp, reference) = clock?;
    let ahead = i64::from(timestamp.wrapping_sub(reference) as i32); // the nearer way round
    Some(ntp.wrapping_add_signed((ahead << 32) / i64::from(clock_hz.max(1))))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sfu::codec::Facts;
    use sfu::packet::Packet;

    use super::*;

    /// One VP8 frame of one packet.
    fn batch(encoding: u8, index: u64, keyframe: bool, ms: u64) -> Arc<Batch> {
        let payload: Box<[u8]> = Box::new([0x10, u8::from(!keyframe), encoding, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        let packet = Packet {
            index,
            timestamp: (index as u32) * 3000,
            marker: true,
            facts: Facts { keyframe_start: keyframe, frame_start: true, frame_end: true, ..Facts::default() },
            payload,
            capture: None,
            descriptor: None,
            orientation: None,
        };
        Arc::new(Batch {
            room: 9,
            kind: Kind::Video,
            codec: Codec::Vp8,
            encoding,
            generation: 0,
            packets: vec![packet],
            arrived: Time::from_millis(ms),
            clock: Some((5 << 32, 0)),
        })
    }

    #[test]
    fn the_best_encoding_that_flows_comes_out() {
        let mut taps = Taps::default();
        let mut frames = Vec::new();
        let mut push = |b: Arc<Batch>| {
            taps.push(&b, &mut frames);
            std::mem::take(&mut frames).into_iter().map(|f: Frame| (f.data[1], f.keyframe)).collect::<Vec<_>>()
        };
        assert_eq!(push(batch(0, 10, false, 0)), [], "begins with a keyframe");
        assert_eq!(push(batch(0, 11, true, 10)), [(0, true)]);
        assert_eq!(push(batch(2, 50, false, 20)), [], "a better one, but not decodable yet");
        assert_eq!(push(batch(0, 12, false, 30)), [(0, false)]);
        assert_eq!(push(batch(2, 51, true, 40)), [(2, true)]);
        assert_eq!(push(batch(0, 13, true, 50)), [], "no longer the best");
        assert_eq!(push(batch(2, 52, false, 60)), [(2, false)]);
        assert_eq!(push(batch(1, 9, true, 2059)), [], "not silent for long enough");
        assert_eq!(push(batch(1, 10, true, 2060)), [(1, true)]);
    }

    #[test]
    fn frames_carry_their_capture_time() {
        let (mut taps, mut frames) = (Taps::default(), Vec::new());
        taps.push(&batch(0, 15, true, 0), &mut frames);
        assert_eq!(frames[0].timestamp, 45_000);
        assert_eq!(frames[0].captured_ntp, Some((5 << 32) + (1 << 31)), "half a second after the report");
        assert_eq!(captured_ntp(Some((5 << 32, 90_000)), 0, 90_000), Some(4 << 32), "and before it");
        assert_eq!(captured_ntp(Some((5 << 32, u32::MAX)), 89_999, 90_000), Some(6 << 32), "across the wrap");
        assert_eq!(captured_ntp(None, 0, 90_000), None);
    }
}
