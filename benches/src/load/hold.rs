//! What does an endpoint need for things that are there and do nothing?
//!
//! Owns the opening of idle sessions, streams and connections. Whoever calls it reads the endpoint's memory and lets
//! go of what it was given.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};

use super::client::{handshake, open, roundtrip};
use crate::case::Era;
use crate::wire::requests;
use crate::wire::step::Step;

/// Sessions that are opened over one connection: endpoints close those that have served for long.
const HANDSHAKES_PER_CONNECTION: usize = 100;

/// Threads that open them: each spends most of its time waiting for an answer.
const THREADS: usize = 8;

/// What is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Kind {
    /// Legacy sessions, without a connection.
    Sessions,
    /// Legacy sessions that listen: each has a connection with a GET whose stream says nothing.
    Streams,
    /// Keep-alive connections that have carried one modern request each.
    Connections,
}

/// Opens so many of them. The connections are open as long as the caller keeps them; sessions stay.
///
/// # Errors
/// When the endpoint does not open one of them.
pub fn hold(target: SocketAddr, kind: Kind, count: usize) -> Result<Vec<TcpStream>> {
    let share = count.div_ceil(THREADS);
    thread::scope(|scope| {
        let starts = (0..count).step_by(share.max(1));
        let threads: Vec<_> = starts
            .map(|first| scope.spawn(move || open_some(target, kind, share.min(count - first))))
            .collect();
        let mut held = Vec::with_capacity(count);
        for thread in threads {
            let some = thread.join().map_err(|_| anyhow!("a thread that opens connections panicked"))?;
            held.append(&mut some?);
        }
        Ok(held)
    })
}

fn open_some(target: SocketAddr, kind: Kind, count: usize) -> Result<Vec<TcpStream>> {
    let authority = target.to_string();
    let mut held = Vec::new();
    if kind == Kind::Connections {
        let request = Step::Call.request(Era::Modern, &authority, None);
        for n in 0..count {
            let stream = open(target)?;
            let (status, _) =
                roundtrip(&stream, request.bytes()).with_context(|| format!("using connection {n}"))?;
            ensure!(status == 200, "connection {n}: status {status}");
            held.push(stream);
        }
        return Ok(held);
    }
    for first in (0..count).step_by(HANDSHAKES_PER_CONNECTION) {
        let stream = open(target)?;
        let begun = held.len();
        for n in first..count.min(first + HANDSHAKES_PER_CONNECTION) {
            let session = handshake(&stream, &authority).with_context(|| format!("opening session {n}"))?;
            if kind == Kind::Streams {
                let mut stream = open(target)?;
                stream.write_all(&requests::listen(&authority, &session)).context("writing a request")?;
                held.push(stream);
            }
        }
        // Only now: a proxy may keep the head of a stream for 200 ms, in the hope of more.
        for (n, stream) in held.iter_mut().enumerate().skip(begun) {
            read_head(stream).with_context(|| format!("opening stream {n}"))?;
        }
    }
    Ok(held)
}

/// Waits for the head of a stream.
fn read_head(stream: &mut TcpStream) -> Result<()> {
    let (mut buffer, mut filled) = ([0; 2048], 0);
    while memchr::memmem::find(&buffer[..filled], b"\r\n\r\n").is_none() {
        let read = stream.read(&mut buffer[filled..]).context("reading the head of a stream")?;
        ensure!(read > 0, "the endpoint closed the connection");
        filled += read;
    }
    let line = String::from_utf8_lossy(&buffer[..filled.min(40)]);
    ensure!(line.starts_with("HTTP/1.1 200"), "GET was answered with {line}");
    Ok(())
}
