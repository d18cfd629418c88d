//! `media-load`: one publisher and many viewers against a WHIP and WHEP server, for `bench/media`.
//!
//! Commands come on standard input, one a line; results leave on standard output as JSON, one object a line:
//! `publish` | `rate FRAMES_PER_S` | `join COUNT` | `measure SECONDS` | `quit`.

mod certificate;
mod feedback;
mod floor;
mod http;
mod load;
mod peer;
mod rtp;
mod sdp;
mod srtp;
mod stun;
mod summary;
mod sys;
mod video;

use load::{Load, Options};

const USAGE: &str = "usage: media-load --server HOST:PORT --publisher-offer FILE --viewer-offer FILE [--room NAME]
  [--core N] [--connections N] [--sample N] [--packets N] [--dtls12] [--remb]
   or: media-load floor [--viewers N] [--packets N] [--size BYTES] [--rate FRAMES_PER_S] [--seconds S] [--batch N]
  [--cores SENDER,RECEIVERS]";

fn options() -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    let read = |path: String| std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"));
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--dtls12" => options.dtls12 = true,
            "--remb" => options.remb_only = true,
            _ => {
                let value = arguments.next().ok_or(format!("{name} needs a value\n{USAGE}"))?;
                let number = || value.parse::<usize>().map_err(|_| format!("{name} needs a number"));
                match name.as_str() {
                    "--server" => options.server = Some(value.parse().map_err(|_| "--server needs HOST:PORT")?),
                    "--publisher-offer" => options.publisher_offer = read(value)?,
                    "--viewer-offer" => options.viewer_offer = read(value)?,
                    "--room" => options.room = value,
                    "--core" => options.core = Some(number()?),
                    "--connections" => options.connections = number()?.clamp(1, 512),
                    "--sample" => options.sample = number()?,
                    "--packets" => options.packets = number()?.clamp(1, 100),
                    _ => return Err(format!("unknown: {name}\n{USAGE}")),
                }
            }
        }
    }
    if options.server.is_none() || options.publisher_offer.is_empty() || options.viewer_offer.is_empty() {
        return Err(USAGE.to_owned());
    }
    Ok(options)
}

fn floor_options(mut arguments: impl Iterator<Item = String>) -> Result<floor::Options, String> {
    let mut options = floor::Options {
        viewers: 1000,
        packets: 9,
        size: 1200,
        frames_per_s: 30.0,
        seconds: 3.0,
        batch: 1,
        cores: None,
    };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        let real = value.parse::<f64>().ok().filter(|number| (0.01..=1e6).contains(number));
        let number = || real.ok_or(format!("{name} needs a number"));
        match name.as_str() {
            "--viewers" => options.viewers = number()?.clamp(1.0, 10_000.0) as usize,
            "--packets" => options.packets = number()?.clamp(1.0, 40.0) as usize,
            "--size" => options.size = number()?.clamp(100.0, 1400.0) as usize,
            "--rate" => options.frames_per_s = number()?,
            "--seconds" => options.seconds = number()?,
            "--batch" => options.batch = number()? as usize,
            "--cores" => {
                let cores = value.split_once(',').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                options.cores = Some(cores.ok_or("--cores needs two numbers")?);
            }
            _ => return Err(format!("unknown: {name}\n{USAGE}")),
        }
    }
    Ok(options)
}

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    let outcome = if arguments.next_if(|word| word == "floor").is_some() {
        floor_options(arguments).and_then(|options| floor::run(&options))
    } else {
        load()
    };
    if let Err(error) = outcome {
        eprintln!("media-load: {error}");
        std::process::exit(1);
    }
}

fn load() -> Result<(), String> {
    options().and_then(Load::new).and_then(|mut load| load.run())
}
