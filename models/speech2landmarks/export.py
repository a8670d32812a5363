"""Export the stage. Run: python export.py --work WORK --checkpoint s2l-0 s2l-1 s2l-2 --samples SPEECH.wav --build BUILD

Leaves BUILD/speech2landmarks/{speech2landmarks.pt, golden-speech2landmarks.safetensors, stage.toml}.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from dataset import COEFS, IDS, PAIRS, prepare, wave
from model import Net, Speech2Landmarks, state_size
from paths import sibling
from safetensors.torch import save_file

# lip pairs from corner to corner: share of the closing pull
PULL = [0.3, 0.6, 0.9, 1.0, 1.0, 1.0, 0.9, 0.6, 0.3]
# what intensity 1 means: labelled clips at their strongest level show half to a quarter of the trained brow motion;
# this is between
STRENGTH = [0.0, 0.95, 0.85, 0.85, 0.8, 0.6, 0.95, 1.0]


def assemble(work: Path, names: list[str], gain: float) -> Speech2Landmarks:
    """The stage module from the cached tables and checkpoints (running mean of the weights)."""
    t = prepare(Path(), Path(), Path(), work)
    basis = torch.from_numpy(t["basis"].astype(np.float32)).contiguous()
    nets = []
    for name in names:
        net = Net(len(basis), IDS)
        net.load_state_dict(torch.load(work / f"{name}.pt", weights_only=False)["mean"])
        # spread calibration acts on the speech coefficients, not on the emotion directions behind them
        with torch.no_grad():
            net.out.weight[:COEFS] *= gain
            net.out.bias[:COEFS] *= gain
        nets.append(net.eval())
    f = lambda x: torch.from_numpy(np.asarray(x, np.float32)).contiguous()  # noqa: E731
    pairs = dict(
        up=torch.tensor([p[0] for p in PAIRS]), low=torch.tensor([p[1] for p in PAIRS]), pull=0.012 * torch.tensor(PULL)
    )
    return Speech2Landmarks(
        nets,
        dict(
            basis=basis,
            mean=f(t["mean"]),
            ids=f(t["ids"]),
            rest=f(t["rest"]),
            basis_rest=basis,
            strength=torch.tensor(STRENGTH),
            **pairs,
        ),
    ).eval()


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--work", type=Path, required=True)
    a.add_argument("--checkpoint", nargs="+", default=["s2l"], help="nets to average")
    a.add_argument("--gain", type=float, default=1.0, help="gain of the speech part (averaging damps)")
    a.add_argument("--samples", type=Path, required=True)
    a.add_argument("--build", type=Path, required=True)
    o = a.parse_args()
    torch.set_num_threads(1)
    stage = torch.jit.freeze(torch.jit.script(assemble(o.work, o.checkpoint, o.gain)))
    size = state_size(len(o.checkpoint))
    out = o.build / "speech2landmarks"
    out.mkdir(parents=True, exist_ok=True)
    stage.save(str(out / "speech2landmarks.part"))
    (out / "speech2landmarks.part").rename(out / "speech2landmarks.pt")
    x = torch.from_numpy(sibling("features", "model").rows(wave(o.samples)))[20:25].contiguous()
    face = torch.from_numpy(prepare(Path(), Path(), Path(), o.work)["neutral"].astype(np.float32))
    emotion = torch.zeros(8)
    emotion[1] = 0.5
    with torch.no_grad():
        _, state = stage(
            torch.from_numpy(sibling("features", "model").rows(wave(o.samples)))[:20].contiguous(),
            face,
            emotion,
            torch.zeros(size),
        )
        y, after = stage(x, face, emotion, state)
    k = "speech2landmarks"
    save_file(
        {
            f"{k}.in.0": x,
            f"{k}.in.1": face,
            f"{k}.in.2": emotion,
            f"{k}.in.3": state.clone(),
            f"{k}.out.0": y.contiguous(),
            f"{k}.out.1": after.clone(),
        },
        str(out / f"golden-{k}.safetensors"),
    )
    (out / "stage.toml").write_text(
        'inputs = [{name = "features", shape = [1, 4, 80]}, {name = "identity", shape = [478, 3]}, '
        '{name = "emotion", shape = [8]}, '
        f'{{name = "state", shape = [{size}]}}]\n'
        f'outputs = [{{name = "landmarks", shape = [1, 478, 3]}}, {{name = "state", shape = [{size}]}}]\n'
    )
    print("exported", out)


if __name__ == "__main__":
    main()
