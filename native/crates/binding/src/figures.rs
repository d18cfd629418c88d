//! The threads' counters under the names that are exported, without the project's prefix.

use std::collections::HashMap;
use std::sync::Arc;

use net::Net;
use sfu::counters::Counters;
use sfu::shard::Shard;

pub type Figures = HashMap<String, f64>;

/// All counters of all threads, added up but for what is said of each thread.
pub fn read(net: &Net<Shard>, counters: &[Arc<Counters>]) -> Figures {
    let mut figures = Figures::new();
    let mut waiting = 0;
    for shard in counters {
        shard.collect(&mut |name, value| add(&mut figures, name, value));
        waiting += shard.waiting.get();
    }
    figures.insert("media_fanout_waiting".into(), waiting as f64);
    let mut open = 0.0;
    net.snapshot(|thread, name, value| {
        let value = value as f64;
        match (name, thread) {
            ("busy_us", Some(thread)) => {
                figures.insert(format!("media_thread_busy_seconds_total{{thread=\"{thread}\"}}"), value / 1e6);
            }
            ("send_path_ns", _) => add(&mut figures, "media_send_path_seconds_total", value / 1e9),
            ("lag_max_us", Some(thread)) => {
                figures.insert(format!("media_thread_lag_seconds{{thread=\"{thread}\"}}"), value / 1e6);
            }
            ("streams_accepted", _) => {
                open += value;
                add(&mut figures, "media_tcp_connections_total{outcome=\"accepted\"}", value);
            }
            ("streams_closed", _) => open -= value,
            (name, _) => {
                if let Some(exported) = exported(name) {
                    add(&mut figures, exported, value);
                }
            }
        }
    });
    figures.insert("media_tcp_connections_open".into(), open.max(0.0));
    figures
}

fn exported(name: &str) -> Option<&'static str> {
    Some(match name {
        "datagrams_in" => "media_datagrams_total{direction=\"in\"}",
        "datagrams_out" => "media_datagrams_total{direction=\"out\"}",
        "bytes_in" => "media_datagram_bytes_total{direction=\"in\"}",
        "bytes_out" => "media_datagram_bytes_total{direction=\"out\"}",
        "receive_batches" => "media_socket_calls_total{direction=\"in\"}",
        "sends" => "media_socket_calls_total{direction=\"out\"}",
        "trains_in" => "media_kernel_trains_total{direction=\"in\"}",
        "trains_out" => "media_kernel_trains_total{direction=\"out\"}",
        "gso_refused" => "media_gso_refused_total",
        "handed_over" => "media_handed_over_datagrams_total",
        "socket_full" => "media_dropped_packets_total{reason=\"socket_full\"}",
        "socket_errors" => "media_dropped_packets_total{reason=\"socket_error\"}",
        "no_route" => "media_dropped_packets_total{reason=\"no_route\"}",
        "truncated" => "media_dropped_packets_total{reason=\"truncated\"}",
        "kernel_drops" => "media_dropped_packets_total{reason=\"receive_buffer\"}",
        "handover_full" => "media_dropped_packets_total{reason=\"handover_full\"}",
        "messages_lost" => "media_dropped_packets_total{reason=\"thread_inbox_full\"}",
        "streams_full" => "media_dropped_packets_total{reason=\"tcp_full\"}",
        "failed" => "media_dropped_packets_total{reason=\"failed\"}",
        "streams_refused" => "media_tcp_connections_total{outcome=\"refused\"}",
        "streams_invalid" => "media_tcp_connections_total{outcome=\"invalid\"}",
        "events_lost" => "media_lost_reports_total{what=\"events\"}",
        "frames_lost" => "media_lost_reports_total{what=\"frames\"}",
        "taps_lost" => "media_lost_reports_total{what=\"taps\"}",
        _ => return None,
    })
}

/// A zero is left out where nothing was counted yet: reasons that never happen would be a page of zeros.
fn add(figures: &mut Figures, name: &str, value: f64) {
    match figures.get_mut(name) {
        Some(sum) => *sum += value,
        None if value == 0.0 && name.contains('{') && !name.contains("{le=") => {}
        None => {
            figures.insert(name.to_owned(), value);
        }
    }
}
