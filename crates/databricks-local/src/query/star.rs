//! `*` in a select list.

use datafusion::logical_expr::Expr;
use sqlparser::ast::{ExceptSelectItem, WildcardAdditionalOptions};

use super::scope::{Scope, ScopeColumn, same};
use super::select::Item;
use super::types::Typed;
use crate::error::{LocalError, Result};

/// `*` or `q.*`, less what EXCEPT names.
pub(super) fn star(
    scope: &Scope,
    qualifier: &[String],
    options: &WildcardAdditionalOptions,
) -> Result<Vec<Item>> {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    let other = opt_ilike.is_some() || opt_exclude.is_some() || opt_replace.is_some();
    if other || opt_rename.is_some() || opt_alias.is_some() {
        return Err(LocalError::unsupported_feature(format!("*{options}")));
    }
    if !qualifier.is_empty() && !scope.has_qualifier(qualifier) {
        let message = format!("Cannot resolve `{}`.* given input columns.", qualifier.join("`.`"));
        return Err(LocalError::new("CANNOT_RESOLVE_STAR_EXPAND", "42704", message));
    }
    let mut columns: Vec<_> = scope
        .columns
        .iter()
        .filter(|c| if qualifier.is_empty() { !c.hidden } else { c.has_qualifier(qualifier) })
        .collect();
    for name in opt_except.iter().flat_map(except_names) {
        let before = columns.len();
        columns.retain(|c| !same(&c.name, name));
        if columns.len() == before {
            return Err(scope.not_found(&[name.to_owned()]));
        }
    }
    let item = |c: &ScopeColumn| Item {
        name: c.name.clone(),
        value: Typed::new(Expr::Column(c.column.clone()), c.ty.clone()),
    };
    Ok(columns.into_iter().map(item).collect())
}

fn except_names(except: &ExceptSelectItem) -> impl Iterator<Item = &str> {
    let ExceptSelectItem { first_element, additional_elements } = except;
    std::iter::once(first_element).chain(additional_elements).map(|i| i.value.as_str())
}
