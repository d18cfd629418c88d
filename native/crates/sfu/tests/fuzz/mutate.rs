//! A mutator that knows nothing of structure but lengths and the numbers that break things.

use super::support::Rng;

const MAGIC_8: [u8; 10] = [0, 1, 0x7F, 0x80, 0x81, 0xC0, 0xFF, 0xFE, 0x10, 0x1F];
const MAGIC_16: [u16; 10] = [0, 1, 0x7FFF, 0x8000, 0xFFFF, 0xFFFE, 0xBEDE, 0x1000, 4, 0x0101];
const MAGIC_32: [u32; 6] = [0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x2112_A442];
const MOST_BYTES: usize = 4096;

fn at(bytes: &[u8], rng: &mut Rng) -> usize {
    rng.below(bytes.len().max(1) as u64) as usize
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(value) {
        *to = *from;
    }
}

fn once(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut Rng) {
    let position = at(bytes, rng);
    match rng.below(14) {
        0..=2 => {
            if let Some(byte) = bytes.get_mut(position) {
                *byte ^= 1 << rng.below(8);
            }
        }
        3 => put(bytes, position, &[rng.next() as u8]),
        4 => put(bytes, position, &[MAGIC_8[rng.below(10) as usize]]),
        5 => put(bytes, position, &MAGIC_16[rng.below(10) as usize].to_be_bytes()),
        6 => put(bytes, position, &MAGIC_32[rng.below(6) as usize].to_be_bytes()),
        7 => {
            if let Some(byte) = bytes.get_mut(position) {
                *byte = byte.wrapping_add(rng.below(9) as u8).wrapping_sub(4);
            }
        }
        8 => bytes.truncate(position),
        9 => {
            let end = (position + 1 + rng.below(32) as usize).min(bytes.len());
            bytes.drain(position.min(end)..end);
        }
        10 => {
            let fresh: Vec<u8> = (0..1 + rng.below(16)).map(|_| rng.next() as u8).collect();
            bytes.splice(position.min(bytes.len())..position.min(bytes.len()), fresh);
        }
        11 => {
            // a piece once more, right behind itself
            let end = (position + 1 + rng.below(64) as usize).min(bytes.len());
            let piece = bytes[position.min(end)..end].to_vec();
            bytes.splice(end..end, piece);
        }
        12 => {
            // the beginning of one, the end of another
            let other = &corpus[at_of(corpus.len(), rng)];
            let from = at(other, rng);
            bytes.truncate(position);
            bytes.extend_from_slice(other.get(from..).unwrap_or_default());
        }
        _ => {
            // a piece of another in the middle
            let other = &corpus[at_of(corpus.len(), rng)];
            let from = at(other, rng);
            let end = (from + 1 + rng.below(64) as usize).min(other.len());
            let piece = other.get(from..end).unwrap_or_default().to_vec();
            bytes.splice(position.min(bytes.len())..position.min(bytes.len()), piece);
        }
    }
}

fn at_of(length: usize, rng: &mut Rng) -> usize {
    rng.below(length as u64) as usize
}

pub fn mutate(corpus: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = corpus[at_of(corpus.len(), rng)].clone();
    let rounds = 1 + rng.below(rng.clone().below(12) + 1);
    for _ in 0..rounds {
        once(&mut bytes, corpus, rng);
    }
    bytes.truncate(MOST_BYTES);
    bytes
}
