// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads the values of a model's code.

use super::lexer::{MAX_DEPTH, Token};
use super::parser::{Parser, RESERVED, Read};
use super::tree::{Expr, Type};
use super::{Refusal, operator};

/// Arguments that are given by name. `out` is none of them: it would change a tensor that other streams are reading.
const KEYWORDS: &[&str] = &[
    "alpha",
    "approximate",
    "beta",
    "correction",
    "device",
    "dtype",
    "enable_gqa",
    "indexing",
    "layout",
    "memory_format",
    "pin_memory",
    "requires_grad",
    "rounding_mode",
    "scale",
    "value",
];

impl Parser<'_, '_> {
    /// A value, or several with commas: a tuple.
    pub fn several(&mut self) -> Read<(Expr, bool)> {
        let first = self.expr()?;
        if self.peek() != Token::Sign(',') {
            return Ok((first, false));
        }
        let mut parts = vec![first];
        while self.accept(Token::Sign(',')) && self.peek() != Token::Newline {
            parts.push(self.expr()?);
        }
        Ok((Expr::Tuple(parts), true))
    }

    pub fn expr(&mut self) -> Read<Expr> {
        self.deeper(|p| {
            let mut value = p.base()?;
            let mut chain = 0;
            loop {
                value = match p.peek() {
                    Token::Sign('.') => {
                        p.at += 1;
                        let name = p.name()?.to_owned();
                        match p.accept(Token::Sign('(')) {
                            true => Expr::Method(value.into(), name, p.list(')', Self::expr)?),
                            false => Expr::Attribute(value.into(), name),
                        }
                    }
                    Token::Sign('(') => {
                        p.at += 1;
                        Expr::Call(value.into(), p.list(')', Self::expr)?)
                    }
                    Token::Sign('[') => {
                        p.at += 1;
                        Expr::Index(value.into(), p.indices()?)
                    }
                    _ => return Ok(value),
                };
                chain += 1;
                if chain > MAX_DEPTH {
                    return p.refuse("too long a chain");
                }
            }
        })
    }

    /// What stands in the brackets of `x[1]` and `x[1:2]`.
    fn indices(&mut self) -> Read<Vec<Expr>> {
        let mut indices = vec![self.expr()?];
        if self.accept(Token::Sign(':')) {
            indices.push(self.expr()?);
        }
        self.sign(']')?;
        Ok(indices)
    }

    fn base(&mut self) -> Read<Expr> {
        let line = self.line();
        Ok(match self.next() {
            Token::Number(_) | Token::Text(_) => Expr::Literal,
            Token::Name("True" | "False" | "None" | "inf" | "nan") => Expr::Literal,
            Token::Sign('-') => Expr::Plain(vec![self.expr()?]),
            Token::Sign('[') => Expr::List(self.list(']', Self::expr)?),
            Token::Sign('(') => match self.list_of_tuple()? {
                (mut one, false) if one.len() == 1 => one.remove(0),
                (parts, _) => Expr::Tuple(parts),
            },
            Token::Name("torch") => {
                self.sign('.')?;
                let Token::Name(name) = self.next() else { return self.refuse(self.peek()) };
                self.operator(line, name.to_owned())?
            }
            Token::Name("ops") => {
                self.sign('.')?;
                let Token::Name(space) = self.next() else { return self.refuse(self.peek()) };
                self.sign('.')?;
                let Token::Name(name) = self.next() else { return self.refuse(self.peek()) };
                self.operator(line, format!("{space}.{name}"))?
            }
            Token::Name("CONSTANTS") => {
                self.sign('.')?;
                let number = match self.next() {
                    Token::Name(name) => name.strip_prefix('c').and_then(|n| n.parse().ok()),
                    _ => None,
                };
                match number {
                    Some(number) => Expr::Constant(number),
                    None => return self.refuse("CONSTANTS without a number"),
                }
            }
            Token::Name("annotate") => {
                self.sign('(')?;
                let list = matches!(self.value_type()?, Type::List(_));
                self.sign(',')?;
                let value = self.expr()?;
                self.sign(')')?;
                match value {
                    Expr::List(items) if list && items.is_empty() => Expr::NewList,
                    value => Expr::Plain(vec![value]),
                }
            }
            Token::Name("unchecked_cast") => {
                self.sign('(')?;
                self.value_type()?;
                self.sign(',')?;
                let value = self.expr()?;
                self.sign(')')?;
                Expr::Plain(vec![value])
            }
            Token::Name("uninitialized") => {
                self.sign('(')?;
                self.value_type()?;
                self.sign(')')?;
                Expr::Plain(Vec::new())
            }
            Token::Name("int" | "float" | "bool" | "str") => {
                self.sign('(')?;
                Expr::Plain(self.list(')', Self::expr)?)
            }
            Token::Name("getattr") => {
                self.sign('(')?;
                let of = self.expr()?;
                self.sign(',')?;
                let name = self.text()?.to_owned();
                self.sign(')')?;
                Expr::Attribute(of.into(), name)
            }
            Token::Name("__torch__") => Expr::Path(self.path()?),
            Token::Name(name) if !RESERVED.contains(&name) => Expr::Name(name.to_owned()),
            other => return Err(Refusal::at(line, other.to_string())),
        })
    }

    /// The inside of brackets, and whether a comma makes it a tuple.
    fn list_of_tuple(&mut self) -> Read<(Vec<Expr>, bool)> {
        let from = self.at;
        let items = self.list(')', Self::expr)?;
        let comma = self.tokens.get(self.at.saturating_sub(2)).is_some_and(|&(t, _)| t == Token::Sign(','));
        Ok((items, comma && self.at > from + 1))
    }

    fn value_type(&mut self) -> Read<Type> {
        let typ = self.typ()?;
        if typ.holds_class() { self.refuse("a cast to a module") } else { Ok(typ) }
    }

    /// The call of an operator, by its name in `operators.txt`.
    fn operator(&mut self, line: usize, name: String) -> Read<Expr> {
        let Some(listed) = operator(&name, self.changed) else { return Err(Refusal::operator(line, name)) };
        // Without a call it would be a value, and could be called by another name.
        self.sign('(')?;
        let arguments = self.list(')', |p| {
            if let (Token::Name(word), Token::Sign('=')) = (p.peek(), p.ahead(1)) {
                if !KEYWORDS.contains(&word) {
                    return p.refuse(format!("{word}="));
                }
                p.at += 2;
            }
            p.expr()
        })?;
        Ok(Expr::Operator(listed, arguments))
    }
}
