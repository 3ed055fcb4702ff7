//! The mirrored headers of the modern era: three lines of input are version, method and name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcphub_mcp::{EraDecision, ModernHeaders, era};

fuzz_target!(|input: &[u8]| {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let (version, method, name) = (lines.next(), lines.next(), lines.next());
    match era(version) {
        EraDecision::Legacy(Some(version)) => assert!(!version.is_modern()),
        EraDecision::Modern(version) => assert!(version.is_modern()),
        EraDecision::Legacy(None) => assert!(version.is_none()),
        EraDecision::Unknown(value) => assert!(value.len() <= input.len()),
    }
    if let Ok(headers) = ModernHeaders::read(method, name) {
        assert!(!headers.method.is_empty() && headers.method.bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(headers.name.is_some(), name.is_some());
        let _ = (headers.class(), headers.task_id());
    }
});
