# SPDX-License-Identifier: MIT OR Apache-2.0
"""A traced network as a list of tensor operations, in which branches of one shape are computed as one.

A network whose heads look at parts of the face runs the same small layers for each, where what a layer costs is the call, not
the numbers: `fuse` makes one map of those of all heads, one behind the other, and one layer of theirs. `fold` comes before: it
works out all that the size of the input decides (networks that were brought over from TensorFlow Lite ask in every run how large
each map is and how much is to be padded); what comes out of that is the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import fx

aten = torch.ops.aten


def fold(script: torch.jit.ScriptModule, shape: list[int]) -> fx.GraphModule:
    """The same for an input of this shape, as a list of tensor operations. Memory formats are left to libtorch."""
    root, graph = torch.nn.Module(), fx.Graph()
    picture = list(script.graph.inputs())[1]
    # Of each value: what it is for zeros, and where it depends on the picture, the node that makes it.
    known: dict[str, tuple] = {picture.debugName(): (torch.zeros(shape), graph.placeholder("image"))}

    def stored(value: object) -> object:
        """A value as an argument of a node: tensors lie in the module."""
        if isinstance(value, (list, tuple)):
            return [stored(v) for v in value]
        if not isinstance(value, torch.Tensor):
            return value
        name = f"c{len(root._buffers)}"
        root.register_buffer(name, value.detach().clone())
        return graph.get_attr(name)

    for node in script.graph.nodes():
        kind, out = node.kind(), node.output().debugName()
        if kind == "prim::Constant":
            known[out] = (node.output().toIValue(), None)
            continue
        values, made = zip(*[known[i.debugName()] for i in node.inputs()])
        depends = any(m is not None for m in made)
        if kind in ("prim::ListConstruct", "prim::TupleConstruct"):
            known[out] = (list(values), [m if m is not None else stored(v) for v, m in zip(values, made)] if depends else None)
        elif kind == "prim::NumToTensor":
            known[out] = (torch.tensor(values[0]), None)
        elif kind == "aten::Int":
            known[out] = (int(values[0]), None)
        elif kind == "aten::contiguous":
            known[out] = (values[0], made[0])
        else:
            schema = torch._C.parse_schema(node.schema())
            op = getattr(getattr(aten, kind.split("::")[1]), schema.overload_name or "default")
            names = [a.name if a.kwarg_only else None for a in schema.arguments]
            value = op(*(v for v, n in zip(values, names) if not n), **{n: v for v, n in zip(values, names) if n})
            if not depends or not isinstance(value, torch.Tensor):
                known[out] = (value, None)
                continue
            given = [m if m is not None else stored(v) for v, m in zip(values, made)]
            plain = tuple(g for g, n in zip(given, names) if not n)
            new = graph.call_function(op, plain, {n: g for g, n in zip(given, names) if n})
            new.meta["shape"] = tuple(value.shape)
            known[out] = (value, new)
    graph.output(tuple(known[next(script.graph.outputs()).debugName()][1]))
    return fx.GraphModule(root, graph)


def fuse(module: fx.GraphModule, starts: list[fx.Node]) -> fx.GraphModule:
    """The same with the branches that begin at these nodes computed together, layer by layer, where they have layers of one shape.
    No branch may lead to the start of another; maps have the shape [1,C,H,W].
    """
    return _Fusion(module, starts).run()


class _Fusion:
    def __init__(self, module: fx.GraphModule, starts: list[fx.Node]) -> None:
        self.module, self.graph = module, fx.Graph(module)
        # What a node computes, told by the shapes on the way from where its branch begins; equal ones are computed at once.
        self.keys: dict[fx.Node, tuple] = {}
        self.groups: dict[tuple, tuple[fx.Node, ...]] = {}
        self.made: dict[fx.Node, fx.Node] = {}
        self.packed: dict[tuple[fx.Node, ...], fx.Node] = {}
        for node in module.graph.nodes:
            key = ("start", *node.meta["shape"]) if node in starts else self.key(node)
            if key:
                self.keys[node] = key
                self.groups[key] = (*self.groups.get(key, ()), node)

    def key(self, node: fx.Node) -> tuple | None:
        if node.target not in LAYERS:
            return None
        parts = []
        for a in node.args:
            if not isinstance(a, fx.Node):
                parts.append(tuple(a) if isinstance(a, list) else a)
            elif a.op == "get_attr":
                parts.append(tuple(self.tensor(a).shape))
            elif a in self.keys:
                parts.append(self.keys[a])
            else:
                return None
        return (node.target, *parts)

    def tensor(self, node: fx.Node) -> torch.Tensor:
        return self.module.get_buffer(node.target)

    def group(self, node: fx.Node) -> tuple[fx.Node, ...]:
        return self.groups.get(self.keys.get(node, ()), (node,))

    def run(self) -> fx.GraphModule:
        for node in self.module.graph.nodes:
            if node.op == "placeholder":
                self.made[node] = self.graph.node_copy(node)
            elif node.op == "output":
                self.graph.output(fx.map_arg(node.args[0], self.alone))
        self.graph.lint()
        return fx.GraphModule(self.module, self.graph)

    def alone(self, node: fx.Node) -> fx.Node:
        """The node's own map."""
        if node not in self.made:
            group = self.group(node)
            if node.target in LAYERS and len(group) > 1:
                size = node.meta["shape"][1]
                self.made[node] = self.call(aten.narrow.default, self.together(group), 1, group.index(node) * size, size)
            else:
                self.made[node] = self.graph.node_copy(node, self.alone)
        return self.made[node]

    def together(self, nodes: tuple[fx.Node, ...]) -> fx.Node:
        """The maps of several nodes, one behind the other."""
        if nodes not in self.packed:
            layer = LAYERS.get(nodes[0].target)
            if layer and self.group(nodes[0]) == nodes:
                self.packed[nodes] = layer(self, nodes)
            else:
                self.packed[nodes] = self.call(aten.cat.default, [self.alone(n) for n in nodes], 1)
        return self.packed[nodes]

    def call(self, op: Callable, *args: object) -> fx.Node:
        return self.graph.call_function(op, args)

    def stored(self, *tensors: torch.Tensor) -> fx.Node:
        name = f"f{len(list(self.module.buffers()))}"
        self.module.register_buffer(name, torch.cat(tensors).contiguous())
        return self.graph.get_attr(name)

    def inputs(self, nodes: tuple[fx.Node, ...], i: int = 0) -> fx.Node:
        return self.together(tuple(n.args[i] for n in nodes))

    def weights(self, nodes: tuple[fx.Node, ...], i: int) -> fx.Node:
        return self.stored(*(self.tensor(n.args[i]) for n in nodes))

    def convolution(self, nodes: tuple[fx.Node, ...]) -> fx.Node:
        _, weight, bias, stride, padding, dilation, transposed, more, groups, *rest = nodes[0].args
        many, shape = len(nodes), nodes[0].meta["shape"]
        weight, x = self.tensor(weight), self.inputs(nodes)
        bias = self.weights(nodes, 2) if bias is not None else None
        if groups == 1 and weight[0, 0].numel() == 1 and stride == [1, 1] and padding == [0, 0] and bias is not None:
            # Products of matrices, one a branch.
            flat = self.call(aten.reshape.default, x, [many, weight.shape[1], -1])
            matrices = self.call(aten.reshape.default, self.weights(nodes, 1), [many, shape[1], weight.shape[1]])
            bias = self.call(aten.reshape.default, bias, [many, shape[1], 1])
            y = self.call(aten.baddbmm.default, bias, matrices, flat)
            return self.call(aten.reshape.default, y, [1, many * shape[1], *shape[2:]])
        args = (stride, padding, dilation, transposed, more, groups * many, *rest)
        return self.call(aten._convolution.default, x, self.weights(nodes, 1), bias, *args)

    def pad(self, nodes: tuple[fx.Node, ...]) -> fx.Node:
        # Channels are padded too: each branch its own.
        many, (_, c, h, w) = len(nodes), nodes[0].args[0].meta["shape"]
        x = self.call(aten.reshape.default, self.inputs(nodes), [many, c, h, w])
        x = self.call(nodes[0].target, x, *nodes[0].args[1:])
        _, c, h, w = nodes[0].meta["shape"]
        return self.call(aten.reshape.default, x, [1, many * c, h, w])


LAYERS: dict[Callable, Callable] = {
    aten._convolution.default: _Fusion.convolution,
    aten.pad.default: _Fusion.pad,
    aten.prelu.default: lambda f, nodes: f.call(aten.prelu.default, f.inputs(nodes), f.weights(nodes, 1)),
    aten.add.Tensor: lambda f, nodes: f.call(aten.add.Tensor, f.inputs(nodes), f.inputs(nodes, 1)),
    aten.max_pool2d.default: lambda f, nodes: f.call(nodes[0].target, f.inputs(nodes), *nodes[0].args[1:]),
}
"""Layers of which several are computed at once, channel by channel."""
