//! Writing: our own events, and the hub's with another id. Nothing written here can break out of its line.

use super::split;

/// A comment that keeps idle connections open and that every client ignores.
pub const KEEP_ALIVE: &[u8] = b": \n\n";

/// Appends one event. `data` may have line breaks of any kind; they arrive as `\n`. An `id` or `event` with a line
/// break or NUL is left out, since it could not be read back.
pub fn write_event(out: &mut Vec<u8>, id: Option<&[u8]>, event: Option<&[u8]>, data: &[u8]) {
    if let Some(event) = event {
        write_line(out, b"event", event);
    }
    if let Some(id) = id {
        write_line(out, b"id", id);
    }
    let mut rest = Some(data);
    while let Some(bytes) = rest {
        let end = memchr::memchr2(b'\n', b'\r', bytes);
        let (value, next) = match end {
            None => (bytes, None),
            Some(at) if bytes[at..].starts_with(b"\r\n") => (&bytes[..at], Some(&bytes[at + 2..])),
            Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
        };
        write_line(out, b"data", value);
        rest = next;
    }
    out.push(b'\n');
}

/// Appends a `retry:` line as an event of its own: how long a client waits before it comes back, in milliseconds.
pub fn write_retry(out: &mut Vec<u8>, milliseconds: u32) {
    out.extend_from_slice(format!("retry: {milliseconds}\n\n").as_bytes());
}

/// Appends the event `block`, line by line as it is, but with `id` in place of each `id:` line, or without them. An event
/// without one gets none: ids are the hub's to give.
pub fn copy_with_id(out: &mut Vec<u8>, block: &[u8], id: Option<&[u8]>) {
    for line in split::lines(block).filter(|line| !line.is_empty()) {
        match (split::field(line), id) {
            ((b"id", _), Some(id)) => write_line(out, b"id", id),
            ((b"id", _), None) => {}
            _ => {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
        }
    }
    out.push(b'\n');
}

/// Appends the event `block`, line by line as it is, but with `data` in place of its `data:` lines.
pub fn replace_data(out: &mut Vec<u8>, block: &[u8], data: &[u8]) {
    let kept = |line: &&[u8]| !line.is_empty() && split::field(line).0 != b"data";
    for line in split::lines(block).filter(kept) {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    write_event(out, None, None, data);
}

fn write_line(out: &mut Vec<u8>, field: &[u8], value: &[u8]) {
    if value.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0)) && field != b"data" {
        return;
    }
    out.extend_from_slice(field);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.push(b'\n');
}
