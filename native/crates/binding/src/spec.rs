//! What Python says of rooms and peers, checked and in the words of `sfu::api`.
//!
//! Plain tuples come in (their layout is in `_native.pyi`); anything out of range is a ValueError.

use std::net::{IpAddr, SocketAddr};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use sfu::api::{Codec, Digest, Extensions, Kind, PayloadType, Reason, Section, SlotSpec};

/// SSRC, SSRC of retransmissions, first sequence number, first timestamp.
pub type Slot = (u32, u32, u16, u32);

/// Kind, mid, payload types, extension ids, SSRCs, RIDs, nack, pli, transport-cc, remb.
pub type SectionTuple =
    (String, String, Vec<(u8, String, Option<u8>)>, Vec<u8>, Vec<u32>, Vec<String>, bool, bool, bool, bool);

pub fn slot((ssrc, rtx_ssrc, first_seq, first_timestamp): Slot) -> SlotSpec {
    SlotSpec { ssrc, rtx_ssrc, first_seq, first_timestamp }
}

pub fn section(tuple: SectionTuple) -> PyResult<Section> {
    let (kind, mid, payload_types, ids, ssrcs, rids, nack, pli, transport_cc, remb) = tuple;
    let payload_types = payload_types
        .into_iter()
        .map(|(number, name, rtx)| Ok(PayloadType { number, codec: codec(&name)?, rtx }))
        .collect::<PyResult<_>>()?;
    let kind = match kind.as_str() {
        "audio" => Kind::Audio,
        "video" => Kind::Video,
        other => {
            return Err(PyValueError::new_err(format!("no such kind of media: {other}")));
        }
    };
    Ok(Section { kind, mid, payload_types, extensions: extensions(&ids)?, ssrcs, rids, nack, pli, transport_cc, remb })
}

/// Ids in the order of `EXTENSIONS` in `streamserver/media/abilities.py`.
fn extensions(ids: &[u8]) -> PyResult<Extensions> {
    let &[transport_cc, abs_capture_time, mid, rid, repaired_rid, dependency_descriptor, video_orientation] = ids
    else {
        return Err(PyValueError::new_err("seven extension ids are wanted"));
    };
    Ok(Extensions { transport_cc, abs_capture_time, mid, rid, repaired_rid, dependency_descriptor, video_orientation })
}

fn codec(name: &str) -> PyResult<Codec> {
    Ok(match name {
        "OPUS" => Codec::Opus,
        "H264" => Codec::H264,
        "VP8" => Codec::Vp8,
        "VP9" => Codec::Vp9,
        "AV1" => Codec::Av1,
        other => return Err(PyValueError::new_err(format!("no such codec: {other}"))),
    })
}

pub fn fingerprint((algorithm, digest): (String, Vec<u8>)) -> PyResult<(Digest, Vec<u8>)> {
    let digest_kind = match algorithm.as_str() {
        "sha-256" => Digest::Sha256,
        "sha-384" => Digest::Sha384,
        "sha-512" => Digest::Sha512,
        other => return Err(PyValueError::new_err(format!("no such digest: {other}"))),
    };
    Ok((digest_kind, digest))
}

pub fn reason(word: &str) -> PyResult<Reason> {
    Reason::ALL
        .into_iter()
        .find(|reason| reason.as_str() == word)
        .ok_or_else(|| PyValueError::new_err(format!("no such reason: {word}")))
}

pub fn addresses(pairs: Vec<(String, u16)>) -> PyResult<Vec<SocketAddr>> {
    pairs.into_iter().map(|(host, port)| Ok(SocketAddr::new(address(&host)?, port))).collect()
}

pub fn address(host: &str) -> PyResult<IpAddr> {
    host.parse().map_err(|_| PyValueError::new_err(format!("not an IP address: {host}")))
}
