//! Doubles and floats as text, the way Java prints and reads them.

/// `Double.toString`: `1.0`, `1.0E10`, `1.0E-5`, `NaN`, `Infinity`.
pub(in crate::query) fn double(value: f64) -> String {
    java(value, value.abs(), || format!("{value:e}"), || format!("{value:?}"))
}

/// `Float.toString`.
pub(in crate::query) fn float(value: f32) -> String {
    java(f64::from(value), f64::from(value.abs()), || format!("{value:e}"), || format!("{value:?}"))
}

fn java(value: f64, size: f64, scientific: impl Fn() -> String, plain: impl Fn() -> String) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if value == 0.0 || (1e-3..1e7).contains(&size) {
        return plain();
    }
    let text = scientific();
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}

/// What `CAST(text AS DOUBLE)` takes, blanks around it aside.
pub(in crate::query) fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let unsigned = text.trim_start_matches(['+', '-']);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    match unsigned.to_ascii_lowercase().as_str() {
        "nan" if unsigned.len() == text.len() => return Some(f64::NAN),
        "inf" | "infinity" if text.len() - unsigned.len() <= 1 => return Some(sign * f64::INFINITY),
        _ => {}
    }
    let number = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let starts = number.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if starts { number.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_print_as_java_prints_them() {
        for (value, expected) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (1e7, "1.0E7"),
            (12345678.9, "1.23456789E7"),
            (9999999.0, "9999999.0"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
            (-0.0, "-0.0"),
        ] {
            assert_eq!(double(value), expected);
        }
        assert_eq!(float(0.1), "0.1");
        assert_eq!(float(1e10), "1.0E10");
    }

    #[test]
    fn text_that_is_no_number_is_none() {
        for text in ["", "a", "1.2.3", "--1", "e5", "- 1", "++inf"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(parse(" 1.5e2 "), Some(150.0));
        assert_eq!(parse("-Infinity"), Some(f64::NEG_INFINITY));
    }
}
