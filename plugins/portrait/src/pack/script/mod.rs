// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a model's code may say. TorchScript is a language of its own, stored as text that looks like Python and compiled by
//! libtorch when the model is loaded. Operators reach files and the system in several ways: by name (`torch.save(x, path)`),
//! as methods (`x.save(path)`), as builtins (`print`), as classes that libtorch brings. So nothing is searched for: the whole
//! text is read ([`parser`]) and what is not known is refused; each call is followed to what it calls ([`mod@check`]), which is
//! an operator of `operators.txt` or a function or method of the model itself.

mod check;
mod expr;
mod lexer;
mod parser;
mod tree;

use std::collections::BTreeSet;
use std::sync::LazyLock;

pub use check::check;
pub use parser::parse;
pub use tree::{Class, Expr, Program, Step, Type, What};

/// Names in `torch.NAME(…)` and `ops.SPACE.NAME(…)` that a pack's models may call. Nothing here reads or writes files, talks to
/// the system, prints, runs other code, or makes a tensor that reaches beyond its memory. `dropout` is there for models that were
/// traced with it: stages run in eval mode, where it does nothing.
static OPERATORS: LazyLock<BTreeSet<&'static str>> =
    LazyLock::new(|| include_str!("../operators.txt").split_whitespace().collect());

/// What else the plugin's own changes to a model call (`int8`). They trust what they are given, so no model may.
const OWN_OPERATORS: [&str; 2] = ["onednn.qconv_pointwise", "onednn.qconv_prepack"];

/// The name as it is listed, if it is.
fn operator(name: &str, changed: bool) -> Option<&'static str> {
    let own = OWN_OPERATORS.into_iter().find(|own| changed && *own == name);
    own.or_else(|| OPERATORS.get(name).copied())
}

/// Why code is refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It calls an operator that is not listed.
    Operator {
        /// Line, from 1.
        line: usize,
        /// Its name, with the namespace where that is not `torch`.
        name: String,
    },
    /// It says something else that a model may not say.
    Code {
        /// Line, from 1.
        line: usize,
        /// What.
        what: String,
    },
}

impl Refusal {
    fn at(line: usize, what: String) -> Self {
        Self::Code { line, what }
    }

    fn operator(line: usize, name: String) -> Self {
        Self::Operator { line, name }
    }
}

#[cfg(test)]
mod tests;
