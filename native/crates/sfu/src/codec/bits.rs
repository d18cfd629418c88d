//! Reading big-endian bit fields of bounded input.

/// A position in a byte string, by the bit.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// The next `count` bits (at most 32), the first one highest; `None` when there are not that many left.
    pub fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0u64;
        let mut wanted = count;
        while wanted > 0 {
            let byte = *self.bytes.get(self.position / 8)?;
            let left = 8 - (self.position % 8) as u32;
            let used = left.min(wanted);
            let bits = u64::from(byte) >> (left - used) & ((1 << used) - 1);
            value = value << used | bits;
            self.position += used as usize;
            wanted -= used;
        }
        Some(value as u32)
    }

    pub fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    /// A value below `n`, in as few bits as that allows (AV1 specification, 4.10.7 `ns(n)`). `n` is at least 1.
    pub fn non_symmetric(&mut self, n: u32) -> Option<u32> {
        let width = u32::BITS - n.leading_zeros();
        let short = (1u32 << width) - n;
        let value = self.take(width - 1)?;
        if value < short {
            return Some(value);
        }
        Some((value << 1) - short + self.take(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_cross_bytes_and_end_with_the_input() {
        let mut bits = Bits::new(&[0b1010_0110, 0xFF, 0x01]);
        assert_eq!(bits.take(3), Some(0b101));
        assert_eq!(bits.flag(), Some(false));
        assert_eq!(bits.take(12), Some(0b0110_1111_1111));
        assert_eq!(bits.take(9), None);
        assert_eq!(bits.take(0), Some(0));
    }

    #[test]
    fn a_value_below_five_takes_two_or_three_bits() {
        // ns(5): 0, 1, 2 in two bits, 3 and 4 in three
        let mut bits = Bits::new(&[0b0001_1011, 0b0111_0000]);
        let read: Vec<_> = (0..5).map(|_| bits.non_symmetric(5).unwrap()).collect();
        assert_eq!(read, [0, 1, 2, 3, 4]);
        assert_eq!(Bits::new(&[]).non_symmetric(1), Some(0));
    }
}
