# SPDX-License-Identifier: MIT OR Apache-2.0
"""A network as a stage runs it, without what costs time and changes no number.

The networks of a frame are small: libtorch takes longer to come to their operators than to compute them.
"""

import torch

WITH_NUMBER = ("aten::add", "aten::sub", "aten::mul", "aten::div")
END = 2**63 - 1


def frozen(module: torch.nn.Module) -> torch.jit.ScriptModule:
    """Scripted and frozen, with the same numbers to the bit."""
    script = torch.jit.freeze(torch.jit.script(module.eval().requires_grad_(False)))
    graph = script.graph
    lighten(graph, graph)
    torch._C._jit_pass_dce(graph)
    torch._C._jit_pass_lint(graph)
    return script


def lighten(graph: torch._C.Graph, block: torch._C.Graph | torch._C.Block) -> None:
    """Takes slices out that are all of a tensor, and makes tensors of the numbers that are added to tensors or multiply them, which
    libtorch does anew each time."""
    for node in list(block.nodes()):
        for inner in node.blocks():
            lighten(graph, inner)
        inputs = list(node.inputs())
        if node.kind() == "aten::slice" and all(of.node().kind() == "prim::Constant" for of in inputs[1:]):
            first, end, step = (of.toIValue() for of in inputs[2:])
            if first in (None, 0) and end in (None, END) and step == 1:
                node.output().replaceAllUsesWith(inputs[0])
        elif node.kind() in WITH_NUMBER and inputs[0].type().kind() == "TensorType":
            number = inputs[1]
            if number.node().kind() == "prim::Constant" and number.type().kind() in ("FloatType", "IntType"):
                constant = graph.create("prim::Constant")
                constant.t_("value", torch.tensor(float(number.toIValue())))
                constant.output().setType(torch._C.TensorType.get())
                constant.insertBefore(node)
                node.replaceInput(1, constant.output())
