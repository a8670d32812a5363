// SPDX-License-Identifier: MIT OR Apache-2.0
use super::*;

/// A module of the name `M` with a submodule `inner`, a tensor, a list; `forward` has this body.
fn module(body: &str) -> String {
    let body: String = body.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "class Inner(Module):\n  __parameters__ = [\"weight\", ]\n  __buffers__ = []\n  weight : Tensor\n  training : bool\n  \
         eps : Final[float] = 1.0000000000000001e-05\n  def forward(self: __torch__.m.Inner,\n    x: Tensor) -> Tensor:\n    \
         weight = self.weight\n    return torch.mul(x, weight)\n  def save(self: __torch__.m.Inner,\n    x: Tensor) -> Tensor:\n    \
         return x\n\
         class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  __annotations__ = []\n  __annotations__[\"0\"] = \
         __torch__.m.Inner\n  inner : __torch__.m.Inner\n  sizes : List[int]\n  hook : Optional[bool]\n  def forward(self: \
         __torch__.m.M,\n    x: Tensor) -> Tensor:\n{body}\
         def helper(x: Tensor,\n    y: Optional[Tensor]=None,\n    n: int=-1) -> Tensor:\n  return x\n"
    )
}

fn checked(source: &str) -> Result<(), Refusal> {
    let mut program = Program::default();
    parse(source, "__torch__.m", false, &mut program)?;
    check(&program, 2)
}

/// What traced and scripted networks say.
#[test]
fn networks_pass() {
    for body in [
        "return x",
        "return torch.add(x, CONSTANTS.c1, alpha=-1)",
        "a, b, = torch.chunk(x, 2, 1)\nreturn torch.mul(a, torch.sigmoid(b))",
        "a, b = x, torch.relu(x)\nreturn (a, b)",
        "inner = self.inner\neps = inner.eps\nreturn (inner).forward(torch.mul(x, eps), )",
        "_0 = getattr(self, \"0\")\nreturn (_0).forward(x, )",
        "return ((self.inner).forward(x, ))[0]",
        "_0 = __torch__.m.helper\nreturn _0(x, None, 3, )",
        "return __torch__.m.helper(x, None, -1, )",
        "n = int(torch.size(x)[0])\nreturn torch.zeros([n, 3], dtype=6, layout=None, device=torch.device(\"cpu\"))",
        "_0 = annotate(List[Tensor], [])\nh = x\nfor i in range(torch.size(x, 0)):\n  h0 = torch.gru_cell(h, h, h, h)\n  \
         _1 = torch.append(_0, h0)\n  h = h0\nreturn torch.stack(_0)",
        "if torch.ne(torch.dim(x), 3):\n  ops.prim.RaiseException(torch.format(\"{}\", 3), \"builtins.ValueError\")\nelse:\n  \
         pass\nreturn x",
        "_32 = uninitialized(Optional[Tensor])\nif torch.eq(1, 1):\n  h : Optional[Tensor] = _32\nelse:\n  h = x\nreturn \
         unchecked_cast(Tensor, h)",
        // A list of the function's in one branch, another in the other: a value.
        "if torch.eq(1, 1):\n  s = [1, 2]\nelse:\n  s = torch.size(x)\nt = s\nreturn torch.reshape(x, t)",
        "sizes = self.sizes\nreturn torch.reshape(x, sizes)",
        "return torch.clamp(x, -inf, 1e-10)",
        "return torch.mul(x, float(torch.neg(2.)))",
        "return torch.slice((torch.size(x))[0:2], 0)",
    ] {
        checked(&module(body)).unwrap_or_else(|refusal| panic!("{body}\n{refusal:?}"));
    }
}

/// Each of these libtorch compiles, or would if the names were there: ways to operators, to other code, to memory.
#[test]
fn what_leads_elsewhere_is_refused() {
    for body in [
        // By other names of the namespaces.
        "t = torch\nreturn x",
        "o = ops\nreturn x",
        "o = ops.aten\nreturn x",
        "f = torch.add\nreturn f(x, x)",
        "torch = x\nreturn x",
        // As modules that they are not.
        "m = unchecked_cast(List[__torch__.m.Inner], x)\nreturn x",
        "m = uninitialized(Optional[__torch__.m.Inner])\nreturn x",
        // Methods of tensors are operators.
        "return x.to_sparse()",
        "_0 = (x).save(\"/tmp/x\", )\nreturn x",
        "_0 = torch.relu(x).save(\"/tmp/x\")\nreturn x",
        "_0 = getattr(x, \"save\")\nreturn x",
        "return x.data",
        // A method of that name in the model does not make the tensor a module.
        "m = self.inner\nm = x\nreturn (m).save(x, )",
        "m = x\nm = self.inner\nreturn (m).save(x, )",
        "if torch.eq(1, 1):\n  m = self.inner\nelse:\n  m = x\nreturn (m).save(x, )",
        "m, n = self.inner, x\nreturn (m).save(x, )",
        "m, = [self.inner]\nreturn (m).save(x, )",
        "self = x\nreturn (self).forward(x, )",
        "m = unchecked_cast(__torch__.m.Inner, x)\nreturn (m).save(x, )",
        "m = annotate(__torch__.m.Inner, x)\nreturn (m).save(x, )",
        "m = uninitialized(__torch__.m.Inner)\nreturn (m).save(x, )",
        "m : __torch__.m.Inner = self.inner\nreturn (m).save(x, )",
        "for m in range(3):\n  n = (m).save(x, )\nreturn x",
        // Builtins and special forms.
        "print(x)\nreturn x",
        "_0 = print(x)\nreturn x",
        "p = print\nreturn x",
        "_0 = open(\"/etc/passwd\")\nreturn x",
        "_0 = sorted(self.sizes)\nreturn x",
        "_0 = isinstance(x, Tensor)\nreturn x",
        "_0 = fork(x)\nreturn x",
        "_0 = hasattr(self, \"inner\")\nreturn x",
        "_0 = setattr(self, \"inner\", x)\nreturn x",
        "_0 = annotate(List[float], x.tolist())\nreturn x",
        // A name that is a builtin where it is not assigned yet.
        "print0 = __torch__.m.helper\nreturn print0(x, )",
        "_a = __torch__.m.helper\nreturn _a(x, )",
        // Classes that libtorch brings, objects that are made.
        "_0 = __torch__.torch.classes.quantized.LinearPackedParamsBase.__new__(x)\nreturn x",
        "_0 = __torch__.m.Inner.__new__(__torch__.m.Inner)\nreturn x",
        "_0 = __torch__.m.Inner(x)\nreturn x",
        "_0 = __torch__.other.f(x, )\nreturn x",
        // What a module holds is for all streams.
        "self.sizes = [1]\nreturn x",
        "s = self.sizes\n_0 = torch.append(s, 1)\nreturn x",
        "_0 = torch.append(self.sizes, 1)\nreturn x",
        "_0 = torch.add(x, x, out=CONSTANTS.c0)\nreturn x",
        "_0 = annotate(List[int], [])\n_0 = self.sizes\n_1 = torch.append(_0, 1)\nreturn x",
        "x[0] = 1\nreturn x",
        // Statements of which no network needs one.
        "while True:\n  y = x\nreturn x",
        "raise x\nreturn x",
        "assert x\nreturn x",
        "with x:\n  pass\nreturn x",
        "del x\nreturn x",
        "import os\nreturn x",
        "global x\nreturn x",
        "def f(y: Tensor) -> Tensor:\n  return y\nreturn x",
        "y = [a for a in self.sizes]\nreturn x",
        "for i in self.sizes:\n  y = i\nreturn x",
        "for i in range(1, 9):\n  y = i\nreturn x",
        "return x if x else x",
        "return x + x",
        "return not x",
        "return lambda y: y",
        // Members that are not there, constants that are not there, names that nobody assigned.
        "return self.absent",
        "return (self.inner).absent(x, )",
        "return (self.absent).forward(x, )",
        "return self.inner",
        "return torch.add(x, self.inner)",
        "m = self.inner\nreturn torch.add(x, m)",
        "m = self.inner\nreturn m[0]",
        "_0 = __torch__.m.helper\nreturn torch.add(x, _0)",
        "return torch.add(x, torch)",
        "return getattr",
        "return CONSTANTS.c2",
        "return CONSTANTS.d0",
        "return CONSTANTS",
        "return y",
    ] {
        let found = checked(&module(body));
        assert!(matches!(found, Err(Refusal::Code { .. })), "{body}\n{found:?}");
    }
}

#[test]
fn what_the_plugin_writes_into_a_model_may_call_more_than_the_model() {
    for name in OWN_OPERATORS {
        let source = module(&format!("return ops.{name}(x)"));
        assert!(matches!(checked(&source), Err(Refusal::Operator { name: named, .. }) if named == name));
        parse(&source, "__torch__.m", true, &mut Program::default()).unwrap();
    }
}

#[test]
fn operators_that_are_not_listed_are_named() {
    for (body, operator) in [
        ("torch.save(x, \"/tmp/x\")", "save"),
        ("y = torch.from_file(\"/etc/passwd\")", "from_file"),
        ("y = torch.relu(torch.add(x, torch.load(x)))", "load"),
        ("if torch.is_grad_enabled():\n  pass\nelse:\n  pass", "is_grad_enabled"),
        ("for i in range(torch.manual_seed(1)):\n  pass", "manual_seed"),
        ("ops.prim.Print(x)", "prim.Print"),
        ("ops.aten.save(x, \"/tmp/x\")", "aten.save"),
        ("y = ops.aten.add(x, x)", "aten.add"),
        ("y = ops.image.read_file(\"/etc/passwd\")", "image.read_file"),
        ("y = torch.as_strided(x, [99], [1], 0)", "as_strided"),
        ("y = torch.warn(\"x\", 2)", "warn"),
        ("y = torch.autograd.grad(x)", "autograd"),
    ] {
        match checked(&module(&format!("{body}\nreturn x"))) {
            Err(Refusal::Operator { name, line }) => {
                assert!(name == operator && line == 24, "{body}: {name} {line}")
            }
            other => panic!("{body}: {other:?}"),
        }
    }
}

/// What is compiled before a line of it runs.
#[test]
fn declarations_that_run_code_are_refused() {
    let class = |line: &str| {
        format!(
            "class M(Module):\n{line}  def forward(self: __torch__.m.M,\n    x: Tensor) -> Tensor:\n    return x\n"
        )
    };
    checked(&class("")).unwrap();
    for source in [
        class("  def __setstate__(self: __torch__.m.M, x: Tensor) -> NoneType:\n    return None\n"),
        class("  __forward_pre_hooks__ = [\"forward\", ]\n"),
        class("  x : Final[Tensor] = CONSTANTS.c0\n"),
        class("  x : Final[int] = torch.save(1)\n"),
        class("  x : __torch__.torch.classes.quantized.LinearPackedParamsBase\n"),
        class("  x : __torch__.m.Absent\n"),
        class("  x : Future[Tensor]\n"),
        class("  x : RRef[Tensor]\n"),
        class("  x : Any\n"),
        class("  x : List[__torch__.m.M]\n"),
        class("  x : List[str]\n"),
        class("  x : Optional[List[List[int]]]\n"),
        class("  x : Dict[str, Tensor]\n"),
        class("  x : Optional[__torch__.m.M]\n"),
        // Without end.
        class("  x : __torch__.m.M\n"),
        class("  x : int\n  x : Tensor\n"),
        class("  y = torch.save(1)\n"),
        class("  pass\n"),
        class("").replace("(Module)", ""),
        class("").replace("(Module)", "(NamedTuple)"),
        class("").replace("(Module)", "(Interface)"),
        class("").replace("(Module)", "(Enum)"),
        class("").replace("self: __torch__.m.M", "self: Tensor"),
        class("").replace("self: __torch__.m.M", "self"),
        class("").replace("x: Tensor", "x: __torch__.m.M"),
        class("").replace("x: Tensor", "x: Tensor=torch.save(1)"),
        class("").replace("x: Tensor", "x: Tensor=CONSTANTS.c0"),
        class("").replace("-> Tensor", "-> __torch__.m.M"),
        format!("{0}{0}", class("")),
        "def f(x: __torch__.m.M) -> Tensor:\n  return x\n".to_owned(),
        "def f(x: Tensor) -> Tensor:\n  return __torch__.m.f(x, )\n".to_owned(),
        "import os\n".to_owned(),
        "x = torch.save(1)\n".to_owned(),
        "op_version_set = 1\n".to_owned(),
    ] {
        assert!(checked(&source).is_err(), "{source}");
    }
}

/// libtorch's parser and compiler call themselves for each level: a deep one would overflow the stack.
#[test]
fn deep_structures_are_refused() {
    let chain = |links: usize| -> String {
        let link =
            |i: usize| format!("def f{i}(x: Tensor) -> Tensor:\n  return __torch__.m.f{}(x, )\n", i + 1);
        (0..links).map(link).collect::<String>()
            + &format!("def f{links}(x: Tensor) -> Tensor:\n  return x\n")
    };
    checked(&chain(40)).unwrap();
    assert!(checked(&chain(100)).is_err());
    assert!(checked(&chain(20_000)).is_err());
    let nested =
        |levels: usize| module(&format!("return {}x{}", "torch.relu(".repeat(levels), ")".repeat(levels)));
    checked(&nested(40)).unwrap();
    assert!(checked(&nested(20_000)).is_err());
    assert!(checked(&module(&format!("return {}x", "-".repeat(20_000)))).is_err());
    assert!(checked(&module(&format!("return x{}", "[0]".repeat(20_000)))).is_err());
    let typ = format!("{}int{}", "List[".repeat(20_000), "]".repeat(20_000));
    assert!(checked(&module(&format!("y = uninitialized({typ})\nreturn x"))).is_err());
}

/// The list is the gate: what is on it models run without a question. Whoever adds an operator adds it here too, after a
/// look at what it does.
#[test]
fn nothing_on_the_list_reaches_out_of_the_model() {
    let forbidden = [
        // Files, the system, output.
        "save",
        "load",
        "from_file",
        "read_file",
        "write_file",
        "print",
        "Print",
        "warn",
        "open",
        "exec",
        "eval",
        "import",
        "file",
        "path",
        "socket",
        "rpc",
        "fork",
        "wait",
        "dist",
        "broadcast_coalesced",
        "all_reduce",
        "profile",
        "log_",
        "timer",
        "get_gil",
        "device_count",
        "seed",
        "generator",
        "_cuda_",
        "hash",
        "id",
        "ord",
        "chr",
        "getattr",
        "setattr",
        // Memory beyond a tensor's own.
        "as_strided",
        "set_",
        "set",
        "resize",
        "storage",
        "data_ptr",
        "from_blob",
        "_unsafe",
        "alias",
        "pin",
        "share",
        "sparse",
        "nested",
        "packed",
        "prepack",
        "mkldnn",
        "view_copy",
        // Numbers that nobody can repeat.
        "rand",
        "randn",
        "randint",
        "randperm",
        "bernoulli",
        "multinomial",
        "normal",
        "uniform",
        "rrelu",
        "poisson",
        "exponential",
        // Code that is not in the model.
        "call",
        "jit",
        "script",
        "python",
        "custom",
        "backward",
        "grad",
        "autograd",
    ];
    for name in OPERATORS.iter() {
        let bare = name.rsplit('.').next().unwrap();
        let parts: Vec<&str> = bare.split('_').collect();
        let caught = forbidden
            .iter()
            .find(|bad| bare == **bad || parts.contains(bad) || bad.len() > 5 && bare.contains(**bad));
        assert!(caught.is_none(), "{name}: {caught:?}");
        assert!(!name.contains('.') || name.starts_with("prim."), "{name} is of another namespace");
    }
    let text = include_str!("../operators.txt");
    assert_eq!(text.split_whitespace().count(), OPERATORS.len(), "an operator stands there twice");
}
