//! Components for the baseline compiler, which knows no tail calls: QuickJS, as it is packed for components, has a hundred
//! of them, to the functions that it imports.

use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent};
use wasm_encoder::{CodeSection, Component, Instruction};
use wasmparser::{FunctionBody, Parser};

/// The same component with each tail call made a call and a return: the same but for the stack that it takes. `None` where
/// there are none, or where it cannot be read.
pub(super) fn replaced(component: &[u8]) -> Option<Vec<u8>> {
    let (mut rewriter, mut rewritten) = (Rewriter::default(), Component::new());
    rewriter.parse_component(&mut rewritten, Parser::new(0), component).ok()?;
    (rewriter.calls > 0).then(|| rewritten.finish())
}

#[derive(Default)]
struct Rewriter {
    calls: usize,
}

impl ReencodeComponent for Rewriter {}

impl Reencode for Rewriter {
    type Error = std::convert::Infallible;

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), Error<Self::Error>> {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let call = match self.parse_instruction(&mut reader)? {
                Instruction::ReturnCall(function) => Instruction::Call(function),
                Instruction::ReturnCallIndirect { type_index, table_index } => {
                    Instruction::CallIndirect { type_index, table_index }
                }
                other => {
                    function.instruction(&other);
                    continue;
                }
            };
            function.instruction(&call).instruction(&Instruction::Return);
            self.calls += 1;
        }
        code.function(&function);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component whose `run` answers what it was given and 1, by way of tail calls.
    const TAIL_CALLS: &str = r#"(component
        (core module $m
            (type $t (func (param i32) (result i32)))
            (table 1 funcref) (elem (i32.const 0) $more)
            (func $more (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
            (func $direct (param i32) (result i32)
                (if (local.get 0) (then (return_call $more (local.get 0))))
                (i32.const 7))
            (func (export "run") (param i32) (result i32)
                (drop (call $direct (local.get 0)))
                (return_call_indirect (type $t) (call $direct (i32.const 0)) (i32.const 0))))
        (core instance $i (instantiate $m))
        (func (export "run") (param "n" u32) (result u32) (canon lift (core func $i "run"))))"#;

    fn run(compiler: wasmtime::Strategy, component: &[u8]) -> Result<u32, wasmtime::Error> {
        let engine = wasmtime::Engine::new(wasmtime::Config::new().strategy(compiler))?;
        let component = wasmtime::component::Component::from_binary(&engine, component)?;
        let mut store = wasmtime::Store::new(&engine, ());
        let instance = wasmtime::component::Linker::new(&engine).instantiate(&mut store, &component)?;
        let run = instance.get_typed_func::<(u32,), (u32,)>(&mut store, "run")?;
        run.call(&mut store, (5,)).map(|(answer,)| answer)
    }

    #[test]
    fn what_the_baseline_compiler_refuses_it_takes_without_tail_calls() {
        let component = wat::parse_str(TAIL_CALLS).unwrap();
        run(wasmtime::Strategy::Winch, &component).unwrap_err();
        let rewritten = replaced(&component).unwrap();
        assert_eq!(run(wasmtime::Strategy::Winch, &rewritten).unwrap(), 8);
        assert_eq!(run(wasmtime::Strategy::Cranelift, &component).unwrap(), 8);
    }

    #[test]
    fn what_has_none_or_is_no_component_is_left_alone() {
        let plain = wat::parse_str(TAIL_CALLS.replace("return_call", "call")).unwrap();
        assert_eq!(replaced(&plain), None);
        assert_eq!(replaced(b"\0asm, they say"), None);
    }
}
