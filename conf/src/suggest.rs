//! Did you mean …?

/// The word of `known` that `written` most likely stands for, if any is near.
pub(crate) fn nearest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if written.chars().count() > 64 {
        return None;
    }
    let plain = |s: &str| s.to_ascii_lowercase().replace('-', "_");
    let written = plain(written);
    known
        .into_iter()
        .map(|word| {
            let word_plain = plain(word);
            let mut nearness = strsim::jaro_winkler(&written, &word_plain);
            // `file` for `token_file`, `deadline` for `drain_deadline`: a whole part of the right word.
            if written.len() >= 4 && word_plain.split('_').any(|part| part == written) {
                nearness = nearness.max(0.85);
            }
            let slips = if written.len() >= 4 { 2 } else { 1 };
            // Letters moved or dropped count for more than a shared beginning.
            if written.len() >= 3 && strsim::osa_distance(&written, &word_plain) <= slips {
                nearness += 0.1;
            }
            (nearness, word)
        })
        .filter(|(nearness, _)| *nearness >= 0.84)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}

/// `a, b or c`.
pub(crate) fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => format!("`{only}`"),
        [most @ .., last] => {
            let most: Vec<_> = most.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", most.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["weight", "url", "token_file", "drain_deadline", "type", "id"];
        for (written, expected) in [
            ("wieght", Some("weight")),
            ("Weight", Some("weight")),
            ("weigth", Some("weight")),
            ("uri", Some("url")),
            ("token-file", Some("token_file")),
            ("deadline", Some("drain_deadline")),
            ("tpye", Some("type")),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), expected, "{written}");
        }
    }
}
