//! What exactly is asked? Parameters and bodies, read strictly: whoever misspells a field must not be taken to have
//! left it out.

use super::reply::Problem;
use crate::http::BodyFlaw;
use mcphub_http1::{Known, RequestHead};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use std::collections::BTreeMap;
use std::str::FromStr;

/// Most bytes of a request body; the longest that means anything has a note of 500 characters.
pub(super) const BODY_MAX: usize = 64 * 1024;

/// The parameters behind `?`.
#[derive(Debug, Default)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads them, each at most once and none but these.
    pub(super) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut found = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                let may = if known.is_empty() { "none is known here".into() } else { known.join(", ") };
                return Err(Problem::new(400, format!("unknown parameter `{name}`; {may}")).at(&name));
            }
            if found.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(Problem::new(400, format!("parameter `{name}` is given twice")).at(&name));
            }
        }
        Ok(Self(found))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A number from `from` to `to`.
    pub(super) fn number<T>(&self, name: &str, (from, to): (T, T)) -> Result<Option<T>, Problem>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.get(name) else { return Ok(None) };
        // `+5` is a number to Rust, and to nobody who reads the document.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits && number >= from && number <= to => Ok(Some(number)),
            _ => Err(Problem::new(400, format!("`{name}` must be a whole number, {from} to {to}")).at(name)),
        }
    }
}

/// Why a body could not be had. `None`: nobody is there to be told.
pub(super) fn flaw(flaw: &BodyFlaw) -> Option<Problem> {
    match flaw {
        BodyFlaw::TooLarge => {
            Some(Problem::new(413, format!("the body is larger than {} KiB", BODY_MAX / 1024)))
        }
        BodyFlaw::Slow => Some(Problem::new(408, "the body did not come in time")),
        BodyFlaw::Malformed => Some(Problem::new(400, "the body is not framed as HTTP wants it")),
        BodyFlaw::Gone => None,
    }
}

/// That there is no body, where none is wanted.
pub(super) fn no_body(body: &[u8]) -> Result<(), Problem> {
    if body.is_empty() { Ok(()) } else { Err(Problem::new(400, "no body is wanted here")) }
}

/// Reads a body of JSON.
pub(super) fn body<T: DeserializeOwned>(head: &RequestHead, body: &[u8]) -> Result<T, Problem> {
    let given = head.fields.text(Known::ContentType).unwrap_or_default();
    if !is_json(given) {
        let said = if given.is_empty() { "none" } else { given };
        return Err(Problem::new(415, format!("Content-Type must be application/json, not {said}")));
    }
    // serde would take a list for an object, by position.
    let object = serde_json::from_slice::<serde_json::Value>(body).map(|value| value.is_object());
    if matches!(object, Ok(false)) {
        return Err(Problem::new(422, "the body must be a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut json);
    let value = read.map_err(|error| wrong(&error))?;
    json.end().map_err(|error| Problem::new(400, format!("the body is not JSON: {error}")))?;
    Ok(value)
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn wrong(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let said = error.inner().to_string();
    if error.inner().classify() != Category::Data {
        return Problem::new(400, format!("the body is not JSON: {said}"));
    }
    let path = error.path().to_string();
    // Of a field that is missing or there twice, serde names the object around it.
    let ends = |start: &str| said.strip_prefix(start).and_then(|rest| rest.split('`').next());
    let named = ends("missing field `").or_else(|| ends("duplicate field `"));
    match named.unwrap_or(&path) {
        "." | "" => Problem::new(422, said),
        field => Problem::new(422, said.as_str()).at(field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::words::{Drain, SwitchTraffic};
    use bytes::BytesMut;
    use mcphub_http1::HeadLimits;
    use mcphub_http1::head::HeadScan;

    fn head(content_type: &str) -> RequestHead {
        let text = format!("POST /v1/drain HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n\r\n");
        RequestHead::take(
            &mut BytesMut::from(text.as_bytes()),
            &mut HeadScan::default(),
            &HeadLimits::default(),
        )
        .expect("a sound head")
        .expect("a whole head")
    }

    fn check<T: DeserializeOwned>(text: &str, expected: Result<(), (u16, Option<&str>)>) {
        let said = body::<T>(&head("application/json"), text.as_bytes());
        let said = said.map(|_| ()).map_err(|problem| (problem.status, problem.field));
        assert_eq!(said, expected.map_err(|(status, field)| (status, field.map(str::to_owned))), "{text}");
    }

    #[test]
    fn bodies_are_read_strictly_and_the_field_is_named() {
        check::<Drain>(r#"{"hub":"us-east-1"}"#, Ok(()));
        check::<Drain>(r#"{"hub":"us-east-1","deadlineMs":null,"note":"disk"}"#, Ok(()));
        for not_json in ["", "{", "nonsense", r#"{"hub":"a"} {}"#, "{\"hub\":\"\u{1}\"}"] {
            check::<Drain>(not_json, Err((400, None)));
        }
        for no_object in ["null", "[]", r#"["us-east-1"]"#, r#""us-east-1""#, "7"] {
            check::<Drain>(no_object, Err((422, None)));
        }
        for (text, field) in [
            ("{}", "hub"),
            (r#"{"hub":7}"#, "hub"),
            (r#"{"hub":null}"#, "hub"),
            (r#"{"hub":"US East"}"#, "hub"),
            (r#"{"hub":"a","hub":"b"}"#, "hub"),
            (r#"{"hub":"a","deadline":5}"#, "deadline"),
            (r#"{"hub":"a","deadlineMs":-1}"#, "deadlineMs"),
            (r#"{"hub":"a","deadlineMs":"5m"}"#, "deadlineMs"),
            (r#"{"hub":"a","deadlineMs":604800001}"#, "deadlineMs"),
            (r#"{"hub":"a","note":"two\nlines"}"#, "note"),
        ] {
            check::<Drain>(text, Err((422, Some(field))));
        }
        check::<Drain>(&format!(r#"{{"hub":"a","note":"{}"}}"#, "x".repeat(501)), Err((422, Some("note"))));
        let traffic =
            |percentage: &str| format!(r#"{{"fromHubId":"a","toHubId":"b","percentage":{percentage}}}"#);
        for good in ["0", "100", "12.5", "100.0"] {
            check::<SwitchTraffic>(&traffic(good), Ok(()));
        }
        for bad in ["-1", "100.1", "\"50\"", "null", "true"] {
            check::<SwitchTraffic>(&traffic(bad), Err((422, Some("percentage"))));
        }
    }

    #[test]
    fn only_json_is_read_as_json() {
        for good in ["application/json", "Application/JSON", "application/json; charset=utf-8"] {
            assert!(body::<Drain>(&head(good), br#"{"hub":"a"}"#).is_ok(), "{good}");
        }
        for bad in ["", "text/plain", "application/jsonx", "application/x-www-form-urlencoded"] {
            let said = body::<Drain>(&head(bad), br#"{"hub":"a"}"#).expect_err("not JSON");
            assert_eq!(said.status, 415, "{bad}");
        }
    }

    #[test]
    fn parameters_are_known_and_given_once() {
        let read = |query| Parameters::read(Some(query), &["limit", "place"]);
        let status = |query| read(query).expect_err("refused").status;
        assert_eq!(read("place=DE&limit=5").expect("fine").get("place"), Some("DE"));
        assert_eq!(read("place=cell%20N50+E010").expect("fine").get("place"), Some("cell N50 E010"));
        assert_eq!((status("plaice=DE"), status("limit=1&limit=2"), status("limit=1&=x")), (400, 400, 400));
        let number = |query| read(query).expect("fine").number("limit", (1_u16, 1000));
        assert_eq!(number("limit=1000").expect("in range"), Some(1000));
        assert_eq!(number("place=x").expect("not given"), None);
        for bad in
            ["limit=0", "limit=1001", "limit=", "limit=%2B5", "limit=-1", "limit=1e2", "limit=99999999"]
        {
            assert_eq!(number(bad).expect_err(bad).field.as_deref(), Some("limit"));
        }
    }
}
