//! Where does one event of a stream end?

/// One event of an SSE stream, or one block of comments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Value of the last `id:` line.
    pub id: Option<String>,
    /// Value of `event:`; `message` when absent, as a browser reads it.
    pub name: Option<String>,
    /// The `data:` lines, joined by newlines.
    pub data: String,
    /// Value of `retry:`, in milliseconds.
    pub retry: Option<u64>,
    /// Comment lines without their colon.
    pub comments: Vec<String>,
}

impl Event {
    /// The data as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap_or_default()
    }
}

/// Cuts the bytes of an SSE stream into events, however the network cut them.
#[derive(Debug, Default)]
pub struct SseParser {
    unread: Vec<u8>,
    event: Event,
    data: Option<String>,
}

impl SseParser {
    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// Whether nothing of a torn event is left over.
    pub fn is_at_boundary(&self) -> bool {
        self.unread.is_empty() && self.data.is_none() && self.event == Event::default()
    }

    /// The next whole event, if its closing blank line has arrived.
    pub fn event(&mut self) -> Option<Event> {
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            if !line.is_empty() {
                self.line(line);
                continue;
            }
            let data = self.data.take();
            let mut event = std::mem::take(&mut self.event);
            let is_something = data.is_some() || event != Event::default();
            if is_something {
                event.data = data.unwrap_or_default();
                return Some(event);
            }
        }
        None
    }

    fn line(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => self.event.comments.push(value.to_owned()),
            "id" => self.event.id = Some(value.to_owned()),
            "event" => self.event.name = Some(value.to_owned()),
            "retry" => self.event.retry = value.parse().ok(),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However the bytes are cut, the events are the same.
    fn check(stream: &str, expected: &[Event]) {
        for size in 1..=stream.len() {
            let mut parser = SseParser::default();
            let mut events = Vec::new();
            for piece in stream.as_bytes().chunks(size) {
                parser.push(piece);
                events.extend(std::iter::from_fn(|| parser.event()));
            }
            assert_eq!(events, expected, "cut every {size} bytes");
        }
    }

    #[test]
    fn events_are_read_whole() {
        let priming = Event { id: Some("7".into()), retry: Some(3000), ..Event::default() };
        let lines = Event { name: Some("message".into()), data: "{\n}".into(), ..Event::default() };
        let comment = Event { comments: vec!["keep".into()], ..Event::default() };
        check(
            "id: 7\nretry: 3000\ndata: \n\n\n: keep\n\nevent: message\r\ndata: {\r\ndata:}\r\n\r\ndata: torn",
            &[priming, comment, lines],
        );
    }
}
