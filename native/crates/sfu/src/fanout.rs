//! The hot loop: one batch to every viewer of an encoding, sealed per viewer, sent as datagram trains.
//!
//! Viewers with the same payload type, key size and extension ids (a *layout*) share one plaintext, so a viewer costs
//! one copy and one encryption per packet and one send per train. Knows keys and bytes; no rooms and no decisions.

use crate::api::{Codec, Extensions};
use crate::io::{MAX_SEGMENTS, MAX_TRAIN_BYTES, Route, Transmit};
use crate::packet::{Batch, Packet};
use crate::rtp::{self, Outgoing};
use crate::srtp::Sealer;
use crate::time::Time;
use crate::twcc::SendHistory;
use crate::viewer::{Step, Stream};

/// RTP padding counts itself in one byte.
const MAX_PADDING: usize = 200;

/// What makes two viewers' packets the same plaintext of the same length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub payload_type: u8,
    pub tag: u8,
    pub extensions: Extensions,
}

impl Layout {
    pub fn new(payload_type: u8, tag: usize, extensions: &Extensions) -> Self {
        // Only what the send path writes tells layouts apart.
        let extensions = Extensions { mid: 0, rid: 0, repaired_rid: 0, ..*extensions };
        Self { payload_type, tag: tag as u8, extensions }
    }
}

/// Where one packet stands in the plaintext.
#[derive(Clone, Copy, Debug)]
struct Spot {
    at: u32,
    /// Bytes with padding, without the tag.
    bytes: u16,
    header: u16,
    /// Offset of the transport-wide number within the packet; 0 when there is none.
    transport: u16,
    /// Offset of the dependency descriptor's frame number; 0 when there is none.
    frame_number: u16,
    /// Offset where padding begins, from the packet's start.
    payload_end: u16,
}

/// Packets `first..last` of a batch, sent as one train of equal segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Train {
    pub first: usize,
    pub last: usize,
    /// Bytes of every packet but the last, tag included.
    pub segment: usize,
    pub bytes: usize,
}

/// A batch in clear for one layout, numbers left open.
#[derive(Debug, Default)]
pub struct Plain {
    bytes: Vec<u8>,
    spots: Vec<Spot>,
    trains: Vec<Train>,
}

impl Plain {
    pub fn build(&mut self, batch: &Batch, layout: &Layout, ssrc: u32) {
        self.bytes.clear();
        self.spots.clear();
        self.trains.clear();
        let tag = usize::from(layout.tag);
        let mut sizes: Vec<usize> = Vec::with_capacity(batch.packets.len());
        let mut scratch: Vec<u8> = Vec::with_capacity(64);
        for packet in &batch.packets {
            scratch.clear();
            let header = write_header(&mut scratch, packet, layout, ssrc, 0, packet.timestamp);
            sizes.push(header + packet.payload.len() + tag);
        }
        plan_trains(&sizes, &mut self.trains);
        let trains = std::mem::take(&mut self.trains);
        for train in &trains {
            let members = batch.packets.iter().zip(&sizes).enumerate().take(train.last).skip(train.first);
            for (position, (packet, size)) in members {
                let padding = if position + 1 == train.last { 0 } else { train.segment - size };
                let at = self.bytes.len();
                let header = write_header(&mut self.bytes, packet, layout, ssrc, 0, packet.timestamp);
                if padding > 0 {
                    self.bytes[at] |= 0x20;
                }
                let body = at + header;
                self.bytes.extend_from_slice(&packet.payload);
                let payload_end = self.bytes.len() - at;
                if padding > 0 {
                    self.bytes.resize(self.bytes.len() + padding - 1, 0);
                    self.bytes.push(padding as u8);
                }
                let (transport, frame_number) = number_offsets(&self.bytes[at..], packet, layout);
                self.spots.push(Spot {
                    at: at as u32,
                    bytes: (self.bytes.len() - at) as u16,
                    header: (body - at) as u16,
                    transport: transport as u16,
                    frame_number: frame_number as u16,
                    payload_end: payload_end as u16,
                });
            }
        }
        self.trains = trains;
    }
}

/// Writes the header of a packet in a layout; the transport-wide number is the first element, then the descriptor.
pub fn write_header(out: &mut Vec<u8>, packet: &Packet, layout: &Layout, ssrc: u32, seq: u16, timestamp: u32) -> usize {
    let extensions = &layout.extensions;
    let orientation = [packet.orientation.unwrap_or(0)];
    let mut elements: [(u8, &[u8]); 4] = [(0, &[]); 4];
    let mut count = 0;
    let mut push = |id: u8, value| {
        elements[count] = (id, value);
        count += 1;
    };
    if extensions.transport_cc != 0 {
        push(extensions.transport_cc, &[0u8, 0][..]);
    }
    if let Some(descriptor) = packet.descriptor.as_deref().filter(|_| extensions.dependency_descriptor != 0) {
        push(extensions.dependency_descriptor, descriptor);
    }
    if let Some(capture) = packet.capture.as_deref().filter(|_| extensions.abs_capture_time != 0) {
        push(extensions.abs_capture_time, capture);
    }
    if packet.orientation.is_some() && extensions.video_orientation != 0 {
        push(extensions.video_orientation, &orientation);
    }
    let head =
        Outgoing { payload_type: layout.payload_type, marker: packet.marker, padding: false, seq, timestamp, ssrc };
    rtp::write_header(out, &head, &elements[..count])
}

/// Split packets of these sizes into trains: UDP segmentation needs equal sizes, the last one of a train excepted.
/// A packet is padded by at most 200 bytes; order is kept and every packet is in exactly one train.
pub fn plan_trains(sizes: &[usize], trains: &mut Vec<Train>) {
    let mut first = 0;
    while first < sizes.len() {
        let mut segment = sizes[first];
        let mut smallest = segment;
        let mut last = first + 1;
        while last < sizes.len() && last - first < MAX_SEGMENTS {
            let size = sizes[last];
            let grown = segment.max(size);
            if grown - smallest > MAX_PADDING || grown * (last - first + 1) > MAX_TRAIN_BYTES {
                break;
            }
            last += 1;
            if size < segment {
                // The shorter one may close the train as it is, or stay inside it padded.
                if segment - size > MAX_PADDING {
                    break;
                }
                smallest = smallest.min(size);
            }
            segment = grown;
        }
        let bytes = segment * (last - first - 1) + sizes[last - 1];
        trains.push(Train { first, last, segment, bytes });
        first = last;
    }
}

/// Totals of one call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    pub packets: u64,
    pub bytes: u64,
    pub trains: u64,
}

/// What `send` needs of a viewer.
pub struct Target<'a> {
    pub stream: &'a mut Stream,
    pub sealer: &'a Sealer,
    pub history: Option<&'a mut SendHistory>,
    pub route: Route,
}

/// Send a batch, from its packet `from` on, to one viewer.
pub fn send(
    batch: &Batch,
    plain: &Plain,
    tag: usize,
    from: usize,
    target: &mut Target<'_>,
    now: Time,
    tx: &mut impl Transmit,
) -> Sent {
    let mut sent = Sent::default();
    let mut transport = target.history.as_ref().map_or(0, |history| history.next());
    for train in &plain.trains {
        if train.last <= from {
            continue;
        }
        let buffer = tx.buffer(train.segment * (train.last - train.first));
        let mut end = 0;
        let mut count: u16 = 0;
        for position in train.first.max(from)..train.last {
            let packet = &batch.packets[position];
            let Step::Send { index, marker } = target.stream.step(packet) else { continue };
            let spot = plain.spots[position];
            let bytes = usize::from(spot.bytes);
            let source = &plain.bytes[spot.at as usize..spot.at as usize + bytes];
            let out = &mut buffer[end..end + bytes + tag];
            out[..bytes].copy_from_slice(source);
            if marker {
                out[1] |= 0x80;
            }
            out[2..4].copy_from_slice(&(index as u16).to_be_bytes());
            let timestamp = target.stream.timestamp(batch.encoding, packet);
            if timestamp != packet.timestamp {
                out[4..8].copy_from_slice(&timestamp.to_be_bytes());
            }
            if spot.transport != 0 {
                let at = usize::from(spot.transport);
                out[at..at + 2].copy_from_slice(&transport.to_be_bytes());
                transport = transport.wrapping_add(1);
            }
            if !target.stream.ids.is_identity() {
                patch(batch.codec, out, &spot, target.stream);
            }
            target.sealer.seal_rtp(out, usize::from(spot.header), index);
            end += bytes + tag;
            count += 1;
        }
        if count == 0 {
            continue;
        }
        if let Some(history) = target.history.as_deref_mut() {
            history.sent(count, (end / usize::from(count)) as u16, now);
        }
        tx.commit(target.route, end, train.segment);
        sent.packets += u64::from(count);
        sent.bytes += end as u64;
        sent.trains += 1;
    }
    target.stream.packets += sent.packets;
    target.stream.octets += sent.bytes;
    sent
}

/// Offsets of the transport-wide number and of the descriptor's frame number in a packet that `write_header` began; 0
/// for what it does not have.
pub fn number_offsets(header: &[u8], packet: &Packet, layout: &Layout) -> (usize, usize) {
    let element = if header.get(12) == Some(&0x10) { 2 } else { 1 };
    let mut offset = 16;
    let mut transport = 0;
    if layout.extensions.transport_cc != 0 {
        transport = offset + element;
        offset += element + 2;
    }
    // The descriptor is the second element; its frame number follows the first byte (AV1 RTP, A.8.2).
    let frame_number = match &packet.descriptor {
        Some(dd) if layout.extensions.dependency_descriptor != 0 && dd.len() >= 3 => offset + element + 1,
        _ => 0,
    };
    (transport, frame_number)
}

/// Move the frame number at `at` of a packet; nothing when it has none.
pub fn patch_frame_number(packet: &mut [u8], at: usize, picture: u16) {
    if at != 0
        && let Some(bytes) = packet.get_mut(at..at + 2)
    {
        let number = u16::from_be_bytes([bytes[0], bytes[1]]).wrapping_add(picture);
        bytes.copy_from_slice(&number.to_be_bytes());
    }
}

/// Picture numbers of the codec in a payload beginning at `start`, moved so that the decoder sees no break.
/// AV1 has its number in the descriptor, which is in the header.
pub fn patch_payload(codec: Codec, packet: &mut [u8], start: usize, (picture, tl0): (u16, u8)) {
    if picture == 0 && tl0 == 0 {
        return;
    }
    let Some(payload) = packet.get_mut(start..) else { return };
    match codec {
        Codec::Vp8 => crate::codec::patch_vp8(payload, picture, tl0),
        Codec::Vp9 => patch_vp9(payload, picture, tl0),
        _ => {}
    }
}

fn patch(codec: Codec, out: &mut [u8], spot: &Spot, stream: &Stream) {
    if codec == Codec::Av1 {
        return patch_frame_number(out, usize::from(spot.frame_number), stream.ids.picture);
    }
    let end = usize::from(spot.payload_end);
    if let Some(packet) = out.get_mut(..end) {
        patch_payload(codec, packet, usize::from(spot.header), (stream.ids.picture, stream.ids.tl0));
    }
}

/// Add to the picture id and TL0PICIDX of a VP9 payload (RFC 9628 section 4.2); each wraps in the width it has.
fn patch_vp9(payload: &mut [u8], picture: u16, tl0: u8) {
    let Some(descriptor) = crate::codec::vp9::read(payload) else { return };
    let mut at = 1;
    if let Some(id) = descriptor.picture_id {
        let id = id.wrapping_add(picture);
        match payload.get_mut(at..) {
            Some([high, low, ..]) if *high & 0x80 != 0 => {
                [*high, *low] = (id | 0x8000).to_be_bytes();
                at += 2;
            }
            Some([only, ..]) => {
                *only = id as u8 & 0x7F;
                at += 1;
            }
            _ => return,
        }
    }
    if let Some(index) = descriptor.tl0_pic_idx
        && let Some(byte) = payload.get_mut(at + 1)
    {
        *byte = index.wrapping_add(tl0);
    }
}
