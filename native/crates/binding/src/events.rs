//! What happened, as the tuples that Python reads: the kind, then the facts.

use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use sfu::api::{Codec, Event, Kind, Layer, Moment, Role};

/// Where a room's video was when its newest frame came: RTP time, arrival in microseconds, NTP time of capture.
pub type Timeline = (u32, u64, Option<u64>);

pub fn timeline(moment: Moment) -> Timeline {
    (moment.timestamp, moment.at.0, moment.captured_ntp)
}

/// Empties `events` into a new list.
pub fn to_list<'py>(py: Python<'py>, events: &mut Vec<Event>) -> PyResult<Bound<'py, PyList>> {
    let tuples = events.drain(..).map(|event| to_tuple(py, event)).collect::<PyResult<Vec<_>>>()?;
    PyList::new(py, tuples)
}

fn to_tuple(py: Python<'_>, event: Event) -> PyResult<Bound<'_, PyTuple>> {
    match event {
        Event::Connected { room, peer, role, join } => {
            ("connected", room, peer, role_name(role), join.as_secs_f64()).into_pyobject(py)
        }
        Event::MediaStarted { room, peer } => ("media_started", room, peer).into_pyobject(py),
        Event::Stalled { room, peer } => ("stalled", room, peer).into_pyobject(py),
        Event::Resumed { room, peer } => ("resumed", room, peer).into_pyobject(py),
        Event::Ended { room, peer, role, connected, reason } => {
            ("ended", room, peer, role_name(role), connected, reason.as_str()).into_pyobject(py)
        }
        Event::RoomGone { room } => ("room_gone", room).into_pyobject(py),
        Event::LayerSwitched { room, peer, from, to } => {
            ("layer", room, peer, layer(from), layer(to)).into_pyobject(py)
        }
        Event::CodecChanged { room, codec } => ("codec", room, codec_name(codec)).into_pyobject(py),
    }
}

fn layer(layer: Layer) -> (u8, u8, u8) {
    (layer.encoding, layer.spatial, layer.temporal)
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Publisher => "publisher",
        Role::Viewer => "viewer",
    }
}

pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Audio => "audio",
        Kind::Video => "video",
    }
}

pub fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "OPUS",
        Codec::H264 => "H264",
        Codec::Vp8 => "VP8",
        Codec::Vp9 => "VP9",
        Codec::Av1 => "AV1",
    }
}
