// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a source file of a model says.

use std::collections::BTreeMap;

/// A type, as an annotation names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    Tensor,
    Int,
    Float,
    Bool,
    Text,
    None,
    Device,
    Number,
    Optional(Box<Type>),
    List(Box<Type>),
    Tuple(Vec<Type>),
    Dict(Box<Type>, Box<Type>),
    /// A class of the model, by its whole name.
    Class(String),
}

impl Type {
    /// Whether it has lists that an operator (`sort`) can change while other streams read what they refer to.
    pub fn holds_texts(&self) -> bool {
        match self {
            Self::List(of) => !matches!(**of, Self::Tensor | Self::Int | Self::Float | Self::Bool),
            Self::Optional(of) => of.holds_texts(),
            Self::Tuple(of) => of.iter().any(Self::holds_texts),
            Self::Dict(..) => true,
            _ => false,
        }
    }

    /// Whether a module takes part in it.
    pub fn holds_class(&self) -> bool {
        match self {
            Self::Class(_) => true,
            Self::Optional(of) | Self::List(of) => of.holds_class(),
            Self::Tuple(of) => of.iter().any(Self::holds_class),
            Self::Dict(key, value) => key.holds_class() || value.holds_class(),
            _ => false,
        }
    }
}

/// A value that is computed.
#[derive(Debug)]
pub enum Expr {
    Name(String),
    /// A number, a text, True, False, None.
    Literal,
    /// `CONSTANTS.cN`
    Constant(usize),
    Tuple(Vec<Expr>),
    List(Vec<Expr>),
    /// A sign, a cast, `unchecked_cast`, `uninitialized`: nothing but values come out.
    Plain(Vec<Expr>),
    /// `annotate(List[T], [])`
    NewList,
    /// A listed operator.
    Operator(&'static str, Vec<Expr>),
    /// `x.name`, `getattr(x, "name")`
    Attribute(Box<Expr>, String),
    /// `(x).name(…)`
    Method(Box<Expr>, String, Vec<Expr>),
    /// The whole name of a function of the model.
    Path(String),
    Call(Box<Expr>, Vec<Expr>),
    Index(Box<Expr>, Vec<Expr>),
}

/// A step of a function, with its line.
#[derive(Debug)]
pub struct Step {
    pub line: usize,
    pub what: What,
}

#[derive(Debug)]
pub enum What {
    /// Names that get the value; the parts of it where there are several or a comma follows.
    Assign {
        names: Vec<String>,
        unpack: bool,
        value: Expr,
    },
    Value(Expr),
    If(Expr, Vec<Step>, Vec<Step>),
    For(String, Expr, Vec<Step>),
    Return(Expr),
    Pass,
}

#[derive(Debug)]
pub struct Function {
    pub line: usize,
    pub parameters: Vec<(String, Type)>,
    pub body: Vec<Step>,
}

/// A module's class.
#[derive(Debug, Default)]
pub struct Class {
    /// What an object holds, from the archive's `data.pkl`.
    pub attributes: BTreeMap<String, Type>,
    /// What all objects share.
    pub constants: Vec<String>,
    pub methods: BTreeMap<String, Function>,
}

/// All that the sources of a model declare, by whole name (`__torch__.a.b.Name`).
#[derive(Debug, Default)]
pub struct Program {
    pub classes: BTreeMap<String, Class>,
    pub functions: BTreeMap<String, Function>,
}
