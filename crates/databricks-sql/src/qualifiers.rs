//! Which names qualify others in a piece of SQL.

use crate::lex::{Kind, Pieces};

/// The names that stand before a dot and behind none: of `t.a + s.b.c` these are `t` and `s`. Names in backticks come
/// without them; what is in literals and comments is no name.
///
/// ```
/// let names = databricks_sql::qualifiers("target.day > '2026.1' AND `source` . day -- other.day");
/// assert_eq!(names, ["target", "source"]);
/// ```
pub fn qualifiers(sql: &str) -> Vec<String> {
    let mut found = Vec::new();
    // The name that may turn out to be one, and whether its end is the end of the last piece.
    let (mut name, mut touches): (Option<String>, bool) = (None, false);
    let mut after_dot = false;
    for piece in Pieces::of(sql) {
        let is_space = piece.text.chars().all(char::is_whitespace);
        match piece.kind {
            Kind::Comment => touches = false,
            Kind::Code if is_space => touches = false,
            // A doubled backtick inside a name ends one piece and begins the next.
            Kind::Name if touches && name.as_ref().is_some_and(|name| name.ends_with('`')) => {
                if let Some(name) = &mut name {
                    name.push_str(piece.text);
                }
            }
            Kind::Name => (name, touches) = ((!after_dot).then(|| piece.text.to_owned()), true),
            Kind::Code if piece.text == "." => {
                found.extend(name.take().map(|name| plain(&name)));
                (touches, after_dot) = (false, true);
                continue;
            }
            Kind::Code if piece.text.starts_with(|c: char| c.is_alphanumeric() || c == '_') => {
                (name, touches) = ((!after_dot).then(|| piece.text.to_owned()), true);
            }
            // `t.1st` has a number behind the name.
            Kind::Literal if touches && piece.text.starts_with('.') => {
                found.extend(name.take().map(|name| plain(&name)));
            }
            Kind::Code | Kind::Literal => (name, touches) = (None, false),
        }
        after_dot = after_dot && (is_space || piece.kind == Kind::Comment);
    }
    found
}

fn plain(name: &str) -> String {
    let inner = name.strip_prefix('`').and_then(|name| name.strip_suffix('`'));
    inner.map_or_else(|| name.to_owned(), |inner| inner.replace("``", "`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_name_of_a_path_qualifies() {
        for (sql, names) in [
            ("a.b.c + d.e", vec!["a", "d"]),
            ("source.x", vec!["source"]),
            ("source /* . */ . x", vec!["source"]),
            ("`so``urce`.`x`", vec!["so`urce"]),
            ("`a` `b`.c", vec!["b"]),
            ("a.`b`.c", vec!["a"]),
            ("a . b . c", vec!["a"]),
            ("f(a.b)", vec!["a"]),
            ("(x).y", vec![]),
            ("t.1st", vec!["t"]),
            ("1.5 + x", vec![]),
            ("'source.x' = \"source.y\" -- source.z", vec![]),
            ("source", vec![]),
            ("größe.x", vec!["größe"]),
            ("", vec![]),
        ] {
            assert_eq!(qualifiers(sql), names, "{sql}");
        }
    }
}
