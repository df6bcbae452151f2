//! Numbers as people write them, and words as a page or a table takes them.

use std::borrow::Cow;

/// `57 %`; never `100 %` or `0 %` for what is only nearly so.
pub fn percent(share: f64) -> String {
    let rounded = (share * 100.0).round();
    match rounded {
        100.0 if share < 1.0 => "> 99 %".to_owned(),
        0.0 if share > 0.0 => "< 1 %".to_owned(),
        _ => format!("{rounded} %"),
    }
}

/// `1 image`, `1,200 images`.
pub fn images(n: usize) -> String {
    format!("{} {}", thousands(n), if n == 1 { "image" } else { "images" })
}

/// `1,200`.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text for a cell of a table, which a spreadsheet shows instead of computing it: names, notes and groups may be anyone's.
/// Numbers stay as they are.
pub fn no_formula(text: &str) -> Cow<'_, str> {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    if is_formula { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// Text for HTML and SVG, between tags or in an attribute: what somebody's file, name or comment holds cannot become markup.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_whole_but_never_claim_all_or_none() {
        assert_eq!([0.0, 0.001, 0.573, 0.999, 1.0].map(percent), ["0 %", "< 1 %", "57 %", "> 99 %", "100 %"]);
        assert_eq!([1, 1200, 1_234_567].map(images), ["1 image", "1,200 images", "1,234,567 images"]);
    }

    #[test]
    fn no_cell_is_computed() {
        for (text, shown) in [
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("-cmd", "'-cmd"),
            ("-1.5", "-1.5"),
            ("a = b", "a = b"),
            ("", ""),
        ] {
            assert_eq!(no_formula(text), shown);
        }
    }

    #[test]
    fn no_text_becomes_markup() {
        assert_eq!(escape("<a href='x' id=\"y\">&"), "&lt;a href=&#39;x&#39; id=&quot;y&quot;&gt;&amp;");
        assert_eq!(escape("disc → square"), "disc → square");
    }
}
