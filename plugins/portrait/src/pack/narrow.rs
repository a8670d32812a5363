// SPDX-License-Identifier: MIT OR Apache-2.0
//! Networks in bfloat16, on processors that multiply such numbers at twice the pace of float32.
//!
//! libtorch chooses an operator's kernel by the precision of what it is given, so the model is changed before it is loaded:
//! what goes into a convolution or a linear layer is brought to bfloat16 by its code, and the numbers that only such layers
//! multiply with are stored so. All others stay float32, and so does what they are added to or multiplied with. The changed model
//! is checked like any other (`archive`).

use std::collections::{BTreeMap, BTreeSet};

use super::calls::first_argument;
use super::pickle::{Pickle, Reference};
use super::script::{Expr, Program, Step, Type, What};

/// Operators that are narrowed: input, weight and bias come first.
const LAYERS: [&str; 3] = ["conv1d", "conv2d", "linear"];

/// Attributes of a module that calls one of them which hold its weight and bias.
const WEIGHTS: [&str; 2] = ["weight", "bias"];

/// bfloat16 by libtorch's number of it.
const TO_BF16: &str = ", 15)";

/// The storages of both precisions.
const FROM: &str = "FloatStorage";
const TO: &str = "BFloat16Storage";

/// Source code whose layers get their input in bfloat16.
pub fn rewrite(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + source.len() / 16);
    let mut rest = source;
    let calls = LAYERS.map(|name| format!("torch.{name}("));
    while let Some(end) = calls.iter().filter_map(|call| Some(rest.find(call)? + call.len())).min() {
        let (before, after) = rest.split_at(end);
        let (input, behind) = after.split_at(first_argument(after));
        out.extend([before, "torch.to(", &rewrite(input), TO_BF16]);
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Which numbers of a model are narrowed: files of `data.pkl` and of `constants.pkl`.
#[derive(Debug, Default)]
pub struct Changes([BTreeSet<String>; 2]);

impl Changes {
    /// Those that layers multiply with, and nobody else uses.
    pub fn new(program: &Program, data: &Pickle, constants: &Pickle) -> Self {
        let mut uses = Uses::default();
        let mut layers = BTreeSet::new();
        for (name, class) in &program.classes {
            let before = uses.layers;
            class.methods.values().for_each(|method| uses.steps(&method.body));
            if uses.layers > before {
                layers.insert(name.as_str());
            }
        }
        program.functions.values().for_each(|function| uses.steps(&function.body));
        let tensor = |class: &str, attribute: &str| {
            let typ = program.classes.get(class).and_then(|class| class.attributes.get(attribute));
            matches!(typ, Some(Type::Tensor | Type::Optional(_)))
        };
        let is_weight = |class: &str, name: &str| {
            layers.contains(class) && WEIGHTS.contains(&name) && tensor(class, name)
        };
        let held = data.held.iter().filter(|[class, name, _]| is_weight(class, name));
        let constant_files = constants.constant_files().enumerate();
        let weights = constant_files.filter(|(n, _)| uses.weights.contains(n) && !uses.others.contains(n));
        Self([
            alone(held.map(|[_, _, file]| &**file), &data.references),
            alone(weights.map(|(_, file)| file), &constants.references),
        ])
    }

    /// The pickle (0 is that of the data, 1 that of the constants) with the new precisions.
    pub fn recast(&self, which: usize, pickle: &Pickle) -> Vec<u8> {
        let narrowed = &self.0[which];
        if narrowed.is_empty() {
            return pickle.bytes.clone();
        }
        let mut out = Vec::new();
        let mut done = 0;
        for Reference { key, storage, at } in &pickle.references {
            // Each names its own: a name that is remembered stands for one precision.
            out.extend_from_slice(&pickle.bytes[done..at.start]);
            let storage = if narrowed.contains(key) { TO } else { storage };
            out.extend_from_slice(format!("ctorch\n{storage}\n").as_bytes());
            done = at.end;
        }
        out.extend_from_slice(&pickle.bytes[done..]);
        out
    }

    /// Narrows the numbers themselves.
    pub fn narrow(&self, numbers: &mut [BTreeMap<String, Vec<u8>>; 2]) {
        for (numbers, narrowed) in numbers.iter_mut().zip(&self.0) {
            for (_, stored) in numbers.iter_mut().filter(|(key, _)| narrowed.contains(*key)) {
                *stored =
                    stored.as_chunks::<4>().0.iter().flat_map(|n| nearest(f32::from_le_bytes(*n))).collect();
            }
        }
    }
}

/// Files of float32 to which nothing but these tensors refer.
fn alone<'f>(files: impl Iterator<Item = &'f str>, references: &[Reference]) -> BTreeSet<String> {
    let mut users = BTreeMap::<&str, usize>::new();
    files.for_each(|file| *users.entry(file).or_default() += 1);
    let all = |file: &str| references.iter().filter(|r| r.key == file).count();
    let float = |file: &str| references.iter().all(|r| r.key != file || r.storage == FROM);
    users
        .into_iter()
        .filter(|&(file, n)| n == all(file) && float(file))
        .map(|(file, _)| file.to_owned())
        .collect()
}

/// The nearest bfloat16; of two the even one.
fn nearest(value: f32) -> [u8; 2] {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    let bits = if value.is_nan() { bits | 1 << 22 } else { rounded };
    ((bits >> 16) as u16).to_le_bytes()
}

/// Who uses the constants.
#[derive(Default)]
struct Uses {
    /// Calls of layers so far.
    layers: usize,
    weights: BTreeSet<usize>,
    others: BTreeSet<usize>,
}

impl Uses {
    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            match &step.what {
                What::Assign { value, .. } | What::Value(value) | What::Return(value) => self.value(value),
                What::If(condition, then, other) => {
                    self.value(condition);
                    self.steps(then);
                    self.steps(other);
                }
                What::For(_, count, body) => {
                    self.value(count);
                    self.steps(body);
                }
                What::Pass => {}
            }
        }
    }

    fn value(&mut self, value: &Expr) {
        match value {
            Expr::Constant(number) => {
                self.others.insert(*number);
            }
            Expr::Operator(name, arguments) if LAYERS.contains(name) => {
                self.layers += 1;
                for (place, argument) in arguments.iter().enumerate() {
                    match argument {
                        Expr::Constant(number) if (1..3).contains(&place) => {
                            self.weights.insert(*number);
                        }
                        other => self.value(other),
                    }
                }
            }
            Expr::Tuple(all) | Expr::List(all) | Expr::Plain(all) | Expr::Operator(_, all) => {
                all.iter().for_each(|part| self.value(part));
            }
            Expr::Attribute(of, _) => self.value(of),
            Expr::Method(of, _, all) | Expr::Call(of, all) | Expr::Index(of, all) => {
                self.value(of);
                all.iter().for_each(|part| self.value(part));
            }
            Expr::Name(_) | Expr::Literal | Expr::NewList | Expr::Path(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_get_their_input_in_bfloat16_and_nothing_else_changes() {
        let source = "    x = torch.conv2d(torch.cat([u, w], 1), CONSTANTS.c50, CONSTANTS.c51)\n    \
                      y = torch.linear(torch.linear(x, a, b), c, None)\n    z = torch.add(x, y)\n";
        let expected = "    x = torch.conv2d(torch.to(torch.cat([u, w], 1), 15), CONSTANTS.c50, CONSTANTS.c51)\n    \
                        y = torch.linear(torch.to(torch.linear(torch.to(x, 15), a, b), 15), c, None)\n    \
                        z = torch.add(x, y)\n";
        assert_eq!(rewrite(source), expected);
        assert_eq!(first_argument("\"),\", 1)"), 4);
    }

    /// libtorch's own conversion is the measure.
    #[test]
    fn numbers_are_rounded_as_libtorch_rounds_them() {
        let values: Vec<f32> = (0..1_u32 << 16)
            .map(|i| f32::from_bits(i.wrapping_mul(0x9e37_79b1)))
            .chain([0.0, -0.0, 1.0, f32::MAX, f32::INFINITY, f32::from_bits(0x3f80_8000)])
            .filter(|v| !v.is_nan())
            .collect();
        let theirs = tch::Tensor::from_slice(&values).to_kind(tch::Kind::BFloat16).to_kind(tch::Kind::Float);
        let theirs: Vec<f32> = theirs.try_into().unwrap();
        for (value, theirs) in values.into_iter().zip(theirs) {
            let [low, high] = nearest(value);
            let own = f32::from_le_bytes([0, 0, low, high]);
            assert_eq!(own.to_bits(), theirs.to_bits(), "{value}");
        }
        assert!(f32::from_le_bytes([[0; 2], nearest(f32::NAN)].concat().try_into().unwrap()).is_nan());
    }
}
