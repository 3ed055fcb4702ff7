//! However a chunked body trickles in, the same bytes come out; and what is written in chunks is read back.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use mcphub_http1::{ChunkDecoder, Piece, write};

fuzz_target!(|input: &[u8]| {
    let [step, stream @ ..] = input else { return };
    let step = usize::from(*step).max(1);
    assert_eq!(decode(stream, stream.len().max(1)), decode(stream, step));

    let mut coded = Vec::new();
    for chunk in stream.chunks(step) {
        write::chunk_start(&mut coded, chunk.len());
        coded.extend_from_slice(chunk);
        coded.extend_from_slice(b"\r\n");
    }
    coded.extend_from_slice(b"0\r\n\r\nnext");
    assert_eq!(decode(&coded, 5), Ending::Whole { body: stream.to_vec(), used: coded.len() - b"next".len() });
});

#[derive(Debug, PartialEq)]
enum Ending {
    Whole { body: Vec<u8>, used: usize },
    Incomplete,
    Refused,
}

fn decode(stream: &[u8], step: usize) -> Ending {
    let (mut decoder, mut buffer, mut body, mut fed) =
        (ChunkDecoder::default(), BytesMut::new(), Vec::new(), 0);
    for piece in stream.chunks(step) {
        buffer.extend_from_slice(piece);
        fed += piece.len();
        loop {
            match decoder.take(&mut buffer) {
                Ok(Some(Piece::Data(bytes))) => body.extend_from_slice(&bytes),
                Ok(Some(Piece::End)) => return Ending::Whole { body, used: fed - buffer.len() },
                Ok(None) => break,
                Err(_) => return Ending::Refused,
            }
        }
    }
    Ending::Incomplete
}
