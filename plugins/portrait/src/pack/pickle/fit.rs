// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether what a pickle puts together is what the model's code declares.

use super::{MAX_DIMENSIONS, Value};
use crate::pack::script::{Class, Type};

/// Whether a tensor of that shape lies within so many numbers.
pub fn reaches(count: i64, offset: i64, size: &[Value], stride: &[Value]) -> bool {
    let numbers = |values: &[Value]| -> Option<Vec<i64>> {
        values.iter().map(|v| if let Value::Int(n) = v { (*n >= 0).then_some(*n) } else { None }).collect()
    };
    let (Some(size), Some(stride)) = (numbers(size), numbers(stride)) else { return false };
    if size.len() != stride.len() || size.len() > MAX_DIMENSIONS || offset < 0 {
        return false;
    }
    let total = size.iter().try_fold(1i64, |n, &d| n.checked_mul(d));
    if total == Some(0) {
        return offset <= count;
    }
    let last =
        size.iter().zip(&stride).try_fold(offset, |at, (&d, &s)| at.checked_add((d - 1).checked_mul(s)?));
    total.is_some() && last.is_some_and(|last| last < count)
}

pub fn list(items: &[Value], of: Type) -> Result<Value, String> {
    if items.iter().all(|item| fits(item, &of)) {
        Ok(Value::List(of.into()))
    } else {
        Err("a list of other values than its type says".to_owned())
    }
}

/// libtorch puts the values into an object without a look at their types.
pub fn check_object(name: &str, class: &Class, values: &[Value]) -> Result<(), String> {
    let mut left = class.attributes.clone();
    for [key, value] in values.as_chunks::<2>().0 {
        let Value::Text(key) = key else { return Err(format!("an attribute of {name} without a name")) };
        let typ = left.remove(&**key).ok_or(format!("the attribute {key} of {name}"))?;
        if !fits(value, &typ) {
            return Err(format!("another type of {key} of {name}"));
        }
    }
    match left.keys().next() {
        None => Ok(()),
        Some(key) => Err(format!("no {key} of {name}")),
    }
}

fn fits(value: &Value, typ: &Type) -> bool {
    match (typ, value) {
        (Type::Tensor, Value::Tensor(_))
        | (Type::Int, Value::Int(_))
        | (Type::Float, Value::Float)
        | (Type::Bool, Value::Bool)
        | (Type::Text, Value::Text(_))
        | (Type::None | Type::Optional(_), Value::None) => true,
        (Type::Optional(of), value) => fits(value, of),
        (Type::List(of), Value::List(found)) => **of == **found,
        (Type::Tuple(of), Value::Tuple(parts, _)) => {
            of.len() == parts.len() && parts.iter().zip(of).all(|(part, typ)| fits(part, typ))
        }
        (Type::Class(class), Value::Object(found)) => **class == **found,
        _ => false,
    }
}
