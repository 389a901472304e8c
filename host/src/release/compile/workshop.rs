//! Where machine code is made: an engine with the settings of those that serve, and no room for their instances.

use bytes::Bytes;

use crate::engine::{self, Compiler};

use super::{CompileError, Order, prepare, tail_calls};

/// Compiles on this thread and its helpers; takes as long as it takes.
pub(super) fn machine_code(order: &Order) -> Result<Bytes, CompileError> {
    let unusable = |error: engine::EngineError| CompileError::Compiler(crate::error::chain(&error));
    let engine = engine::workshop(order.kind).map_err(unusable)?;
    let prepared;
    let component = if order.prepare {
        prepared = prepare::prepared(&engine, order)?;
        &prepared[..]
    } else {
        &order.component[..]
    };
    let mut code = engine.precompile_component(component);
    if order.kind.compiler == Compiler::Baseline
        && code.is_err()
        && let Some(component) = tail_calls::replaced(component)
    {
        code = engine.precompile_component(&component);
    }
    code.map(Bytes::from).map_err(|error| CompileError::Refused(format!("{error:#}")))
}
