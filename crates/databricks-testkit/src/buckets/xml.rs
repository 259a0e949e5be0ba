//! The little XML that S3 speaks.

/// A text as it stands in a document.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What stands in each element of a name, in order. Elements of that name do not nest here.
pub(super) fn texts(document: &str, element: &str) -> Vec<String> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let pieces = document.split(&open).skip(1);
    pieces.filter_map(|piece| piece.split_once(&close)).map(|(text, _)| plain(text)).collect()
}

fn plain(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    text.replace("&#39;", "'").replace("&#34;", "\"").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let text = r#"a<b>&"c"&amp;'"#;
        let document = format!("<x><Key>{}</Key><Size>1</Size><Key>b</Key></x>", escaped(text));
        assert_eq!(texts(&document, "Key"), [text, "b"]);
        assert!(texts(&document, "ETag").is_empty());
    }
}
