//! From a file or a text to settings, or to everything that is wrong with it.

use crate::book::{Book, Place};
use crate::reader::MISSING;
use crate::report::Report;
use crate::site::{self, Site};
use crate::{Env, Loaded, Revision, raw};
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use toml::de::DeTable;

/// Largest configuration read, in bytes: thousands of hubs fit, a file named by accident does not.
pub const FILE_SIZE_MAX: usize = 1 << 20;

/// Most syntax errors shown. One broken quote can break every line after it.
const SYNTAX_MAX: usize = 20;

/// Reads and checks the file at `path`. Relative paths in it start at its folder.
///
/// # Errors
/// Everything that is wrong with it, when anything is.
pub fn load(path: &Path, env: Env<'_>) -> Result<Loaded, Report> {
    let name = path.display().to_string();
    let whole = |what: &str, remedy: &str| Report::whole_file(&name, what, remedy);
    let file = site::open(path).map_err(|(what, remedy)| whole(&what, &remedy))?;
    let mut bytes = Vec::new();
    // One byte more than allowed shows that there is more.
    let most = u64::try_from(FILE_SIZE_MAX).unwrap_or(u64::MAX) + 1;
    file.take(most).read_to_end(&mut bytes).map_err(|error| {
        let (what, remedy) = site::trouble(path, &error);
        whole(&what, &remedy)
    })?;
    if bytes.len() > FILE_SIZE_MAX {
        return Err(too_large(&name));
    }
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Err(not_text(&name, &error)),
    };
    let mut loaded = parse(&text, &name, path.parent().unwrap_or(Path::new("")), env)?;
    loaded.files.insert(0, path.to_owned());
    Ok(loaded)
}

/// Checks `text`, called `file_name` in the report. Relative paths in it start at `base_dir`.
///
/// # Errors
/// Everything that is wrong with it, when anything is.
pub fn parse(text: &str, file_name: &str, base_dir: &Path, env: Env<'_>) -> Result<Loaded, Report> {
    if text.len() > FILE_SIZE_MAX {
        return Err(too_large(file_name));
    }
    // A byte order mark is no part of the text, nor of its first column.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let book = Book::new(file_name, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    let raw = raw::read(&book, document.get_ref());
    if !errors.is_empty() {
        report_syntax(&book, &errors);
        return Err(book.close());
    }
    let site = Site::new(&book, base_dir, env);
    let settings = raw::lower(&raw, &site);
    let (files, contents) = site.close();
    match settings {
        Some(settings) if !book.has_mistakes() => {
            let revision = Revision::of(&settings, contents);
            Ok(Loaded { settings, warnings: book.close(), revision, files })
        }
        _ => {
            if !book.has_mistakes() {
                // No settings without a mistake: ours, not the operator's. Still never without a word.
                let whole = Place { key: String::new(), span: 0..0 };
                book.mistake(
                    &whole,
                    "this configuration cannot be used",
                    "please report this file as a defect",
                );
            }
            Err(book.close())
        }
    }
}

/// Syntax errors, one per line. Of the other mistakes only those are kept that do not follow from them:
/// a table whose lines are whole, and nothing that is merely missing.
fn report_syntax(book: &Book<'_>, errors: &[toml::de::Error]) {
    let broken: BTreeSet<usize> =
        errors.iter().map(|e| book.line_of(e.span().map_or(0, |span| span.start))).collect();
    let headers = book.header_lines();
    let table_of = |line: usize| headers.partition_point(|&header| header <= line);
    let broken_tables: BTreeSet<usize> = broken.iter().map(|&line| table_of(line)).collect();
    book.retain(|finding| {
        let line = finding.line.unwrap_or(1);
        finding.what != MISSING && !broken_tables.contains(&table_of(line))
    });
    let mut told = BTreeSet::new();
    let mut last = (0, "");
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let line = book.line_of(span.start);
        // An array left open makes the same error of each line that follows.
        let same = line <= last.0 + 1 && error.message() == last.1;
        last = (line, error.message());
        if !same && told.len() < SYNTAX_MAX && told.insert(line) {
            let place = Place { key: String::new(), span };
            let (what, remedy) = explain(error.message());
            book.syntax(&place, what, &remedy);
        }
    }
}

/// What is wrong with the TOML and what to do about it, from the parser's words `WHAT, expected THIS`.
fn explain(message: &str) -> (&str, String) {
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let remedy = match what {
        "string values must be quoted" => "write text in quotes: \"…\"",
        "duplicate key" => "keep one of the two",
        "missing value" => "write a value after `=`",
        "key with no value" => "write key = value",
        "missing comma between array elements" => "write `,` before this, or close the list with `]`",
        "unexpected `=` in array" => "close the list above with `]`",
        "invalid unquoted key" => "write letters, digits, `-` and `_`, or put the key in quotes",
        "invalid basic string" => "close the string with `\"`",
        _ if what.contains("recur") => "nest less deeply",
        _ if expected.is_empty() || expected == "nothing" => "mend the TOML syntax here first",
        _ => return (what, format!("write {}", expected.replace(", ", " or "))),
    };
    (what, remedy.to_owned())
}

fn too_large(file: &str) -> Report {
    Report::whole_file(file, "the file is larger than 1MiB", "name the configuration file that was meant")
}

fn not_text(file: &str, error: &std::string::FromUtf8Error) -> Report {
    let at = error.utf8_error().valid_up_to();
    let line = error.as_bytes()[..at].iter().filter(|&&b| b == b'\n').count() + 1;
    Report::whole_file(file, &format!("line {line} is not UTF-8 text"), "save the file as UTF-8")
}
