//! Whether every text of an interaction is a template that can be read and filled.

use super::error::CassetteError;
use super::interaction::Interaction;
use super::texts;
use super::variables::Variables;
use super::variables::template::{Piece, is_plain, parse};

/// Refuses the first text that is no template, or that names a variable that is not there.
pub(crate) fn check(interactions: &[Interaction], variables: &Variables) -> Result<(), CassetteError> {
    for (index, interaction) in interactions.iter().enumerate() {
        let mut problem = None;
        texts::of_interaction(interaction, &mut |place, text| {
            // The names of query parameters are no templates.
            if problem.is_none() && !is_plain(text) && !is_query_name(place, text) {
                problem = problem_of(text, variables).map(|problem| format!("{place}: {problem}"));
            }
        });
        if let Some(problem) = problem {
            return Err(CassetteError::format(format!("interaction {}: {problem}", index + 1)));
        }
    }
    Ok(())
}

fn is_query_name(place: &str, text: &str) -> bool {
    place.strip_prefix("request/query/") == Some(&texts::pointer_token(text))
}

fn problem_of(text: &str, variables: &Variables) -> Option<String> {
    let pieces = match parse(text) {
        Ok(pieces) => pieces,
        Err(problem) => return Some(problem),
    };
    let unknown = pieces.into_iter().find_map(|piece| match piece {
        Piece::Variable(name) if variables.get(name).is_none() => Some(name),
        _ => None,
    })?;
    Some(format!("`{{{{{unknown}}}}}` is not among the cassette's variables; add it there"))
}
