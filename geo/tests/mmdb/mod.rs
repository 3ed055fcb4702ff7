//! Writes small databases in MaxMind's format (https://maxmind.github.io/MaxMind-DB/): as much of it as tests need.
#![allow(dead_code, unreachable_pub, missing_docs)]

/// A value of the data section.
#[derive(Clone)]
pub enum Value {
    Text(String),
    Double(f64),
    Number(u32),
    Short(u16),
    Long(u64),
    EmptyArray,
    Map(Vec<(String, Value)>),
}

impl Value {
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub fn map<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        Self::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => {
                control(2, text.len(), out);
                out.extend_from_slice(text.as_bytes());
            }
            Self::Double(number) => {
                control(3, 8, out);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::Number(number) => {
                control(6, 4, out);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::Short(number) => {
                control(5, 2, out);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::Long(number) => {
                // Kinds above 7 are written as 0, and the rest in a byte of its own.
                out.extend_from_slice(&[8, 9 - 7]);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::EmptyArray => out.extend_from_slice(&[0, 11 - 7]),
            Self::Map(fields) => {
                control(7, fields.len(), out);
                for (name, value) in fields {
                    Self::text(name).write(out);
                    value.write(out);
                }
            }
        }
    }
}

fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    if size < 29 {
        out.push(kind << 5 | size as u8);
    } else {
        assert!(size < 29 + 256, "longer values need another form");
        out.extend_from_slice(&[kind << 5 | 29, (size - 29) as u8]);
    }
}

/// A database of IPv4 networks `n.0.0.0/8`, in a tree for IPv4 with records of 24 bits.
pub fn database(kind: &str, networks: &[(u8, Value)]) -> Vec<u8> {
    // Each node has two ways; a way is a node, a network or nothing.
    #[derive(Clone, Copy)]
    enum Way {
        Nothing,
        Node(usize),
        Network(usize),
    }
    let mut nodes = vec![[Way::Nothing; 2]];
    for (at, (network, _)) in networks.iter().enumerate() {
        let mut node = 0;
        for bit in (0..8).rev() {
            let side = usize::from(network >> bit & 1);
            if bit == 0 {
                nodes[node][side] = Way::Network(at);
                continue;
            }
            node = match nodes[node][side] {
                Way::Node(next) => next,
                Way::Nothing => {
                    nodes.push([Way::Nothing; 2]);
                    let next = nodes.len() - 1;
                    nodes[node][side] = Way::Node(next);
                    next
                }
                Way::Network(_) => panic!("networks are all of one size"),
            };
        }
    }
    let (mut data, mut offsets) = (Vec::new(), Vec::new());
    for (_, value) in networks {
        offsets.push(data.len());
        value.write(&mut data);
    }
    let mut out = Vec::new();
    for way in nodes.iter().flatten() {
        let record = match *way {
            Way::Nothing => nodes.len(),
            Way::Node(node) => node,
            Way::Network(at) => nodes.len() + 16 + offsets[at],
        };
        out.extend_from_slice(&(record as u32).to_be_bytes()[1..]);
    }
    out.extend_from_slice(&[0; 16]);
    out.extend_from_slice(&data);
    out.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    let fields = [
        ("binary_format_major_version", Value::Short(2)),
        ("binary_format_minor_version", Value::Short(0)),
        ("build_epoch", Value::Long(1_800_000_000)),
        ("database_type", Value::text(kind)),
        ("description", Value::map([("en", Value::text("a test"))])),
        ("ip_version", Value::Short(4)),
        ("languages", Value::EmptyArray),
        ("node_count", Value::Number(nodes.len() as u32)),
        ("record_size", Value::Short(24)),
    ];
    Value::map(fields).write(&mut out);
    out
}
