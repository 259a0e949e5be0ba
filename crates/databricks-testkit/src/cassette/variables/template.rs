//! The notation of cassettes: `{{name}}` is a variable, `{{'{{'}}` is the text `{{`.
//!
//! Any text can be written so that it comes back exactly: a run of braces that would be read as the notation is put
//! between `{{'` and `'}}`.

use super::is_name;

/// A piece of a text: as it is, or a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// The pieces that a template is made of.
///
/// The error is a sentence that shows the piece that cannot be read.
pub(crate) fn parse(template: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        let (before, opened) = rest.split_at(start);
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        let (piece, after) = parse_braced(opened).ok_or_else(|| unreadable(opened))?;
        pieces.push(piece);
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

fn parse_braced(opened: &str) -> Option<(Piece<'_>, &str)> {
    let inner = opened.strip_prefix("{{")?;
    if let Some(quoted) = inner.strip_prefix('\'') {
        let (braces, after) = quoted.split_once("'}}")?;
        return braces.bytes().all(|b| b == b'{').then_some((Piece::Text(braces), after));
    }
    let (name, after) = inner.split_once("}}")?;
    is_name(name).then_some((Piece::Variable(name), after))
}

fn unreadable(opened: &str) -> String {
    let shown: String = opened.chars().take(40).collect();
    format!("`{shown}` is no variable; `{{{{` itself is written `{{{{'{{{{'}}}}`")
}

/// The variable that a template is and nothing else.
pub(crate) fn sole_variable(template: &str) -> Option<&str> {
    let name = template.strip_prefix("{{")?.strip_suffix("}}")?;
    is_name(name).then_some(name)
}

/// Whether a text can hold anything of the notation: most do not.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.contains("{{")
}

/// The template that the pieces make. Empty text between pieces keeps a variable from standing alone.
pub(crate) fn write(pieces: &[Piece<'_>]) -> String {
    let mut template = String::new();
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Variable(name) => template.extend(["{{", name, "}}"]),
            Piece::Text("") => template.push_str("{{''}}"),
            Piece::Text(text) => {
                let followed = index + 1 < pieces.len();
                write_text(&mut template, text, followed);
            }
        }
    }
    template
}

fn write_text(template: &mut String, text: &str, followed: bool) {
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let (before, braces) = rest.split_at(start);
        let run = braces.len() - braces.trim_start_matches('{').len();
        let (run, after) = braces.split_at(run);
        template.push_str(before);
        match run.len() > 1 || (after.is_empty() && followed) {
            true => template.extend(["{{'", run, "'}}"]),
            false => template.push_str(run),
        }
        rest = after;
    }
    template.push_str(rest);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use proptest::prelude::*;

    use super::*;

    fn escape(text: &str) -> String {
        write(&[Piece::Text(text)])
    }

    fn plain_text(template: &str) -> String {
        let pieces = parse(template).unwrap();
        let text = |piece: &Piece<'_>| match piece {
            Piece::Text(text) => (*text).to_owned(),
            Piece::Variable(name) => format!("<{name}>"),
        };
        pieces.iter().map(text).collect()
    }

    #[test]
    fn braces_come_back_as_they_were() {
        let table =
            [("{{a}}", "{{'{{'}}a}}"), ("{a}", "{a}"), ("{", "{"), ("{{{", "{{'{{{'}}"), ("'}}", "'}}")];
        for (text, template) in table {
            assert_eq!(escape(text), template);
            assert_eq!(plain_text(template), text);
        }
        let pieces = [Piece::Text("{"), Piece::Variable("a"), Piece::Text("{"), Piece::Variable("b")];
        assert_eq!(write(&pieces), "{{'{'}}{{a}}{{'{'}}{{b}}");
        assert_eq!(parse(&write(&pieces)).unwrap(), pieces);
        assert_eq!(write(&[Piece::Text(""), Piece::Variable("a")]), "{{''}}{{a}}");
    }

    #[test]
    fn what_is_no_notation_is_refused() {
        for text in ["{{", "{{a", "{{A}}", "{{a b}}", "{{}}", "{{'x'}}", "{{'{'}", "{{{a}}"] {
            let problem = parse(text).unwrap_err();
            assert!(problem.contains(text), "{problem}");
        }
        assert_eq!(sole_variable("{{run_id_1}}"), Some("run_id_1"));
        for text in ["{{''}}{{a}}", "{{a}}{{b}}", "x{{a}}", "{{'{'}}"] {
            assert_eq!(sole_variable(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in "([{}'ab]|\\{\\{|\\}\\}|\\PC){1,24}") {
            prop_assert_eq!(plain_text(&escape(&text)), text);
        }

        #[test]
        fn pieces_come_back(parts in prop::collection::vec(("[{}'a]{1,5}", "[a-z_0-9]{0,4}"), 0..5)) {
            let names: Vec<String> = parts.iter().map(|(_, name)| format!("v{name}")).collect();
            let pieces: Vec<Piece<'_>> = parts
                .iter()
                .zip(&names)
                .flat_map(|((text, _), name)| [Piece::Text(text), Piece::Variable(name)])
                .collect();
            let written: String =
                parts.iter().zip(&names).map(|((text, _), name)| format!("{text}<{name}>")).collect();
            prop_assert_eq!(plain_text(&write(&pieces)), written);
        }
    }
}
