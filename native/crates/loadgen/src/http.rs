//! One HTTP/1.1 POST on a connection of its own, as each viewer's browser makes it.
//!
//! A machine over a non-blocking TcpStream; it knows only what a WHIP or WHEP answer needs.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, RawFd};

const MAX_ANSWER: usize = 128 * 1024;

pub struct Post {
    /// Whose it is: the caller's number.
    pub owner: usize,
    stream: TcpStream,
    request: Vec<u8>,
    written: usize,
    answer: Vec<u8>,
}

pub enum Progress {
    /// Wait until it can be read (false) or written (true).
    Wait(bool),
    Done {
        status: u16,
        body: String,
    },
    Failed(String),
}

impl Post {
    /// Loopback connects at once or not at all, so the connect may block.
    pub fn open(owner: usize, server: SocketAddr, path: &str, offer: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(server).map_err(|error| format!("{server}: {error}"))?;
        stream.set_nonblocking(true).map_err(|error| error.to_string())?;
        let _ = stream.set_nodelay(true);
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/sdp\r\nAuthorization: Bearer bench\r\n\
             Content-Length: {}\r\n\r\n{offer}",
            offer.len()
        );
        Ok(Self { owner, stream, request: request.into_bytes(), written: 0, answer: Vec::new() })
    }

    pub fn fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    pub fn advance(&mut self) -> Progress {
        while self.written < self.request.len() {
            match self.stream.write(&self.request[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Wait(true),
                Err(error) => return Progress::Failed(error.to_string()),
            }
        }
        let mut buffer = [0; 16_384];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Progress::Failed("the server closed the connection".to_owned()),
                Ok(count) => self.answer.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Progress::Wait(false);
                }
                Err(error) => return Progress::Failed(error.to_string()),
            }
            if let Some((status, body)) = whole(&self.answer) {
                return Progress::Done { status, body };
            }
            if self.answer.len() > MAX_ANSWER {
                return Progress::Failed("an endless answer".to_owned());
            }
        }
    }
}

/// Status and body, once all of it is there.
fn whole(answer: &[u8]) -> Option<(u16, String)> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let length: usize = head
        .lines()
        .find_map(|line| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")))
        .map_or(Some(0), |(_, value)| value.trim().parse().ok())?;
    let body = answer.get(end + 4..end + 4 + length)?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, String::from_utf8_lossy(body).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn an_answer_is_whole_with_its_body() {
        assert_eq!(whole(b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nab"), None);
        let got = whole(b"HTTP/1.1 201 Created\r\ncontent-length: 3\r\n\r\nabc");
        assert_eq!(got, Some((201, "abc".to_owned())));
    }
}
