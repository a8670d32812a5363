// SPDX-License-Identifier: MIT OR Apache-2.0
//! Follows each call to what it calls. A method's name says nothing by itself: `x.save(path)` on a tensor is the operator
//! `save`. So methods and attributes are taken from values only that are certainly modules of this model, and functions are
//! called only by names that certainly hold one.

use std::collections::{BTreeMap, BTreeSet};

use super::Refusal;
use super::lexer::MAX_DEPTH;
use super::tree::{Class, Expr, Function, Program, Step, Type, What};

/// Operators that change a list in place: streams run one model at once, so it must be a list that the function made.
const CHANGE_LISTS: [&str; 2] = ["append", "extend"];

/// Rounds until it is clear which lists are a function's own: as many as one list has names in a row, in reverse order.
const MAX_ROUNDS: usize = 16;

/// What a name holds, as far as that must be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind<'p> {
    /// An object of the class of that whole name.
    Module(&'p str),
    /// The function of that whole name.
    Function(&'p str),
    /// A list that the function has made.
    OwnList,
    /// Any other value: nothing can be called or taken from it.
    Value,
}

/// Checks all functions of a model that has so many constants.
///
/// # Errors
/// The first line that calls what it may not.
pub fn check(program: &Program, constants: usize) -> Result<(), Refusal> {
    for class in program.classes.values() {
        for typ in class.attributes.values() {
            if let Type::Class(name) = typ
                && !program.classes.contains_key(name)
            {
                return Err(Refusal::at(1, format!("the class {name}, which the model does not hold")));
            }
        }
    }
    let within = |class: &'_ Class| -> BTreeSet<String> {
        class
            .attributes
            .values()
            .filter_map(|t| if let Type::Class(name) = t { Some(name.clone()) } else { None })
            .collect()
    };
    check_depth(&program.classes.iter().map(|(name, class)| (name.clone(), within(class))).collect())?;
    let methods = program.classes.iter().flat_map(|(name, class)| {
        class.methods.iter().map(move |(method, function)| (method_name(name, method), function))
    });
    let functions = program.functions.iter().map(|(name, function)| (name.clone(), function));
    let mut calls = BTreeMap::new();
    for (name, function) in methods.chain(functions) {
        let mut scope =
            Scope { program, constants, names: BTreeMap::new(), line: function.line, calls: BTreeSet::new() };
        scope.function(function)?;
        calls.insert(name, scope.calls);
    }
    check_depth(&calls)
}

fn method_name(class: &str, method: &str) -> String {
    format!("{class}:{method}")
}

/// Holds chains of classes within classes, or of functions that call functions, against [`MAX_DEPTH`]: libtorch takes many
/// stack frames for each link when it compiles them.
fn check_depth(links: &BTreeMap<String, BTreeSet<String>>) -> Result<(), Refusal> {
    fn depth<'l>(
        name: &'l str,
        links: &'l BTreeMap<String, BTreeSet<String>>,
        known: &mut BTreeMap<&'l str, usize>,
        above: usize,
    ) -> Option<usize> {
        if let Some(&depth) = known.get(name) {
            return (above + depth <= MAX_DEPTH).then_some(depth);
        }
        if above == MAX_DEPTH {
            return None;
        }
        let mut deepest = 1;
        for next in links.get(name).into_iter().flatten() {
            deepest = deepest.max(1 + depth(next, links, known, above + 1)?);
        }
        known.insert(name, deepest);
        Some(deepest)
    }
    let mut known = BTreeMap::new();
    match links.keys().find(|name| depth(name, links, &mut known, 0).is_none()) {
        None => Ok(()),
        Some(name) => Err(Refusal::at(1, format!("{name}, which nests or calls too deep"))),
    }
}

struct Scope<'p> {
    program: &'p Program,
    constants: usize,
    /// What each name of the function holds, wherever it is assigned.
    names: BTreeMap<&'p str, Kind<'p>>,
    line: usize,
    /// Functions and methods that it calls.
    calls: BTreeSet<String>,
}

impl<'p> Scope<'p> {
    fn function(&mut self, function: &'p Function) -> Result<(), Refusal> {
        for (name, typ) in &function.parameters {
            let kind = match typ {
                Type::Class(class) => Kind::Module(class),
                _ => Kind::Value,
            };
            if self.names.insert(name, kind).is_some() {
                return self.refuse(format!("a second parameter {name}"));
            }
        }
        // First what each name holds by its first assignment, then whether all agree: a name that holds a module at one place
        // and a tensor at another would lend the tensor the module's methods.
        for _ in 0..MAX_ROUNDS {
            if !self.collect(&function.body) {
                return self.steps(&function.body);
            }
        }
        self.refuse("a list by too many names".to_owned())
    }

    fn refuse<T>(&self, what: String) -> Result<T, Refusal> {
        Err(Refusal::at(self.line, what))
    }

    /// Notes what names hold; returns whether that changed.
    fn collect(&mut self, steps: &'p [Step]) -> bool {
        let mut changed = false;
        for step in steps {
            match &step.what {
                What::Assign { names, unpack, value } => {
                    let kind = if *unpack { Kind::Value } else { self.kind(value) };
                    for name in names {
                        changed |= self.note(name, kind);
                    }
                }
                What::If(_, then, other) => {
                    changed |= self.collect(then);
                    changed |= self.collect(other);
                }
                What::For(name, _, body) => {
                    changed |= self.note(name, Kind::Value);
                    changed |= self.collect(body);
                }
                What::Value(_) | What::Return(_) | What::Pass => {}
            }
        }
        changed
    }

    fn note(&mut self, name: &'p str, kind: Kind<'p>) -> bool {
        let held = self.names.entry(name).or_insert(kind);
        // A list that may also come from elsewhere is a value like others.
        let lost = *held == Kind::OwnList && kind == Kind::Value;
        if lost {
            *held = Kind::Value;
        }
        lost
    }

    /// What a value is, by what is known of the names so far.
    fn kind(&self, value: &'p Expr) -> Kind<'p> {
        match value {
            Expr::Name(name) => self.names.get(name.as_str()).copied().unwrap_or(Kind::Value),
            Expr::Path(path) => Kind::Function(path),
            Expr::NewList | Expr::List(_) => Kind::OwnList,
            Expr::Attribute(of, name) => {
                let Kind::Module(class) = self.kind(of) else { return Kind::Value };
                match self.program.classes.get(class).and_then(|class| class.attributes.get(name)) {
                    Some(Type::Class(class)) => Kind::Module(class),
                    _ => Kind::Value,
                }
            }
            _ => Kind::Value,
        }
    }

    fn steps(&mut self, steps: &'p [Step]) -> Result<(), Refusal> {
        for step in steps {
            self.line = step.line;
            match &step.what {
                What::Assign { names, unpack, value } => self.assign(names, *unpack, value)?,
                What::Value(value) | What::Return(value) => self.value(value)?,
                What::If(condition, then, other) => {
                    self.value(condition)?;
                    self.steps(then)?;
                    self.steps(other)?;
                }
                What::For(name, count, body) => {
                    self.value(count)?;
                    self.holds(name, Kind::Value)?;
                    self.steps(body)?;
                }
                What::Pass => {}
            }
        }
        Ok(())
    }

    fn assign(&mut self, names: &'p [String], unpack: bool, value: &'p Expr) -> Result<(), Refusal> {
        let kind = if unpack { Kind::Value } else { self.kind(value) };
        match kind {
            Kind::Module(_) => self.module(value).map(|_| ())?,
            Kind::Function(path) => self.known(path)?,
            Kind::OwnList | Kind::Value => self.value(value)?,
        }
        for name in names {
            // Before such a name is assigned, libtorch looks it up among its builtins: it must be none of theirs.
            let free = name.strip_prefix('_').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
            if matches!(kind, Kind::Function(_)) && !free {
                return self.refuse(format!("a function by the name of {name}"));
            }
            self.holds(name, kind)?;
        }
        Ok(())
    }

    /// Whether a name holds that, and nothing else anywhere in the function.
    fn holds(&self, name: &str, kind: Kind<'p>) -> Result<(), Refusal> {
        let held = self.names.get(name);
        if held == Some(&kind) || (held, kind) == (Some(&Kind::Value), Kind::OwnList) {
            Ok(())
        } else {
            self.refuse(format!("{name}, which is two different things"))
        }
    }

    fn known(&self, path: &str) -> Result<(), Refusal> {
        if self.program.functions.contains_key(path) {
            Ok(())
        } else {
            self.refuse(format!("{path}, which the model does not hold"))
        }
    }

    /// The class of a value that must be a module.
    fn module(&self, value: &'p Expr) -> Result<&'p str, Refusal> {
        if let Expr::Attribute(of, name) = value {
            self.attribute(of, name)?;
        }
        match (self.kind(value), value) {
            (Kind::Module(class), Expr::Name(_) | Expr::Attribute(..)) => Ok(class),
            _ => self.refuse("a method or an attribute of what is no module of this model".to_owned()),
        }
    }

    fn attribute(&self, of: &'p Expr, name: &str) -> Result<(), Refusal> {
        let class = self.module(of)?;
        let found = self.program.classes.get(class).is_some_and(|class| {
            class.attributes.contains_key(name) || class.constants.iter().any(|c| c == name)
        });
        if found { Ok(()) } else { self.refuse(format!("the attribute {name} of {class}")) }
    }

    fn values(&mut self, values: &'p [Expr]) -> Result<(), Refusal> {
        values.iter().try_for_each(|value| self.value(value))
    }

    /// A value that is used: neither a module nor a function.
    fn value(&mut self, value: &'p Expr) -> Result<(), Refusal> {
        match value {
            Expr::Literal | Expr::NewList => Ok(()),
            Expr::Name(name) => match self.names.get(name.as_str()) {
                Some(Kind::Value | Kind::OwnList) => Ok(()),
                Some(_) => self.refuse(format!("{name}, a module or a function, as a value")),
                None => self.refuse(format!("{name}, which the model does not define")),
            },
            Expr::Constant(number) if *number < self.constants => Ok(()),
            Expr::Constant(number) => {
                self.refuse(format!("constant {number}, where the model holds {}", self.constants))
            }
            Expr::Tuple(parts) | Expr::List(parts) | Expr::Plain(parts) => self.values(parts),
            Expr::Operator(name, arguments) => {
                let own = matches!(arguments.first().map(|list| self.kind(list)), Some(Kind::OwnList));
                if CHANGE_LISTS.contains(name) && !own {
                    return self.refuse(format!("{name} to a list that the function has not made"));
                }
                self.values(arguments)
            }
            Expr::Attribute(of, name) => {
                self.attribute(of, name)?;
                match self.kind(value) {
                    Kind::Value => Ok(()),
                    _ => self.refuse(format!("{name}, a module, as a value")),
                }
            }
            Expr::Method(of, name, arguments) => {
                let class = self.module(of)?;
                if !self.program.classes.get(class).is_some_and(|class| class.methods.contains_key(name)) {
                    return self.refuse(format!("the method {name} of {class}"));
                }
                self.calls.insert(method_name(class, name));
                self.values(arguments)
            }
            Expr::Path(path) => self.refuse(format!("{path}, a function, as a value")),
            Expr::Call(callee, arguments) => {
                match (&**callee, self.kind(callee)) {
                    (Expr::Path(_) | Expr::Name(_), Kind::Function(path)) => {
                        self.known(path)?;
                        self.calls.insert(path.to_owned());
                    }
                    (Expr::Name(name), _) => return self.refuse(format!("a call of {name}")),
                    _ => return self.refuse("a call of what is no function of this model".to_owned()),
                }
                self.values(arguments)
            }
            Expr::Index(of, indices) => {
                self.value(of)?;
                self.values(indices)
            }
        }
    }
}
