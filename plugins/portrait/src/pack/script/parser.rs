// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads a source file of a model. Everything that serialized TorchScript may say and that is not named here is refused.

use super::Refusal;
use super::lexer::{MAX_DEPTH, Placed, Token, tokens};
use super::tree::{Class, Function, Program, Step, Type, What};

/// Words with a meaning of their own, in TorchScript or here: no variable, parameter, attribute or function has such a name.
pub const RESERVED: &[&str] = &[
    "and",
    "annotate",
    "as",
    "assert",
    "async",
    "await",
    "awaitable",
    "bool",
    "break",
    "class",
    "continue",
    "CONSTANTS",
    "def",
    "del",
    "elif",
    "Ellipsis",
    "else",
    "except",
    "False",
    "finally",
    "float",
    "for",
    "fork",
    "from",
    "getattr",
    "global",
    "hasattr",
    "if",
    "import",
    "in",
    "inf",
    "int",
    "is",
    "isinstance",
    "lambda",
    "nan",
    "None",
    "NoneType",
    "nonlocal",
    "not",
    "ops",
    "or",
    "pass",
    "print",
    "raise",
    "range",
    "return",
    "setattr",
    "str",
    "super",
    "torch",
    "True",
    "try",
    "uninitialized",
    "unchecked_cast",
    "while",
    "with",
    "yield",
    "__torch__",
];

/// Methods whose names begin and end with two underscores that a module may have: others run while it is loaded.
const SPECIAL_METHODS: [&str; 2] = ["__len__", "__contains__"];

pub type Read<T> = Result<T, Refusal>;

/// Adds what a source file declares; `module` is the whole name that it stands for (`__torch__.a.b`), `changed` says that the plugin
/// wrote into it.
///
/// # Errors
/// Its first line with something that a model may not say.
pub fn parse(source: &str, module: &str, changed: bool, program: &mut Program) -> Read<()> {
    let tokens = tokens(source).map_err(|(line, what)| Refusal::at(line, what))?;
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0, changed };
    while parser.peek() != Token::End {
        parser.definition(module, program)?;
        while parser.peek() == Token::Newline {
            parser.at += 1;
        }
    }
    Ok(())
}

pub struct Parser<'t, 's> {
    pub tokens: &'t [Placed<'s>],
    pub at: usize,
    depth: usize,
    pub changed: bool,
}

impl<'s> Parser<'_, 's> {
    pub fn peek(&self) -> Token<'s> {
        self.ahead(0)
    }

    pub fn ahead(&self, by: usize) -> Token<'s> {
        self.tokens.get(self.at + by).map_or(Token::End, |&(token, _)| token)
    }

    pub fn line(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |&(_, line)| line)
    }

    pub fn next(&mut self) -> Token<'s> {
        let token = self.peek();
        self.at += 1;
        token
    }

    pub fn refuse<T>(&self, what: impl std::fmt::Display) -> Read<T> {
        Err(Refusal::at(self.line(), what.to_string()))
    }

    pub fn accept(&mut self, token: Token<'_>) -> bool {
        let found = self.peek() == token;
        self.at += usize::from(found);
        found
    }

    pub fn sign(&mut self, sign: char) -> Read<()> {
        self.expect(Token::Sign(sign))
    }

    pub fn expect(&mut self, token: Token<'_>) -> Read<()> {
        if self.accept(token) { Ok(()) } else { self.refuse(self.peek()) }
    }

    fn word(&mut self, word: &str) -> bool {
        self.accept(Token::Name(word))
    }

    /// A name that means nothing yet.
    pub fn name(&mut self) -> Read<&'s str> {
        match self.peek() {
            Token::Name(name) if !RESERVED.contains(&name) => {
                self.at += 1;
                Ok(name)
            }
            other => self.refuse(other),
        }
    }

    /// What stands between brackets, with commas, the last of which may be followed by nothing.
    pub fn list<T>(&mut self, close: char, item: fn(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let mut items = Vec::new();
        while !self.accept(Token::Sign(close)) {
            items.push(item(self)?);
            if !self.accept(Token::Sign(',')) {
                self.sign(close)?;
                break;
            }
        }
        Ok(items)
    }

    fn definition(&mut self, module: &str, program: &mut Program) -> Read<()> {
        let twice = |name: &str| format!("a second {name}");
        if self.word("class") {
            let name = self.name()?;
            self.sign('(')?;
            // Named tuples, enumerations, interfaces and classes that are no modules bring constructors of their own.
            if !self.word("Module") {
                return self.refuse(format!("a class of kind {}", self.peek()));
            }
            self.sign(')')?;
            self.sign(':')?;
            let whole = format!("{module}.{name}");
            let class = self.class(&whole)?;
            if program.functions.contains_key(&whole) || program.classes.insert(whole, class).is_some() {
                return self.refuse(twice(name));
            }
        } else {
            self.expect(Token::Name("def"))?;
            let line = self.line();
            let (name, function) = self.function()?;
            if function.parameters.iter().any(|(_, typ)| typ.holds_class()) {
                return Err(Refusal::at(line, "a module among the parameters of a function".to_owned()));
            }
            let whole = format!("{module}.{name}");
            if program.classes.contains_key(&whole) || program.functions.insert(whole, function).is_some() {
                return self.refuse(twice(&name));
            }
        }
        Ok(())
    }

    fn class(&mut self, whole: &str) -> Read<Class> {
        let mut class = Class::default();
        self.expect(Token::Indent)?;
        loop {
            let line = self.line();
            let taken = |class: &Class, name: &str| {
                class.attributes.contains_key(name)
                    || class.methods.contains_key(name)
                    || class.constants.iter().any(|c| c == name)
            };
            if self.word("def") {
                let (name, method) = self.function()?;
                let mut parameters = method.parameters.iter();
                // libtorch takes the first parameter for an object of this class, whatever it says.
                let own = parameters.next().is_some_and(|(_, of)| *of == Type::Class(whole.to_owned()));
                if !own || parameters.any(|(_, typ)| typ.holds_class()) {
                    return Err(Refusal::at(
                        line,
                        format!("parameters of {name} that are not its module and values"),
                    ));
                }
                let special = name.starts_with("__") && !SPECIAL_METHODS.contains(&name.as_str());
                if special || taken(&class, &name) {
                    return Err(Refusal::at(line, format!("the method {name}")));
                }
                class.methods.insert(name, method);
            } else if let Some((name, typ)) = self.attribute(&mut class)? {
                let strange = !matches!(typ, Type::Class(_)) && typ.holds_class() || typ.holds_texts();
                if strange || taken(&class, &name) {
                    return Err(Refusal::at(line, format!("the attribute {name}")));
                }
                class.attributes.insert(name, typ);
            }
            if self.accept(Token::Dedent) {
                return Ok(class);
            }
            // A method's block ends without a line's end of its own.
            self.accept(Token::Newline);
            if self.accept(Token::Dedent) {
                return Ok(class);
            }
        }
    }

    /// A line of a class that is no method; returns the attribute that it declares.
    fn attribute(&mut self, class: &mut Class) -> Read<Option<(String, Type)>> {
        match self.peek() {
            Token::Name("__parameters__" | "__buffers__") => {
                self.at += 1;
                self.sign('=')?;
                self.sign('[')?;
                self.list(']', Self::text)?;
                Ok(None)
            }
            Token::Name("__annotations__") => {
                self.at += 1;
                if self.accept(Token::Sign('=')) {
                    self.sign('[')?;
                    self.sign(']')?;
                    return Ok(None);
                }
                self.sign('[')?;
                let name = self.text()?;
                self.sign(']')?;
                self.sign('=')?;
                Ok(Some((name.to_owned(), self.typ()?)))
            }
            _ => {
                let name = self.name()?;
                if name.starts_with("__") {
                    return self.refuse(format!("the attribute {name}"));
                }
                self.sign(':')?;
                if !self.word("Final") {
                    return Ok(Some((name.to_owned(), self.typ()?)));
                }
                self.sign('[')?;
                if self.typ()?.holds_class() {
                    return self.refuse(format!("the constant {name}"));
                }
                self.sign(']')?;
                self.sign('=')?;
                self.literal()?;
                class.constants.push(name.to_owned());
                Ok(None)
            }
        }
    }

    pub fn text(&mut self) -> Read<&'s str> {
        match self.next() {
            Token::Text(text) if !text.contains('\\') => Ok(text),
            other => self.refuse(other),
        }
    }

    /// A function after the word `def`.
    fn function(&mut self) -> Read<(String, Function)> {
        let line = self.line();
        let name = self.name()?.to_owned();
        self.sign('(')?;
        let parameters = self.list(')', |p| {
            let name = p.name()?.to_owned();
            p.sign(':')?;
            let typ = p.typ()?;
            // libtorch computes defaults when it loads the function.
            if p.accept(Token::Sign('=')) {
                p.literal()?;
            }
            Ok((name, typ))
        })?;
        self.expect(Token::Arrow)?;
        if self.typ()?.holds_class() {
            return self.refuse("a module that is returned");
        }
        self.sign(':')?;
        let body = self.block()?;
        Ok((name, Function { line, parameters, body }))
    }

    pub fn typ(&mut self) -> Read<Type> {
        self.deeper(Self::typ_at)
    }

    fn typ_at(&mut self) -> Read<Type> {
        let Token::Name(name) = self.peek() else { return self.refuse(self.peek()) };
        self.at += 1;
        let mut of = |count: Option<usize>| {
            self.sign('[')?;
            // The empty tuple's type.
            if count.is_none() && self.accept(Token::Sign('(')) {
                self.sign(')')?;
                self.sign(']')?;
                return Ok(Vec::new());
            }
            let of = self.list(']', Self::typ)?;
            if count.is_some_and(|count| count != of.len()) {
                return self.refuse(format!("{name} of {} types", of.len()));
            }
            Ok(of.into_iter().map(Box::new).collect())
        };
        let one = |of: Vec<Box<Type>>| of.into_iter().next().unwrap_or(Box::new(Type::None));
        Ok(match name {
            "Tensor" => Type::Tensor,
            "int" => Type::Int,
            "float" => Type::Float,
            "bool" => Type::Bool,
            "str" => Type::Text,
            "NoneType" => Type::None,
            "Device" => Type::Device,
            "number" => Type::Number,
            "Optional" => Type::Optional(one(of(Some(1))?)),
            "List" => Type::List(one(of(Some(1))?)),
            "Tuple" => Type::Tuple(of(None)?.into_iter().map(|t| *t).collect()),
            "Dict" => {
                let mut of = of(Some(2))?.into_iter();
                match (of.next(), of.next()) {
                    (Some(key), Some(value)) => Type::Dict(key, value),
                    _ => return self.refuse("Dict"),
                }
            }
            "__torch__" => Type::Class(self.path()?),
            other => return self.refuse(format!("the type {other}")),
        })
    }

    /// The rest of a whole name, after `__torch__`.
    pub fn path(&mut self) -> Read<String> {
        let mut path = "__torch__".to_owned();
        while self.accept(Token::Sign('.')) {
            path.push('.');
            path.push_str(self.part()?);
        }
        Ok(path)
    }

    /// A part of a whole name: a name, of which `torch` may be one.
    fn part(&mut self) -> Read<&'s str> {
        if self.word("torch") { Ok("torch") } else { self.name() }
    }

    /// A value that stands there as it is.
    pub fn literal(&mut self) -> Read<()> {
        self.deeper(|p| {
            match p.next() {
                Token::Sign('-') => match p.next() {
                    Token::Number(_) | Token::Name("inf" | "nan") => {}
                    other => return p.refuse(other),
                },
                Token::Number(_)
                | Token::Text(_)
                | Token::Name("True" | "False" | "None" | "inf" | "nan") => {}
                Token::Sign('[') => _ = p.list(']', Self::literal)?,
                Token::Sign('(') => _ = p.list(')', Self::literal)?,
                other => return p.refuse(other),
            }
            Ok(())
        })
    }

    pub fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if self.depth == 2 * MAX_DEPTH {
            return self.refuse("too deep a structure");
        }
        self.depth += 1;
        let found = read(self)?;
        self.depth -= 1;
        Ok(found)
    }

    fn block(&mut self) -> Read<Vec<Step>> {
        self.expect(Token::Indent)?;
        let mut steps = Vec::new();
        loop {
            let line = self.line();
            let what = self.deeper(Self::step)?;
            steps.push(Step { line, what });
            if self.accept(Token::Dedent) {
                return Ok(steps);
            }
        }
    }

    /// A statement with its line's end or its blocks.
    fn step(&mut self) -> Read<What> {
        if self.word("if") {
            let condition = self.expr()?;
            self.sign(':')?;
            let then = self.block()?;
            // `else` stands on its own line, which begins when the block has ended.
            self.expect(Token::Name("else"))?;
            self.sign(':')?;
            return Ok(What::If(condition, then, self.block()?));
        }
        if self.word("for") {
            let name = self.name()?.to_owned();
            self.expect(Token::Name("in"))?;
            self.expect(Token::Name("range"))?;
            self.sign('(')?;
            let count = self.expr()?;
            self.sign(')')?;
            self.sign(':')?;
            return Ok(What::For(name, count, self.block()?));
        }
        let what = if self.word("return") {
            What::Return(self.several()?.0)
        } else if self.word("pass") {
            What::Pass
        } else {
            self.assignment()?
        };
        self.expect(Token::Newline)?;
        Ok(what)
    }

    /// `a = x`, `a, b = x, y`, `a, = x`, `a : T = x`, or a value that is let go.
    fn assignment(&mut self) -> Read<What> {
        let assigns =
            matches!(self.peek(), Token::Name(_)) && matches!(self.ahead(1), Token::Sign('=' | ',' | ':'));
        if !assigns {
            return Ok(What::Value(self.expr()?));
        }
        let mut names = vec![self.name()?.to_owned()];
        let mut unpack = false;
        while self.accept(Token::Sign(',')) {
            unpack = true;
            if self.peek() == Token::Sign('=') {
                break;
            }
            names.push(self.name()?.to_owned());
        }
        if !unpack && self.accept(Token::Sign(':')) && self.typ()?.holds_class() {
            return self.refuse("a variable annotated as a module");
        }
        self.sign('=')?;
        let (value, _) = self.several()?;
        Ok(What::Assign { names, unpack, value })
    }
}
