//! How deep a statement's syntax tree may grow, estimated from its tokens before anything is built of it.
//!
//! The parser bounds how deep parentheses nest, but `1 + 1 + 1 ..` becomes a tree as deep as it has terms without
//! any nesting, and so do set operations and type arguments. Trees are cloned, compared and dropped level by
//! level: one that is too deep would end the process.

use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::lexer::place;
use crate::error::{LocalError, Result};

/// The levels that a tree may have. Half of the 2 MiB that a thread has for its stack hold them in
/// a debug build, whose engine takes some 11 KB a level.
const MAX_LEVELS: usize = 60;

/// Terms of AND, OR and `||` that count as one level: they are planned as flat lists, and only the syntax tree
/// itself is deep.
const TERMS_PER_LEVEL: usize = 4;

/// One pair of parentheses, one CASE, or the whole statement.
#[derive(Default)]
struct Group {
    case: bool,
    /// The levels that set operations have made so far.
    sets: usize,
    /// Whether the last of them is a UNION, of which no ALL has been seen.
    union: bool,
    /// The deepest part so far.
    deepest: usize,
    part: Part,
}

/// What stands between two commas or clauses.
#[derive(Default)]
struct Part {
    /// AND, OR and `||` so far.
    terms: usize,
    /// Other operators since the last of those.
    operators: usize,
    most_operators: usize,
    /// The deepest group within.
    inner: usize,
    /// The AND that comes next belongs to BETWEEN.
    between: bool,
}

impl Part {
    fn levels(&self) -> usize {
        self.terms / TERMS_PER_LEVEL + self.most_operators.max(self.operators) + self.inner
    }

    fn term(&mut self) {
        self.most_operators = self.most_operators.max(self.operators);
        self.operators = 0;
        self.terms += 1;
    }
}

impl Group {
    fn end_part(&mut self) {
        self.deepest = self.deepest.max(self.part.levels());
        self.part = Part::default();
    }

    fn levels(&self) -> usize {
        self.sets + self.deepest.max(self.part.levels())
    }
}

/// Refuses a statement that nests too deep.
///
/// # Errors
/// FAILED_TO_PARSE_TOO_COMPLEX at the token that is one too many.
pub(super) fn check(tokens: &[TokenWithSpan]) -> Result<()> {
    let mut outer: Vec<Group> = Vec::new();
    let mut group = Group::default();
    // After an operator or a dot a word is a name, whatever it says.
    let mut operand = false;
    for token in tokens {
        match &token.token {
            Token::LParen | Token::LBracket => {
                operand = false;
                outer.push(std::mem::take(&mut group));
            }
            Token::RParen | Token::RBracket => {
                operand = false;
                while group.case {
                    close(&mut group, &mut outer);
                }
                close(&mut group, &mut outer);
            }
            Token::Comma => {
                operand = false;
                group.end_part();
            }
            Token::Period => operand = true,
            Token::StringConcat => {
                operand = true;
                group.part.term();
            }
            Token::Word(word) if word.quote_style.is_none() && !operand => {
                operand = keyword(word, &mut group, &mut outer);
            }
            Token::Word(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::HexStringLiteral(_)
            | Token::Placeholder(_) => operand = false,
            _ => {
                operand = true;
                group.part.operators += 1;
            }
        }
        let levels = group.levels() + outer.len();
        if levels > MAX_LEVELS {
            let message = format!("The statement nests deeper than {MAX_LEVELS} levels of operators.");
            return Err(LocalError::new("FAILED_TO_PARSE_TOO_COMPLEX", "54001", message).at(place(token)));
        }
    }
    Ok(())
}

/// Ends the group; what it holds counts in the one around it.
fn close(group: &mut Group, outer: &mut Vec<Group>) {
    let around = outer.pop().unwrap_or_default();
    let closed = std::mem::replace(group, around);
    group.part.inner = group.part.inner.max(closed.levels() + 1);
}

/// Counts a word; whether an operand follows.
fn keyword(word: &Word, group: &mut Group, outer: &mut Vec<Group>) -> bool {
    match word.value.to_ascii_uppercase().as_str() {
        "AND" if group.part.between => {
            group.part.between = false;
            true
        }
        "AND" | "OR" => {
            group.part.term();
            true
        }
        "BETWEEN" => {
            group.part.operators += 1;
            group.part.between = true;
            true
        }
        "NOT" | "IS" | "IN" | "LIKE" | "ILIKE" | "RLIKE" | "REGEXP" | "DIV" | "COLLATE" => {
            group.part.operators += 1;
            false
        }
        set @ ("UNION" | "INTERSECT" | "EXCEPT" | "MINUS") => {
            group.end_part();
            // All but UNION ALL compare rows: several nodes of the plan.
            group.sets += 4;
            group.union = set == "UNION";
            false
        }
        "ALL" if group.union => {
            group.union = false;
            group.sets = group.sets.saturating_sub(3);
            false
        }
        "CASE" => {
            outer.push(std::mem::replace(group, Group { case: true, ..Group::default() }));
            false
        }
        "END" if group.case => {
            close(group, outer);
            false
        }
        "SELECT" | "FROM" | "WHERE" | "HAVING" | "QUALIFY" | "GROUP" | "ORDER" | "JOIN" | "ON" | "WHEN"
        | "THEN" | "ELSE" | "SET" => {
            group.end_part();
            false
        }
        _ => false,
    }
}
