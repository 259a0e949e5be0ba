//! The comparison a condition task makes.

use std::cmp::Ordering;

/// The `op` of a condition task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Operator {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "EQUAL_TO" => Self::Equal,
            "NOT_EQUAL" => Self::NotEqual,
            "GREATER_THAN" => Self::Greater,
            "GREATER_THAN_OR_EQUAL" => Self::GreaterOrEqual,
            "LESS_THAN" => Self::Less,
            "LESS_THAN_OR_EQUAL" => Self::LessOrEqual,
            _ => return None,
        })
    }

    /// Compares: equality by text, order by number.
    ///
    /// # Errors
    /// Names the operand that is no number where one is needed.
    pub(super) fn holds(self, left: &str, right: &str) -> Result<bool, String> {
        match self {
            Self::Equal => return Ok(left == right),
            Self::NotEqual => return Ok(left != right),
            _ => {}
        }
        let order = compare(left, right)?;
        Ok(match self {
            Self::Greater => order == Ordering::Greater,
            Self::GreaterOrEqual => order != Ordering::Less,
            Self::Less => order == Ordering::Less,
            _ => order != Ordering::Greater,
        })
    }
}

/// Whole numbers are compared exactly, whatever their size; others as doubles.
fn compare(left: &str, right: &str) -> Result<Ordering, String> {
    if let (Ok(left), Ok(right)) = (left.trim().parse::<i128>(), right.trim().parse::<i128>()) {
        return Ok(left.cmp(&right));
    }
    let (left, right) = (number(left)?, number(right)?);
    left.partial_cmp(&right).ok_or_else(|| format!("{left} and {right} have no order"))
}

fn number(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| format!("the operand '{text}' is not a number"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn holds(left: &str, op: &str, right: &str) -> Result<bool, String> {
        Operator::named(op).unwrap().holds(left, right)
    }

    #[test]
    fn equality_is_of_text_and_order_is_of_numbers() {
        for (left, op, right, expected) in [
            ("12.0", "EQUAL_TO", "12", false),
            ("12.0", "NOT_EQUAL", "12", true),
            ("12.0", "GREATER_THAN_OR_EQUAL", "12", true),
            ("10.0", "GREATER_THAN_OR_EQUAL", "12", false),
            ("9", "LESS_THAN", "10", true),
            ("9", "LESS_THAN_OR_EQUAL", "9", true),
            ("9007199254740993", "GREATER_THAN", "9007199254740992", true),
            ("true", "EQUAL_TO", "true", true),
        ] {
            assert_eq!(holds(left, op, right), Ok(expected), "{left} {op} {right}");
        }
        assert!(holds("many", "LESS_THAN", "10").unwrap_err().contains("'many'"));
        assert!(holds("NaN", "LESS_THAN", "10").is_err());
    }
}
