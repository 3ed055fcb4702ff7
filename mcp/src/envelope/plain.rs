//! *Is it an everyday message?* The envelopes that nearly all clients send; all others are left to the thorough reader.

use std::borrow::Cow;

use crate::id::RawId;
use crate::methods::MethodName;
use crate::plain::{self, Reader};

use super::{Envelope, Kind, MEMBERS, PARAMETERS};

/// The envelope of `text`; `None` leaves it to the thorough reader.
pub(super) fn read(text: &str, depth_limit: usize) -> Option<Envelope<'_>> {
    plain::read(text, depth_limit, message)
}

/// What `params` tell.
#[derive(Default)]
struct About<'a> {
    name: Option<&'a str>,
    uri: Option<&'a str>,
    task_id: Option<&'a str>,
    progress_token: Option<RawId<'a>>,
}

fn message<'a>(reader: &mut Reader<'a>) -> Option<Envelope<'a>> {
    let (mut version, mut id, mut method, mut answers) = (None, None, None, 0_u8);
    let mut about = About::default();
    reader.members(&MEMBERS, |reader, key| {
        match key {
            "jsonrpc" => version = Some(reader.string()?),
            "id" => id = Some(RawId::parse(reader.raw()?)?),
            "method" => method = Some(reader.string()?),
            "params" if reader.peek()? == b'{' => about = self::about(reader)?,
            "result" | "error" => {
                answers += 1;
                reader.value()?;
            }
            // `null`, or what the thorough reader refuses.
            _ => return None,
        }
        Some(())
    })?;
    let method = method.map(|method| MethodName::new(Cow::Borrowed(method)));
    let kind = match (version? == "2.0", method, id, answers) {
        (true, Some(method), Some(id), 0) => Kind::Request { id, method },
        (true, Some(method), None, 0) => Kind::Notification { method },
        (true, None, Some(id), 1) => Kind::Response { id },
        _ => return None,
    };
    let text = |text: Option<&'a str>| text.map(Cow::Borrowed);
    let About { name, uri, task_id, progress_token } = about;
    Some(Envelope { kind, name: text(name), uri: text(uri), task_id: text(task_id), progress_token })
}

fn about<'a>(reader: &mut Reader<'a>) -> Option<About<'a>> {
    let mut about = About::default();
    reader.members(&PARAMETERS, |reader, key| {
        let text = match key {
            "name" => &mut about.name,
            "uri" => &mut about.uri,
            "taskId" => &mut about.task_id,
            "_meta" if reader.peek()? == b'{' => {
                about.progress_token = progress_token(reader)?;
                return Some(());
            }
            _ => return reader.value(),
        };
        // What is no string there is the hub's affair.
        if reader.peek()? != b'"' {
            return reader.value();
        }
        *text = Some(reader.string()?);
        Some(())
    })?;
    Some(about)
}

/// The progress token of `_meta`, which else may have any members, and any of them twice.
fn progress_token<'a>(reader: &mut Reader<'a>) -> Option<Option<RawId<'a>>> {
    let mut found = None;
    reader.object(|reader, key| {
        if key != "progressToken" {
            return reader.value();
        }
        found.replace(reader.raw()?).is_none().then_some(())
    })?;
    Some(found.and_then(RawId::parse))
}
