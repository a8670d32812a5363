// SPDX-License-Identifier: MIT OR Apache-2.0
//! Convolutions in whole numbers of eight bits, which processors multiply at several times the pace of float32.
//!
//! As with bfloat16 (`narrow`) the model's code is changed before it is loaded. What goes into a convolution is rounded to whole
//! numbers between the smallest and the largest that were ever seen there, which `pack.toml` tells, and what is beyond them is
//! cut off; weights have a scale for each channel that comes out. What comes out is float32, and so is all else.
//! oneDNN wants weights in an order of its own, which a file cannot hold: a method of the model brings them into it, once, and
//! what it gives goes in beside the other inputs.

use tch::{CModule, IValue, TchError};

use super::calls::arguments;
use super::manifest::ConvolutionEntry;

/// The method that orders the weights, and the input that takes them: names that no other code has.
const METHOD: &str = "int8_weights";
const INPUT: &str = "int8_ordered";

/// Tensors of a convolution in that input: weights, their scales, their zeros.
const TENSORS: usize = 3;

const CALL: &str = "torch.conv2d(";

/// What a convolution is told behind input, weight and bias where its call leaves it out: stride, padding, dilation, groups.
const DEFAULTS: [&str; 4] = ["[1, 1]", "[0, 0]", "[1, 1]", "1"];

/// Largest batch, channels or side of what goes in.
const MAX_SIDE: i64 = 4096;

/// libtorch's numbers of its types.
const INT8: u8 = 1;
const INT16: u8 = 2;
const INT32: u8 = 3;
const UINT8: u8 = 0;
const FLOAT: u8 = 6;

/// A convolution as it is rewritten.
struct Convolution<'s> {
    weight: &'s str,
    /// Stride, padding, dilation, groups.
    geometry: String,
    scale: f64,
    zero: u32,
    shape: [i64; 4],
}

/// Source code of a frozen model, one class with one method, whose convolutions take whole numbers up to `top`.
///
/// # Errors
/// Where the code is another, or has other convolutions than are told of.
pub fn rewrite(source: &str, convolutions: &[ConvolutionEntry], top: u8) -> Result<String, String> {
    if source.contains(METHOD) || source.contains(INPUT) || source.matches("\n  def ").count() != 1 {
        return Err("code that is not frozen, for convolutions in int8".to_owned());
    }
    let mut rewriter = Rewriter { entries: convolutions, next: 0, top, found: Vec::new() };
    let code = rewriter.text(source)?;
    if rewriter.next != convolutions.len() {
        return Err(format!("{} convolutions where pack.toml tells {}", rewriter.next, convolutions.len()));
    }
    let (before, behind) = code.split_once("def forward(").ok_or("no forward")?;
    let (parameters, rest) = arguments(behind).ok_or("no parameters")?;
    let method = weights(&rewriter.found, parameters.first().ok_or("no parameters")?);
    let parameters = parameters.join(",\n    ");
    Ok(format!("{before}def forward({parameters},\n    {INPUT}: List[Tensor]){rest}{method}"))
}

struct Rewriter<'e, 's> {
    entries: &'e [ConvolutionEntry],
    next: usize,
    top: u8,
    found: Vec<Convolution<'s>>,
}

impl<'s> Rewriter<'_, 's> {
    fn text(&mut self, mut rest: &'s str) -> Result<String, String> {
        let mut out = String::with_capacity(2 * rest.len());
        while let Some((before, behind)) = rest.split_once(CALL) {
            let (arguments, after) = arguments(behind).ok_or("a convolution without an end")?;
            out.push_str(before);
            out.push_str(&self.call(&arguments)?);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    /// The call of a convolution. What computes its input has convolutions before it.
    fn call(&mut self, arguments: &[&'s str]) -> Result<String, String> {
        let [input, weight, others @ ..] = arguments else {
            return Err("a convolution without weights".to_owned());
        };
        let input = self.text(input)?;
        let entry = self.entries.get(self.next).ok_or("more convolutions than pack.toml tells")?;
        self.next += 1;
        // The first one sees the photo itself: in half as many steps its detail would be lost.
        let is_coarse = self.next == 1 && self.top < u8::MAX;
        let Some([low, high]) = entry.range.filter(|_| !is_coarse) else {
            return Ok(format!("{CALL}{input}, {weight}, {})", others.join(", ")));
        };
        let is_plain = !others.iter().any(|other| other.starts_with(['"', '\'']));
        if !weight.starts_with("CONSTANTS.") || others.len() > 1 + DEFAULTS.len() || !is_plain {
            return Err("a convolution that does not go in int8".to_owned());
        }
        let bias = others.first().unwrap_or(&"None");
        let geometry: Vec<&str> =
            (0..DEFAULTS.len()).map(|i| others.get(1 + i).copied().unwrap_or(DEFAULTS[i])).collect();
        let geometry = geometry.join(", ");
        let (low, high) = (f64::from(low.min(0.0)), f64::from(high.max(0.0)));
        let sound =
            (1e-6..1e6).contains(&(high - low)) && entry.shape.iter().all(|n| (1..=MAX_SIDE).contains(n));
        if !sound {
            return Err(format!(
                "a convolution of which pack.toml tells {:?} and {:?}",
                entry.range, entry.shape
            ));
        }
        let top = f64::from(self.top);
        let scale = (high - low) / top;
        let zero = (-low / scale).round();
        let [ordered, scales, zeros] =
            std::array::from_fn(|i| format!("{INPUT}[{}]", TENSORS * self.found.len() + i));
        self.found.push(Convolution {
            weight,
            geometry: geometry.clone(),
            scale,
            zero: zero as u32,
            shape: entry.shape,
        });
        // Cut off in place, then cut to whole numbers: half of one more makes that rounding. libtorch is quick from float32 to
        // 16 bits and from there to 8.
        Ok(format!(
            "ops.onednn.qconv_pointwise(torch.to(torch.to(torch.clamp_(torch.rsub({input}, {:?}, {:?}), 0., {:?}), {INT16}), \
             {UINT8}), {scale:?}, {zero}, {ordered}, {scales}, {zeros}, {bias}, {geometry}, 1., 0, {FLOAT}, \"none\", \
             annotate(List[Optional[number]], []), \"\")",
            zero + 0.5,
            -1.0 / scale,
            top + 0.49,
        ))
    }
}

/// The method that rounds the weights and brings them into oneDNN's order; `own` is its parameter `self` with its type.
fn weights(convolutions: &[Convolution<'_>], own: &str) -> String {
    let mut out = format!("  def {METHOD}({own}) -> List[Tensor]:\n    out = annotate(List[Tensor], [])\n");
    for (i, Convolution { weight, geometry, scale, zero, shape }) in convolutions.iter().enumerate() {
        let [a, b, c] = std::array::from_fn(|k| TENSORS * i + k);
        out += &format!(
            "    s{i} = torch.clamp_min(torch.div(torch.amax(torch.abs({weight}), [1, 2, 3]), 127.), 1e-20)\n    \
             w{i} = torch.to(torch.round(torch.div({weight}, torch.view(s{i}, [-1, 1, 1, 1]))), {INT8})\n    \
             o{i} = ops.onednn.qconv_prepack(w{i}, s{i}, {scale:?}, {zero}, {geometry}, {shape:?})\n    \
             _{a} = torch.append(out, o{i})\n    _{b} = torch.append(out, s{i})\n    \
             _{c} = torch.append(out, torch.zeros_like(s{i}, dtype={INT32}))\n"
        );
    }
    out + "    return out\n"
}

/// Weights in oneDNN's order: a list of tensors.
#[derive(Debug)]
pub struct Ordered(IValue);

// SAFETY: it is a list of tensors (`new`), which nothing changes once they are made; threads only count references to them, which
// libtorch does atomically, and read their numbers.
unsafe impl Send for Ordered {}
// SAFETY: as above.
unsafe impl Sync for Ordered {}

impl Ordered {
    /// Those of a model whose code was rewritten.
    ///
    /// # Errors
    /// What libtorch says of them.
    pub fn new(module: &CModule) -> Result<Self, TchError> {
        let _no_grad = tch::no_grad_guard();
        match module.method_is::<IValue>(METHOD, &[])? {
            list @ IValue::TensorList(_) => Ok(Self(list)),
            other => Err(TchError::Kind(format!("{METHOD} gave {other:?}"))),
        }
    }

    /// The input that takes them.
    pub fn value(&self) -> &IValue {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(ranges: &[Option<[f32; 2]>]) -> Vec<ConvolutionEntry> {
        ranges.iter().map(|&range| ConvolutionEntry { range, shape: [1, 3, 8, 8] }).collect()
    }

    fn source(body: &str) -> String {
        format!(
            "class M(Module):\n  __parameters__ = []\n  def forward(self: __torch__.m.M,\n    x: Tensor) -> Tensor:\n    {body}\n"
        )
    }

    #[test]
    fn convolutions_that_are_told_of_take_whole_numbers() {
        let code = source(
            "y = torch.conv2d(torch.relu(torch.conv2d(x, CONSTANTS.c0, None, [2, 2])), CONSTANTS.c1, CONSTANTS.c2)\n    \
             return torch.conv2d(y, CONSTANTS.c3, None)",
        );
        let found = rewrite(&code, &entries(&[Some([-1.0, 1.55]), Some([0.5, 5.1]), None]), 255).unwrap();
        let expected = [
            "    int8_ordered: List[Tensor]) -> Tensor:",
            // The inner one first: its numbers lie between -1 and 1.55, a hundredth apart.
            "torch.clamp_(torch.rsub(x, 100.5, -100",
            "100, int8_ordered[0], int8_ordered[1], int8_ordered[2], None, [2, 2], [0, 0], [1, 1], 1, 1., 0, 6, \"none\"",
            // Nothing that is rounded lies on one side of zero only.
            ", 0.5, -50.",
            "0, int8_ordered[3], int8_ordered[4], int8_ordered[5], CONSTANTS.c2, [1, 1], [0, 0], [1, 1], 1, 1., 0, 6, \"none\"",
            "return torch.conv2d(y, CONSTANTS.c3, None)\n",
            "  def int8_weights(self: __torch__.m.M) -> List[Tensor]:\n",
            "torch.abs(CONSTANTS.c1)",
            "100, [2, 2], [0, 0], [1, 1], 1, [1, 3, 8, 8])",
        ];
        for part in expected {
            assert!(found.contains(part), "{part}\n{found}");
        }
        assert!(!found.contains("CONSTANTS.c3, [1, 2, 3]") && !found.contains("[6]"), "{found}");
        // In half as many steps what sees the photo stays as it is.
        let found = rewrite(&code, &entries(&[Some([-1.0, 1.55]), Some([0.5, 5.1]), None]), 127).unwrap();
        for part in [
            "torch.conv2d(x, CONSTANTS.c0, None, [2, 2])",
            "int8_ordered[2], CONSTANTS.c2",
            "torch.abs(CONSTANTS.c1)",
        ] {
            assert!(found.contains(part), "{part}\n{found}");
        }
        assert!(!found.contains("torch.abs(CONSTANTS.c0)") && !found.contains("[3]"), "{found}");
    }

    #[test]
    fn other_code_is_refused() {
        let one = "return torch.conv2d(x, CONSTANTS.c0, None)";
        let range = Some([-1.0, 1.0]);
        assert!(rewrite(&source(one), &entries(&[range]), 255).is_ok());
        for (code, ranges, word) in [
            (source(one), vec![range, range], "1 convolutions where pack.toml tells 2"),
            (source("return x"), vec![range], "0 convolutions"),
            (
                source(&format!("y = torch.conv2d(x, CONSTANTS.c0)\n    {one}")),
                vec![range],
                "more convolutions",
            ),
            (source("return torch.conv2d(x, weight, None)"), vec![range], "does not go"),
            (
                source("return torch.conv2d(x, CONSTANTS.c0, None, [1, 1], \"same\")"),
                vec![range],
                "does not go",
            ),
            (source("return torch.conv2d(x)"), vec![range], "without weights"),
            (source("return torch.conv2d(x"), vec![range], "without an end"),
            (source("int8_ordered = torch.conv2d(x, CONSTANTS.c0)"), vec![range], "not frozen"),
            (
                source(one) + "  def other(self: __torch__.m.M) -> int:\n    return 1\n",
                vec![range],
                "not frozen",
            ),
        ] {
            let error = rewrite(&code, &entries(&ranges), 255).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        for range in [[0.0, 0.0], [f32::NAN, f32::NAN], [0.0, f32::INFINITY], [-1e30, 1.0]] {
            let error = rewrite(&source(one), &entries(&[Some(range)]), 255).unwrap_err();
            assert!(error.contains("pack.toml tells"), "{error}");
        }
    }
}
