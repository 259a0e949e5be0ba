//! Reading types and column lists. `lexer` makes tokens, `types` and `columns` make meaning of them.

mod columns;
mod expression;
mod lexer;
mod types;

pub(crate) use columns::columns;
pub(crate) use expression::names_in;
pub(crate) use types::data_type;

use crate::SchemaError;

/// How much of the text an error shows on each side of the fault, in characters.
const SHOWN: usize = 60;

/// The error for a fault at this byte of the text.
fn fault(text: &str, byte: usize, reason: impl Into<String>) -> SchemaError {
    let position = text.get(..byte).unwrap_or(text).chars().count();
    let first = position.saturating_sub(SHOWN);
    let mut shown: String = text.chars().skip(first).take(2 * SHOWN).collect();
    if first > 0 {
        shown.insert(0, '…');
    }
    if text.chars().nth(first + 2 * SHOWN).is_some() {
        shown.push('…');
    }
    SchemaError::UnreadableType { text: shown, position, reason: reason.into() }
}
