//! How does JSON look to people? As lines of a path and a value, or as a table.

use serde_json::Value;

/// A JSON value as lines of `path  value`: what is nested is named by its path, members of a list by their `id` where
/// they have one.
pub(super) fn lines(value: &Value) -> String {
    let mut rows = Vec::new();
    flatten(value, String::new(), &mut rows);
    let width = rows.iter().map(|(path, _)| path.chars().count()).max().unwrap_or(0);
    rows.iter()
        .map(|(path, text)| match path.as_str() {
            "" => format!("{text}\n"),
            path => format!("{path:width$}  {text}\n"),
        })
        .collect()
}

fn flatten(value: &Value, path: String, rows: &mut Vec<(String, String)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                flatten(member, below(name), rows);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (index, item) in items.iter().enumerate() {
                let name =
                    item.get("id").and_then(Value::as_str).map_or_else(|| index.to_string(), str::to_owned);
                flatten(item, format!("{path}[{name}]"), rows);
            }
        }
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().map(plain).collect();
            rows.push((path, if texts.is_empty() { "-".into() } else { texts.join(", ") }));
        }
        scalar => rows.push((path, plain(scalar))),
    }
}

/// A scalar as people write it.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        other => other.to_string(),
    }
}

/// Rows under their headings, each column as wide as its widest cell, the last as long as it is.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = headings.map(|heading| heading.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut text = line(headings);
    text.extend(rows.iter().map(|row| line(row.each_ref().map(String::as_str))));
    text
}

/// So many of a thing.
pub(super) fn count(number: &Value, one: &str) -> String {
    format!("{} {one}{}", plain(number), if number == 1 { "" } else { "s" })
}

/// Milliseconds as people say them.
pub(super) fn span(ms: u64) -> String {
    match ms {
        0 => "less than 1 ms".to_owned(),
        1..1_000 => format!("{ms} ms"),
        1_000..60_000 if ms % 1_000 >= 100 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        1_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a".to_owned(), "serving".to_owned()], ["us-east-1".to_owned(), String::new()]];
        assert_eq!(table(["ID", "STATE"], &rows), "ID         STATE\na          serving\nus-east-1\n");
    }

    #[test]
    fn spans_are_short() {
        let said = [0, 999, 1_050, 1_250, 60_000, 119_999, 120_000, 7_200_000].map(span);
        assert_eq!(said, ["less than 1 ms", "999 ms", "1 s", "1.2 s", "60 s", "119 s", "2 min", "2 h"]);
    }
}
