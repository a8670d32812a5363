// SPDX-License-Identifier: MIT OR Apache-2.0
use super::*;
use crate::pack::script::parse;

const SOURCE: &str = "class In(Module):\n  w : Tensor\n  def forward(self: __torch__.m.In) -> int:\n    return 1\n\
    class M(Module):\n  a : Tensor\n  n : int\n  f : Optional[float]\n  s : List[int]\n  t : Tuple[int, bool]\n  in0 : __torch__.m.In\n  def forward(self: __torch__.m.M) -> int:\n    return 1\n";

/// A tensor of 2 x 3 in file 0.
const TENSOR: &[u8] = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x06tQ\
    K\0(K\x02K\x03t(K\x03K\x01t\x89ccollections\nOrderedDict\n)RtR";

fn text(text: &str) -> Vec<u8> {
    [b"X".as_slice(), &u32::try_from(text.len()).unwrap().to_le_bytes(), text.as_bytes()].concat()
}

fn object(class: &str, attributes: &[(&str, &[u8])]) -> Vec<u8> {
    let start = format!("c__torch__.m\n{class}\n)\u{81}}}(").replace('\u{81}', "?").into_bytes();
    let mut bytes: Vec<u8> = start.into_iter().map(|b| if b == b'?' { 0x81 } else { b }).collect();
    for (name, value) in attributes {
        bytes.extend(text(name));
        bytes.extend_from_slice(value);
    }
    bytes.extend_from_slice(b"ub");
    bytes
}

/// The module with one attribute changed.
fn module(name: &str, value: &[u8]) -> Vec<u8> {
    let inner = object("In", &[("w", TENSOR)]);
    let mut attributes: Vec<(&str, &[u8])> = vec![
        ("a", TENSOR),
        ("n", b"K\x01"),
        ("f", b"N"),
        ("s", b"ctorch.jit._pickle\nbuild_intlist\n(](K\x01K\x02etR"),
        ("t", b"(K\x01\x88t"),
        ("in0", &inner),
    ];
    attributes.iter_mut().filter(|(n, _)| *n == name).for_each(|(_, v)| *v = value);
    object("M", &attributes)
}

fn load(body: &[u8]) -> Result<Pickle, String> {
    let mut program = Program::default();
    parse(SOURCE, "__torch__.m", false, &mut program).unwrap();
    let records = [("0", vec![1u8; 24]), ("1", vec![0, 60, 0, 192]), ("2", vec![0, 1, 2])];
    let records = records.map(|(key, bytes)| (key.to_owned(), bytes)).into();
    read(&[b"\x80\x02", body, b"."].concat(), &program, &records, true)
}

#[test]
fn a_module_of_what_its_class_declares_is_read() {
    assert_eq!(load(&module("", b"")).unwrap().module(), Ok("__torch__.m.M"));
    load(&module("f", b"G\0\0\0\0\0\0\0\0")).unwrap();
    let constants = [b"(".as_slice(), TENSOR, TENSOR, b"t"].concat();
    assert_eq!(load(&constants).unwrap().constants(), Ok(2));
    assert_eq!(load(b")").unwrap().constants(), Ok(0));
    assert!(load(b"(K\x01t").unwrap().constants().is_err());
    assert!(load(&module("", b"")).unwrap().constants().is_err());
    assert!(load(TENSOR).unwrap().module().is_err());
}

/// libtorch would store these values, and read them as what the class says.
#[test]
fn an_object_of_other_values_than_its_class_declares_is_refused() {
    let other = object("M", &[]);
    for (name, value) in [
        ("a", b"K\x01".as_slice()),
        ("n", TENSOR),
        ("n", b"\x88"),
        ("f", b"K\x01"),
        ("s", b"(K\x01t"),
        ("s", b"](K\x01e"),
        ("s", b"ctorch.jit._pickle\nbuild_boollist\n(](\x88etR"),
        ("s", b"ctorch.jit._pickle\nbuild_intlist\n(](\x88etR"),
        ("s", b"ctorch.jit._pickle\nbuild_tensorlist\n(](K\x01etR"),
        ("t", b"(K\x01t"),
        ("t", b"(\x88K\x01t"),
        ("in0", TENSOR),
        ("in0", &other),
        ("in0", b"N"),
        // A class, a function, a precision by itself.
        ("n", b"c__torch__.m\nIn\n"),
        ("n", b"ctorch.jit._pickle\nbuild_intlist\n"),
        ("n", b"ctorch\nFloatStorage\n"),
    ] {
        assert!(load(&module(name, value)).is_err(), "{name} {}", value.escape_ascii());
    }
    assert!(load(&object("In", &[])).is_err(), "an attribute is missing");
    assert!(load(&object("In", &[("w", TENSOR), ("w", TENSOR)])).is_err(), "an attribute stands there twice");
    assert!(load(&object("In", &[("w", TENSOR), ("x", TENSOR)])).is_err(), "an attribute too many");
}

#[test]
fn a_tensor_that_reaches_beyond_its_numbers_is_refused() {
    let changed = |from: &[u8], to: &[u8]| {
        let at = TENSOR.windows(from.len()).position(|w| w == from).unwrap();
        load(&[&TENSOR[..at], to, &TENSOR[at + from.len()..]].concat())
    };
    changed(b"K\0(", b"K\0(").unwrap();
    // No numbers lie nowhere.
    changed(b"(K\x02K\x03t", b"(K\0K\x03t").unwrap();
    for (from, to) in [
        // Offset, size, stride.
        (b"QK\0(".as_slice(), b"QK\x01(".as_slice()),
        (b"QK\0(", b"QJ\xff\xff\xff\xff("),
        (b"(K\x02K\x03t", b"(K\x03K\x03t"),
        (b"(K\x02K\x03t", b"(J\xff\xff\xff\xffK\x03t"),
        (b"(K\x02K\x03t", b"(K\x02\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7ft"),
        (b"(K\x02K\x03t", b"(K\x06t"),
        (b"(K\x03K\x01t", b"(K\x04K\x01t"),
        (b"(K\x03K\x01t", b"(J\xfd\xff\xff\xffK\x01t"),
        (b"(K\x03K\x01t", b"(\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x01t"),
        (b"(K\x03K\x01t", b"(K\x03\x88t"),
        // The count of numbers, their precision, their file.
        (b"K\x06tQ", b"K\x07tQ"),
        (b"K\x06tQ", b"J\xff\xff\xff\xfftQ"),
        (b"K\x06tQ", b"\x8a\x08\0\0\0\0\0\0\0\x40tQ"),
        (b"FloatStorage", b"DoubleStorage"),
        (b"FloatStorage", b"QInt8Storage"),
        (b"FloatStorage", b"device"),
        (b"\x01\0\0\x000X", b"\x01\0\0\x009X"),
        (b"\x03\0\0\0cpu", b"\x04\0\0\0meta"),
        // More than it takes.
        (b"\x89ccoll", b"\x89\x89ccoll"),
        (b")RtR", b")R}tR"),
    ] {
        let found = changed(from, to);
        assert!(found.is_err(), "{} -> {}: {found:?}", from.escape_ascii(), to.escape_ascii());
    }
    let truth = |file: &str| {
        let of = b"K\x03tQK\0(K\x03t(K\x01t";
        let from = b"FloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x06tQK\0(K\x02K\x03t(K\x03K\x01t";
        let to = [b"BoolStorage\nX\x01\0\0\0".as_slice(), file.as_bytes(), b"X\x03\0\0\0cpu", of].concat();
        changed(from, &to)
    };
    assert!(truth("2").unwrap_err().contains("neither 0 nor 1"));
}

/// Steps that libtorch's machine takes with what is not there, or that make what it makes of other code.
#[test]
fn steps_that_no_exporter_writes_are_refused() {
    let deep = [b")".as_slice(), &[0x85; 99]].concat();
    let long = [b"(".as_slice(), &b"K\x01".repeat(9), b"t", b"q\x05"].concat();
    for body in [
        b"".as_slice(),
        b"t",
        b"e",
        b"u",
        b"b",
        b"R",
        b"Q",
        b"\x85",
        b"K\x01b",
        b"K\0)R",
        b"(K\x01",
        b"(K\x01(tb",
        b"K\x01K\x01",
        b"}(K\x01u",
        b"}(K\x01K\x01u(K\x01K\x01u",
        b"](K\x01e(K\x01e",
        b"]q\0",
        b"}q\0",
        b"h\0",
        b"j\0\0\0\x40",
        b"K\x01q\x01",
        b"K\x01r\xff\xff\xff\xff",
        b"X\xff\xff\xff\xffa",
        b"cos\nsystem\n",
        b"cbuiltins\neval\n",
        b"c__torch__.m\nOther\n",
        b"c__torch__.torch.classes.xnnpack\nConv2dOpContext\n",
        b"c__torch__.m/../x\nM\n",
        b"ctorch.jit._pickle\nbuild_tensor_from_id\n(K\0tR",
        b"ctorch._tensor\n_rebuild_from_type_v2\n",
        b"ctorch._utils\n_rebuild_sparse_tensor\n",
        b"ctorch._utils\n_rebuild_qtensor\n",
        b"ctorch.distributed.rpc\nrref\n",
        b"ctorch\ndevice\n(X\x03\0\0\0cputR",
        b"ctorch.jit._pickle\nrestore_type_tag\n(](K\x01eX\x09\0\0\0List[int]tR",
        b"c__main__\nTensorID\n(K\0tR",
        b"c__torch__.m\nIn\n(K\x01t\x81",
        b"c__torch__.m\nIn\n)R",
        b"P0\n",
        b"\x8c\x01a",
        b"\x93",
        b".K\x01",
        &deep,
        &long,
    ] {
        let found = load(body);
        assert!(found.is_err(), "{}: {found:?}", body.escape_ascii());
    }
    let mut program = Program::default();
    parse(SOURCE, "__torch__.m", false, &mut program).unwrap();
    for bytes in [b"".as_slice(), b"K\x01.", b"\x80\x04K\x01.", b"\x80\x02K\x01", b"\x80\x02K\x01.K\x01."] {
        assert!(read(bytes, &program, &BTreeMap::new(), false).is_err(), "{}", bytes.escape_ascii());
    }
}

#[test]
fn half_precision_is_widened_where_it_stands() {
    let half = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nHalfStorage\nX\x01\0\0\x001X\x03\0\0\0cpuK\x02tQ\
        K\0(K\x02t(K\x01t\x89ccollections\nOrderedDict\n)RtR";
    let both = [b"(".as_slice(), TENSOR, half, half, b"t"].concat();
    let found = load(&both).unwrap();
    assert_eq!(found.half, ["1"]);
    let expected = [b"\x80\x02".as_slice(), &both, b"."].concat();
    let expected = expected.escape_ascii().to_string().replace("HalfStorage", "FloatStorage");
    assert_eq!(found.bytes.escape_ascii().to_string(), expected);
}
