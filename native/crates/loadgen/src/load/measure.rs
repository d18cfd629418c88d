//! A `measure`: counts and latencies between two moments, printed when the last frame of it has settled.

use super::{Load, MS};
use crate::peer::{State, Totals};
use crate::summary::{Object, percentile};
use crate::sys;
use crate::video::Findings;

/// After this the last viewer has a frame, or it is lost.
const SETTLED: i64 = 300 * MS;

/// A `measure` under way.
pub(super) struct Measure {
    pub(super) began: i64,
    pub(super) until: i64,
    pub(super) totals: Totals,
    pub(super) end: Option<(Totals, i64, i64)>,
    pub(super) cpu: i64,
    pub(super) frame: u32,
    pub(super) last: Vec<i64>,
    pub(super) key_last: Vec<i64>,
    pub(super) each: Vec<i64>,
    pub(super) incomplete: u64,
    pub(super) findings: Findings,
}

impl Load {
    pub(super) fn findings(&self) -> Findings {
        let mut sum = Findings::default();
        for checker in self.peers.iter().filter_map(|peer| peer.checker.as_ref()) {
            sum.packets += checker.findings.packets;
            sum.frames += checker.findings.frames;
            sum.lost += checker.findings.lost;
            sum.reordered += checker.findings.reordered;
            sum.wrong += checker.findings.wrong;
        }
        sum
    }

    pub(super) fn look_at_measure(&mut self) {
        let (Some(measure), Some(source)) = (&mut self.measure, &self.source) else {
            return;
        };
        let now = sys::now();
        let settled = sys::wall() - SETTLED;
        while let Some(frame) = source.by_number(measure.frame).filter(|frame| frame.sent != 0 && frame.sent < settled)
        {
            measure.frame += 1;
            if frame.arrived < frame.expected || frame.expected == 0 {
                measure.incomplete += 1;
            } else if frame.key {
                measure.key_last.push(frame.latest - frame.sent);
            } else {
                measure.last.push(frame.latest - frame.sent);
            }
        }
        if now >= measure.until && measure.end.is_none() {
            measure.end = Some((self.totals, now, sys::cpu()));
        }
        if now < measure.until + SETTLED + SETTLED / 4 {
            return;
        }
        if let Some(measure) = self.measure.take() {
            self.print_measure(measure);
        }
    }

    pub(super) fn print_measure(&self, mut measure: Measure) {
        let Some((end, ended, cpu)) = measure.end else {
            return;
        };
        let begin = measure.totals;
        let found = self.findings();
        let seconds = (ended - measure.began) as f64 / 1e9;
        let connected = self.peers.iter().skip(1).filter(|peer| peer.state == State::Connected).count();
        let dropped = self.peers.iter().filter(|peer| peer.connected != 0 && peer.state == State::Failed).count();
        Object::new("measured")
            .number("seconds", seconds)
            .count("viewers", connected as u64)
            .count("viewers_lost", dropped as u64)
            .count("packets", end.packets - begin.packets)
            .count("trains", end.trains - begin.trains)
            .number("packets_per_s", (end.packets - begin.packets) as f64 / seconds)
            .count("retransmitted", end.retransmitted - begin.retransmitted)
            .count("padding_checked", end.padding - begin.padding)
            .count("feedback_sent", end.feedback_out - begin.feedback_out)
            .count("checks_sent", end.checks_out - begin.checks_out)
            .count("checks_answered", end.checks_answered - begin.checks_answered)
            .count("reports_received", end.reports_in - begin.reports_in)
            .count("keyframes_asked", end.keyframes_asked - begin.keyframes_asked)
            .count("publisher_nacked", end.nacked - begin.nacked)
            .count("unsent", end.unsent - begin.unsent)
            .number("client_core_share", (cpu - measure.cpu) as f64 / 1e9 / seconds)
            .count("checked_viewers", self.peers.iter().filter(|peer| peer.checker.is_some()).count() as u64)
            .count("checked_packets", found.packets - measure.findings.packets)
            .count("checked_frames", found.frames - measure.findings.frames)
            .count("lost", found.lost - measure.findings.lost)
            .count("reordered", found.reordered - measure.findings.reordered)
            .count("wrong", found.wrong + end.forged + end.reports_bad + end.strangers)
            .count("forged", end.forged)
            .count("reports_bad", end.reports_bad)
            .count("strangers", end.strangers)
            .count("byes", end.byes)
            .count("frames", measure.last.len() as u64)
            .count("frames_incomplete", measure.incomplete)
            .number("offsets_differ", self.offsets_differ)
            .ms("last_viewer_ms_p50", percentile(&mut measure.last, 0.5))
            .ms("last_viewer_ms_p99", percentile(&mut measure.last, 0.99))
            .ms("any_viewer_ms_p50", percentile(&mut measure.each, 0.5))
            .ms("any_viewer_ms_p99", percentile(&mut measure.each, 0.99))
            .ms("key_last_viewer_ms_p99", percentile(&mut measure.key_last, 0.99))
            .print();
    }
}
