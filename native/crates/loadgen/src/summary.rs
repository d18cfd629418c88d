//! Percentiles and one-line JSON objects.

use std::fmt::Write;

/// The value that `share` of them do not exceed (nearest rank); 0 without values.
pub fn percentile(values: &mut [i64], share: f64) -> i64 {
    values.sort_unstable();
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// A JSON object under construction. Keys are ours and need no escapes; texts get them.
pub struct Object(String);

impl Object {
    pub fn new(phase: &str) -> Self {
        Self(format!("{{\"phase\":\"{phase}\""))
    }

    pub fn number(mut self, key: &str, value: impl Into<f64>) -> Self {
        let value: f64 = value.into();
        let _ = write!(self.0, ",\"{key}\":{}", if value.is_finite() { value } else { 0.0 });
        self
    }

    pub fn count(self, key: &str, value: u64) -> Self {
        self.number(key, value as f64)
    }

    /// Nanoseconds, written as milliseconds.
    pub fn ms(self, key: &str, nanoseconds: i64) -> Self {
        self.number(key, nanoseconds as f64 / 1e6)
    }

    pub fn text(mut self, key: &str, value: &str) -> Self {
        let escaped: String = value
            .chars()
            .flat_map(|letter| match letter {
                '"' | '\\' => vec!['\\', letter],
                letter if letter.is_control() => vec![' '],
                letter => vec![letter],
            })
            .collect();
        let _ = write!(self.0, ",\"{key}\":\"{escaped}\"");
        self
    }

    pub fn print(self) {
        use std::io::Write as _;
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{}}}", self.0);
        let _ = out.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let mut values: Vec<i64> = (1..=100).rev().collect();
        assert_eq!((percentile(&mut values, 0.5), percentile(&mut values, 0.99)), (50, 99));
        assert_eq!(percentile(&mut [], 0.5), 0);
    }
}
