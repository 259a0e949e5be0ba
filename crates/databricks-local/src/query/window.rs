//! OVER: partitions, order and frames.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{Sort, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Expr, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition,
};
use sqlparser::ast::{self, OrderByExpr, WindowSpec, WindowType};

use super::planner::{Allowed, Planner};
use super::scope::Scope;
use super::select::direction;
use super::types;
use crate::error::{LocalError, Result};

/// What stands in OVER.
#[derive(Clone, Debug)]
pub(super) struct Over {
    pub(super) partition_by: Vec<Expr>,
    pub(super) order_by: Vec<Sort>,
    frame: Option<WindowFrame>,
}

impl Over {
    /// The call of a function over this window. A ranking function has no use for a frame.
    pub(super) fn call(
        &self,
        function: WindowFunctionDefinition,
        args: Vec<Expr>,
        filter: Option<Expr>,
    ) -> Expr {
        let ordered = if self.order_by.is_empty() { None } else { Some(false) };
        let params = WindowFunctionParams {
            args,
            partition_by: self.partition_by.clone(),
            order_by: self.order_by.clone(),
            window_frame: self.frame.clone().unwrap_or_else(|| WindowFrame::new(ordered)),
            filter: filter.map(Box::new),
            null_treatment: None,
            distinct: false,
        };
        Expr::WindowFunction(Box::new(WindowFunction { fun: function, params }))
    }

    pub(super) fn has_frame(&self) -> bool {
        self.frame.is_some()
    }
}

impl Planner<'_> {
    /// Reads OVER.
    pub(super) fn over(&mut self, over: &WindowType, scope: &Scope) -> Result<Over> {
        if !self.allowed.windows {
            let message =
                "It is not allowed to use window functions outside of the select list, QUALIFY and ORDER BY.";
            return Err(LocalError::new("INVALID_WINDOW_FUNCTION_PLACE", "42903", message));
        }
        let spec = match over {
            WindowType::WindowSpec(spec) => spec.clone(),
            WindowType::NamedWindow(name) => {
                let found = self.windows.get(&name.value.to_lowercase()).cloned();
                found.ok_or_else(|| {
                    let message = format!("The window `{}` is not defined in the WINDOW clause.", name.value);
                    LocalError::new("MISSING_WINDOW_SPECIFICATION", "42P20", message)
                })?
            }
        };
        let inner = Allowed { windows: false, ..self.allowed };
        self.allowing(inner, |p| p.window(&spec, scope))
    }

    fn window(&mut self, spec: &WindowSpec, scope: &Scope) -> Result<Over> {
        let WindowSpec { window_name, partition_by, order_by, window_frame } = spec;
        if window_name.is_some() {
            return Err(LocalError::unsupported_feature("a window that extends another"));
        }
        let partition_by = partition_by
            .iter()
            .map(|e| {
                let value = self.scalar(e, scope)?;
                Ok(super::operators::unsigned_zero(value).expr)
            })
            .collect::<Result<_>>()?;
        let mut keys = Vec::new();
        for OrderByExpr { expr, options, with_fill } in order_by {
            if with_fill.is_some() {
                return Err(LocalError::unsupported_feature("WITH FILL"));
            }
            let value = self.scalar(expr, scope)?;
            if !types::is_comparable(&value.ty) {
                return Err(LocalError::unsupported_feature(format!(
                    "ORDER BY a {}",
                    types::name(&value.ty)
                )));
            }
            let (ascending, nulls_first) = direction(options);
            keys.push(Sort::new(value.expr, ascending, nulls_first));
        }
        let frame = match window_frame {
            Some(frame) => Some(self.frame(frame)?),
            None => None,
        };
        Ok(Over { partition_by, order_by: keys, frame })
    }

    fn frame(&mut self, frame: &ast::WindowFrame) -> Result<WindowFrame> {
        let ast::WindowFrame { units, start_bound, end_bound } = frame;
        let units = match units {
            ast::WindowFrameUnits::Rows => WindowFrameUnits::Rows,
            ast::WindowFrameUnits::Range => WindowFrameUnits::Range,
            ast::WindowFrameUnits::Groups => return Err(LocalError::unsupported_feature("GROUPS frames")),
        };
        let start = self.bound(start_bound, units)?;
        let end = match end_bound {
            Some(bound) => self.bound(bound, units)?,
            None => WindowFrameBound::CurrentRow,
        };
        Ok(WindowFrame::new_bounds(units, start, end))
    }

    fn bound(&mut self, bound: &ast::WindowFrameBound, units: WindowFrameUnits) -> Result<WindowFrameBound> {
        let offset = match bound {
            ast::WindowFrameBound::CurrentRow => return Ok(WindowFrameBound::CurrentRow),
            ast::WindowFrameBound::Preceding(offset) | ast::WindowFrameBound::Following(offset) => offset,
        };
        let value = match offset {
            None => ScalarValue::UInt64(None),
            Some(_) if units == WindowFrameUnits::Range => {
                return Err(LocalError::unsupported_feature("RANGE frames with an offset"));
            }
            Some(expr) => {
                let rows = self.constant(expr, &DataType::Int64, "a window frame bound")?;
                let ScalarValue::Int64(Some(rows)) = rows else {
                    return Err(LocalError::unsupported_feature("a window frame bound of NULL"));
                };
                ScalarValue::UInt64(Some(
                    u64::try_from(rows)
                        .map_err(|_| LocalError::unsupported_feature("a negative window frame bound"))?,
                ))
            }
        };
        Ok(match bound {
            ast::WindowFrameBound::Preceding(_) => WindowFrameBound::Preceding(value),
            _ => WindowFrameBound::Following(value),
        })
    }
}
