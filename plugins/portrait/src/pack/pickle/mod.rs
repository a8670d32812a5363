// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pickles of a TorchScript archive: `data.pkl` holds the module's objects, `constants.pkl` the numbers of its code. They
//! are programs for a stack machine. libtorch's runs what it is given: it makes objects of any class that it brings, and
//! tensors that reach beyond their memory. This one does the same steps on placeholders and refuses all but plain tensors
//! and objects that are what the model's code declares.

mod fit;

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use super::script::{Program, Type};
use fit::{check_object, list, reaches};

/// The machine's protocol.
const PROTOCOL: u8 = 2;

/// Most dimensions of a tensor.
const MAX_DIMENSIONS: usize = 16;

/// Precisions of stored numbers: libtorch's name, bytes of one.
const STORAGES: [(&str, usize); 9] = [
    ("FloatStorage", 4),
    (HALF, 2),
    ("BFloat16Storage", 2),
    ("DoubleStorage", 8),
    ("LongStorage", 8),
    ("IntStorage", 4),
    ("ShortStorage", 2),
    ("CharStorage", 1),
    ("ByteStorage", 1),
];

/// Truth values, which are bytes of 0 and 1.
const TRUTH: &str = "BoolStorage";

/// Numbers of half precision, and what they are widened to.
const HALF: &str = "HalfStorage";
const FULL: &str = "FloatStorage";

/// What is on the stack.
#[derive(Clone, Debug)]
enum Value {
    None,
    Bool,
    Int(i64),
    Float,
    Text(Rc<str>),
    /// Its parts, and how deep they nest.
    Tuple(Rc<[Value]>, usize),
    /// A list whose type is yet to be told.
    Items(Rc<[Value]>, usize),
    /// A list of that type.
    List(Rc<Type>),
    /// Keys and values in turn.
    Dict(Rc<[Value]>, usize),
    /// The function of that name.
    Function(&'static str),
    /// A precision, by its place in the list of them: [`TRUTH`] comes last.
    Storage(usize),
    /// Numbers that are stored in the archive: how many, and the file.
    Numbers(i64, Rc<str>),
    /// A tensor of the numbers in that file.
    Tensor(Rc<str>),
    /// The class of that whole name, of which an object is made next.
    Class(Rc<str>),
    Object(Rc<str>),
}

/// Levels of values within values: libtorch takes a stack frame for each when it lets go of them.
const MAX_DEPTH: usize = 16;

/// How deep values nest, once they are put into another.
fn depth(values: &[Value]) -> Step<usize> {
    let depth = |value: &Value| match value {
        Value::Tuple(_, depth) | Value::Items(_, depth) | Value::Dict(_, depth) => *depth,
        _ => 0,
    };
    let deepest = 1 + values.iter().map(depth).max().unwrap_or(0);
    (deepest <= MAX_DEPTH).then_some(deepest).ok_or("values nested too deep".to_owned())
}

/// A pickle that has been read.
#[derive(Debug)]
pub struct Pickle {
    /// Its bytes, as they are to be loaded.
    pub bytes: Vec<u8>,
    /// Numbers of half precision to widen: the files that hold them.
    pub half: Vec<String>,
    /// Each place that refers to a file of numbers.
    pub references: Vec<Reference>,
    /// Tensors of objects: class, attribute, file of numbers.
    pub held: Vec<[Rc<str>; 3]>,
    root: Value,
}

/// A place that refers to a file of numbers.
#[derive(Clone, Debug)]
pub struct Reference {
    /// The file.
    pub key: String,
    /// Its precision, as the pickle names it.
    pub storage: &'static str,
    /// The step that names the precision, in the pickle's own bytes.
    pub at: Range<usize>,
}

impl Pickle {
    /// How many constants it holds.
    pub fn constants(&self) -> Result<usize, String> {
        match &self.root {
            Value::Tuple(all, _) if all.iter().all(|v| matches!(v, Value::Tensor(_))) => Ok(all.len()),
            _ => Err("constants that are not all tensors".to_owned()),
        }
    }

    /// The file of numbers of each constant.
    pub fn constant_files(&self) -> impl Iterator<Item = &str> {
        let all = if let Value::Tuple(all, _) = &self.root { &**all } else { &[] };
        all.iter().filter_map(|v| if let Value::Tensor(file) = v { Some(&**file) } else { None })
    }

    /// The class of the module that it holds.
    pub fn module(&self) -> Result<&str, String> {
        match &self.root {
            Value::Object(class) => Ok(class),
            _ => Err("no module".to_owned()),
        }
    }
}

/// Reads a pickle. `records` are the files of numbers that it may refer to; where `widen` is set, those of half precision
/// become float32 in [`Pickle::bytes`], and the caller widens the files.
///
/// # Errors
/// What in it may not be.
pub fn read(
    bytes: &[u8],
    program: &Program,
    records: &BTreeMap<String, Vec<u8>>,
    widen: bool,
) -> Result<Pickle, String> {
    let mut machine = Machine {
        rest: bytes,
        program,
        records,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
        used: BTreeMap::new(),
        halves: Vec::new(),
        named: 0..0,
        references: Vec::new(),
        held: Vec::new(),
    };
    let root = machine.run()?;
    let Machine { used, halves, references, held, rest, .. } = machine;
    if !rest.is_empty() {
        return Err("bytes behind its end".to_owned());
    }
    let absolute = |r: Reference| Reference { at: bytes.len() - r.at.end..bytes.len() - r.at.start, ..r };
    let references = references.into_iter().map(absolute).collect();
    let mut pickle = Pickle { bytes: bytes.to_owned(), half: Vec::new(), references, held, root };
    if widen {
        pickle.half =
            used.into_iter().filter(|&(_, kind)| name_of(kind) == HALF).map(|(key, _)| key).collect();
        for left in halves.into_iter().rev() {
            let at = bytes.len() - left;
            pickle.bytes.splice(at..at + HALF.len(), FULL.bytes());
        }
    }
    Ok(pickle)
}

fn name_of(storage: usize) -> &'static str {
    STORAGES.get(storage).map_or(TRUTH, |(name, _)| name)
}

struct Machine<'a> {
    rest: &'a [u8],
    program: &'a Program,
    records: &'a BTreeMap<String, Vec<u8>>,
    stack: Vec<Value>,
    /// Heights of the stack at which containers begin.
    marks: Vec<usize>,
    memo: Vec<Value>,
    /// Files of numbers that are referred to, with their precision.
    used: BTreeMap<String, usize>,
    /// Where the name [`HALF`] stands: bytes from there to the end.
    halves: Vec<usize>,
    /// Bytes from the beginning and the end of the last step that gave a precision to the pickle's end.
    named: Range<usize>,
    references: Vec<Reference>,
    held: Vec<[Rc<str>; 3]>,
}

type Step<T> = Result<T, String>;

impl<'a> Machine<'a> {
    fn run(&mut self) -> Step<Value> {
        if self.take(2)? != [0x80, PROTOCOL] {
            return Err("another protocol".to_owned());
        }
        loop {
            let left = self.rest.len();
            let [code] = self.number()?;
            match code {
                b'.' => break,
                b'N' => self.stack.push(Value::None),
                0x88 | 0x89 => self.stack.push(Value::Bool),
                b'K' => {
                    let [value] = self.number()?;
                    self.stack.push(Value::Int(value.into()));
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.number()?);
                    self.stack.push(Value::Int(value.into()));
                }
                b'J' => {
                    let value = i32::from_le_bytes(self.number()?);
                    self.stack.push(Value::Int(value.into()));
                }
                0x8a => {
                    let [length] = self.number()?;
                    (length == 8).then_some(()).ok_or("a number of another length")?;
                    let value = i64::from_le_bytes(self.number()?);
                    self.stack.push(Value::Int(value));
                }
                b'G' => {
                    self.take(8)?;
                    self.stack.push(Value::Float);
                }
                b'X' => {
                    let length = u32::from_le_bytes(self.number()?);
                    let text = std::str::from_utf8(self.take(length as usize)?).map_err(|e| e.to_string())?;
                    self.stack.push(Value::Text(text.into()));
                }
                b'(' => self.marks.push(self.stack.len()),
                b')' => self.stack.push(Value::Tuple(Rc::new([]), 0)),
                b't' => {
                    let parts = self.since_mark()?;
                    let depth = depth(&parts)?;
                    self.stack.push(Value::Tuple(parts.into(), depth));
                }
                0x85..=0x87 => {
                    let mut parts: Vec<Value> = (0x85..=code).map(|_| self.pop()).collect::<Step<_>>()?;
                    parts.reverse();
                    let depth = depth(&parts)?;
                    self.stack.push(Value::Tuple(parts.into(), depth));
                }
                b']' => self.stack.push(Value::Items(Rc::new([]), 0)),
                b'e' => {
                    let items = self.since_mark()?;
                    // Filled once: a list that changes later would not be the one that was checked.
                    match self.pop()? {
                        Value::Items(none, _) if none.is_empty() => {
                            let depth = depth(&items)?;
                            self.stack.push(Value::Items(items.into(), depth));
                        }
                        _ => return Err("more of a list".to_owned()),
                    }
                }
                b'}' => self.stack.push(Value::Dict(Rc::new([]), 0)),
                b'u' => {
                    let items = self.since_mark()?;
                    match self.pop()? {
                        Value::Dict(none, _) if none.is_empty() && items.len() % 2 == 0 => {
                            let depth = depth(&items)?;
                            self.stack.push(Value::Dict(items.into(), depth));
                        }
                        _ => return Err("more of a dictionary".to_owned()),
                    }
                }
                b'q' => {
                    let [place] = self.number()?;
                    self.remember(place.into())?;
                }
                b'r' => {
                    let place = u32::from_le_bytes(self.number()?);
                    self.remember(place as usize)?;
                }
                b'h' => {
                    let [place] = self.number()?;
                    self.recall(place.into())?;
                }
                b'j' => {
                    let place = u32::from_le_bytes(self.number()?);
                    self.recall(place as usize)?;
                }
                b'c' => self.global()?,
                0x81 => match (self.pop()?, self.stack.last()) {
                    (Value::Tuple(none, _), Some(Value::Class(_))) if none.is_empty() => {}
                    _ => return Err("an object that is made with arguments".to_owned()),
                },
                b'b' => self.build()?,
                b'R' => self.call()?,
                b'Q' => self.numbers()?,
                other => return Err(format!("the step {other:#04x}")),
            }
            if let (b'c' | b'h' | b'j', Some(Value::Storage(_))) = (code, self.stack.last()) {
                self.named = self.rest.len()..left;
            }
        }
        let root = self.pop()?;
        if self.stack.is_empty() && self.marks.is_empty() {
            Ok(root)
        } else {
            Err("more than one value".to_owned())
        }
    }

    fn take(&mut self, count: usize) -> Step<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("an early end")?;
        self.rest = rest;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Step<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or("an early end")?;
        self.rest = rest;
        Ok(*taken)
    }

    fn pop(&mut self) -> Step<Value> {
        let empty = self.marks.last().is_some_and(|&mark| self.stack.len() <= mark);
        self.stack.pop().filter(|_| !empty).ok_or("an empty stack".to_owned())
    }

    fn since_mark(&mut self) -> Step<Vec<Value>> {
        let mark = self.marks.pop().ok_or("an end without a beginning")?;
        (mark <= self.stack.len()).then(|| self.stack.split_off(mark)).ok_or("an empty stack".to_owned())
    }

    /// libtorch counts the values that it remembers; another place would be a hole in its memory, or a change of what was there.
    fn remember(&mut self, place: usize) -> Step<()> {
        let top = self.pop()?;
        // These two may grow after they were remembered.
        if place != self.memo.len() || matches!(top, Value::Items(..) | Value::Dict(..)) {
            return Err("a value that is remembered out of order".to_owned());
        }
        self.memo.push(top.clone());
        self.stack.push(top);
        Ok(())
    }

    fn recall(&mut self, place: usize) -> Step<()> {
        let value = self.memo.get(place).ok_or("a value that was not remembered")?;
        self.stack.push(value.clone());
        Ok(())
    }

    fn line(&mut self) -> Step<&'a str> {
        let end = self.rest.iter().position(|&b| b == b'\n').ok_or("an early end")?;
        let line = self.take(end)?;
        self.take(1)?;
        let plain = line.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'));
        std::str::from_utf8(line).ok().filter(|_| plain).ok_or("a strange name".to_owned())
    }

    fn global(&mut self) -> Step<()> {
        let module = self.line()?;
        let left = self.rest.len();
        let name = self.line()?;
        let storage = STORAGES.iter().map(|(name, _)| *name).chain([TRUTH]).position(|known| known == name);
        let value = match (module, name, storage) {
            ("torch", _, Some(storage)) => {
                if name == HALF {
                    self.halves.push(left);
                }
                Value::Storage(storage)
            }
            ("torch._utils", "_rebuild_tensor_v2", _) => Value::Function("tensor"),
            ("collections", "OrderedDict", _) => Value::Function("nothing"),
            ("torch.jit._pickle", "build_intlist", _) => Value::Function("int"),
            ("torch.jit._pickle", "build_doublelist", _) => Value::Function("float"),
            ("torch.jit._pickle", "build_boollist", _) => Value::Function("bool"),
            ("torch.jit._pickle", "build_tensorlist", _) => Value::Function("Tensor"),
            _ => {
                let whole = format!("{module}.{name}");
                if !self.program.classes.contains_key(&whole) {
                    return Err(format!("{whole}, which the model does not declare"));
                }
                Value::Class(whole.into())
            }
        };
        self.stack.push(value);
        Ok(())
    }

    /// Makes an object of the values of its attributes.
    fn build(&mut self) -> Step<()> {
        let (Value::Dict(values, _), Value::Class(name)) = (self.pop()?, self.pop()?) else {
            return Err("an object without a class".to_owned());
        };
        let class = self.program.classes.get(&*name).ok_or("an unknown class")?;
        check_object(&name, class, &values)?;
        for [key, value] in values.as_chunks::<2>().0 {
            if let (Value::Text(key), Value::Tensor(file)) = (key, value) {
                self.held.push([name.clone(), key.clone(), file.clone()]);
            }
        }
        self.stack.push(Value::Object(name));
        Ok(())
    }

    fn call(&mut self) -> Step<()> {
        let (Value::Tuple(arguments, _), Value::Function(name)) = (self.pop()?, self.pop()?) else {
            return Err("a call of what is no function".to_owned());
        };
        let value = match (name, &*arguments) {
            ("nothing", []) => Value::None,
            (
                "tensor",
                [
                    Value::Numbers(count, file),
                    Value::Int(offset),
                    Value::Tuple(size, _),
                    Value::Tuple(stride, _),
                    Value::Bool,
                    Value::None,
                ],
            ) => {
                if !reaches(*count, *offset, size, stride) {
                    return Err("a tensor beyond its numbers".to_owned());
                }
                Value::Tensor(file.clone())
            }
            ("int", [Value::Items(items, _)]) => list(items, Type::Int)?,
            ("float", [Value::Items(items, _)]) => list(items, Type::Float)?,
            ("bool", [Value::Items(items, _)]) => list(items, Type::Bool)?,
            ("Tensor", [Value::Items(items, _)]) => list(items, Type::Tensor)?,
            _ => return Err("a call with other arguments".to_owned()),
        };
        self.stack.push(value);
        Ok(())
    }

    /// Refers to a file of numbers.
    fn numbers(&mut self) -> Step<()> {
        let Value::Tuple(id, _) = self.pop()? else { return Err("an unknown reference".to_owned()) };
        let [
            Value::Text(what),
            Value::Storage(kind),
            Value::Text(key),
            Value::Text(device),
            Value::Int(count),
        ] = &*id
        else {
            return Err("an unknown reference".to_owned());
        };
        let index = device
            .strip_prefix("cuda:")
            .map(|n| !n.is_empty() && n.len() < 3 && n.bytes().all(|b| b.is_ascii_digit()));
        if &**what != "storage" || !(&**device == "cpu" || index == Some(true)) {
            return Err(format!("a reference to {what} on {device}"));
        }
        let size = STORAGES.get(*kind).map_or(1, |(_, size)| *size);
        let bytes = usize::try_from(*count).ok().and_then(|count| count.checked_mul(size));
        let found = self.records.get(&**key).map_or(&[][..], Vec::as_slice);
        // libtorch believes this count, whatever the file holds.
        if bytes != Some(found.len()) {
            return Err(format!("{count} numbers of {} in a file of {} bytes", name_of(*kind), found.len()));
        }
        if name_of(*kind) == TRUTH && found.iter().any(|&b| b > 1) {
            return Err("a truth value that is neither 0 nor 1".to_owned());
        }
        if *self.used.entry(key.to_string()).or_insert(*kind) != *kind {
            return Err(format!("file {key} in two precisions"));
        }
        self.references.push(Reference {
            key: key.to_string(),
            storage: name_of(*kind),
            at: self.named.clone(),
        });
        self.stack.push(Value::Numbers(*count, key.clone()));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
