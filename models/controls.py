# SPDX-License-Identifier: MIT OR Apache-2.0
"""Does the picture do what a control asks? Measured in rendered pictures by MediaPipe's own tracker.

Run: GST_PLUGIN_PATH=target/debug python -m models.evaluate --controls --data DATA --blocks BLOCKS --speech SPEECH.wav --out OUT

Ten faces of split dev (first frames of clips; training saw none of these people) speak through `talkinghead`, once a
setting. MediaPipe's face mesh tracks the pictures: the network with which the plugin reads photos, but in another
implementation, and of the picture it sees only pixels. Angles and gains are against the same photo's run with nothing
asked. Writes OUT/controls.md, and OUT/<photo>-<run>.png, a strip of pictures to look at. Results of each run are cached
in OUT/runs/, so an interrupted evaluation resumes; a changed plugin or pack needs another OUT.
"""

import argparse
import csv
import json
import os
import subprocess
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from models.data.normalise import aperture, decompose
from models.speech2landmarks.emotions import EMOTIONS, NAMES, scores

SIDE = 512
FPS = 25
# Ten people of split dev who look ahead in their clip's first frame: less than 10 degrees aside, up or down.
PHOTOS = ["o009", "o038", "o056", "o127", "o230", "o240", "o248", "o269", "o321", "o324"]
# Radius of an eyeball in distances of the outer eye corners: 12 mm of 89 mm (MediaPipe's metric face).
EYEBALL = 0.135
IRISES = [468, 473]
LIDS = [((159, 145), (33, 133)), ((386, 374), (362, 263))]
# What an emotion has to raise, by names of the 52 blendshapes; left and right are averaged. noseSneer is
# not among them: the network does not see it (0.0001 at most in 523 frames of real clips).
RAISED = {
    "happy": ["mouthSmile"],
    "sad": ["mouthFrown", "browInnerUp"],
    "surprise": ["browInnerUp", "browOuterUp", "jawOpen"],
    "fear": ["browInnerUp", "eyeWide"],
    "angry": ["browDown"],
    "disgust": ["mouthUpperUp", "browDown"],
    "contempt": ["mouthSmile", "mouthDimple"],
}
STILL = {"pose-mode": "still", "blink": "off"}


def runs() -> dict[str, dict]:
    """Settings by the name of the run; `seconds` is its length."""
    table: dict[str, dict] = {"rest": {**STILL, "seconds": 3}}
    for axis, degrees in (("yaw", (-20, -10, 10, 20)), ("pitch", (-12, 12)), ("roll", (-12, 12))):
        table |= {f"{axis} {d:+d}": {**STILL, axis: d, "seconds": 1} for d in degrees}
    for axis in ("gaze-yaw", "gaze-pitch"):
        table |= {f"{axis} {d:+d}": {**STILL, axis: d, "seconds": 1} for d in (-15, 15)}
    table["blinks"] = {"pose-mode": "still", "blink-rate": 30, "seconds": 10}
    table |= {f"mouth-gain {g}": {**STILL, "mouth-gain": g, "seconds": 3} for g in (0.5, 1.5)}
    for emotion in EMOTIONS[1:]:
        table |= {
            f"{emotion} {i}": {**STILL, "emotion": emotion, "emotion-intensity": i, "seconds": 3} for i in (0.5, 1.0)
        }
    return table


def render(photo: Path, speech: Path, settings: dict, raw: Path) -> np.ndarray:
    """Pictures [n,512,512,3] of one run."""
    frames = settings["seconds"] * FPS
    props = [f"{k}={v}" for k, v in settings.items() if k != "seconds"]
    # The plugin's libtorch and Python's must not mix.
    env = {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"}
    line = f"filesrc location={speech} ! decodebin ! audioconvert ! audioresample ! talkinghead name=head".split()
    sink = f"! video/x-raw,format=RGB,width={SIDE},height={SIDE} ! identity eos-after={frames + 1} ! filesink location={raw}"
    subprocess.run(["gst-launch-1.0", "-q", *line, f"portrait={photo}", *props, *sink.split()], check=True, env=env)
    pictures = np.fromfile(raw, np.uint8).reshape(-1, SIDE, SIDE, 3)[:frames]
    raw.unlink()
    return pictures


class Tracker:
    """Landmarks [n,478,3] of pictures; a run starts anew, so that none depends on the one before."""

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        import mediapipe as mp

        rows = []
        with mp.solutions.face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True) as mesh:
            for picture in pictures:
                found = mesh.process(picture).multi_face_landmarks
                if found:
                    rows.append([(p.x, p.y, p.z) for p in found[0].landmark])
                else:
                    rows.append(np.full((478, 3), np.nan))
        return np.array(rows, np.float32)


def gaze(lm: np.ndarray) -> np.ndarray:
    """Mean of both iris centres in the picture, and the distance of the outer eye corners: [n,3].

    A turn of the eyes is read from two runs whose heads are equally still, not against the corners of the eyes: those of
    the mesh follow an iris by half of its way, where the driving landmarks' stay.
    """
    outer = np.linalg.norm(lm[:, 33, :2] - lm[:, 263, :2], axis=-1)
    return np.concatenate([lm[:, IRISES, :2].mean(1), outer[:, None]], -1)


def lids(lm: np.ndarray) -> np.ndarray:
    """Opening of the lids over the width of the eye, mean of both eyes."""
    d = lambda a, b: np.linalg.norm(lm[:, a, :2] - lm[:, b, :2], axis=-1)  # noqa: E731
    return np.mean([d(*up) / d(*across) for up, across in LIDS], 0)


def blinks(opening: np.ndarray) -> tuple[int, float]:
    """How often the lids close, and the mean time in ms that they are less than half open."""
    shut = opening < 0.5 * np.median(opening)
    starts = int((shut[1:] & ~shut[:-1]).sum())
    return starts, float(shut.sum() / max(starts, 1) * 1000 / FPS)


def measure(lm: np.ndarray, mean_face: np.ndarray, net: torch.jit.ScriptModule) -> dict:
    """All that the table needs of one run; the first half second eases in."""
    kept = lm[~np.isnan(lm).any((1, 2))]
    tail = kept[min(len(kept) - 1, FPS // 2) :]
    normalised, pose = decompose(kept, mean_face)
    count, closed = blinks(lids(kept))
    return dict(
        lost=len(lm) - len(kept),
        pose=np.median(decompose(tail, mean_face)[1][:, :3], 0).tolist(),
        gaze=np.median(gaze(tail), 0).tolist(),
        blinks=count,
        closed_ms=closed,
        aperture=aperture(normalised[FPS // 2 :]).tolist(),
        shapes=np.mean(scores(tail[::3], net), 0).tolist(),
    )


def photo_of(data: Path, name: str, out: Path) -> Path:
    """The clip's first frame, as a user's photo."""
    path = out / "photos" / f"{name}.png"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        good, frame = cv2.VideoCapture(str(data / "clips" / f"{name}.mp4")).read()
        if not good:
            raise SystemExit(f"cannot read {data / 'clips' / name}.mp4: is --data the folder with manifest.tsv?")
        cv2.imwrite(str(path), frame)
    return path


def strip(pictures: np.ndarray) -> np.ndarray:
    chosen = pictures[np.linspace(FPS // 2, len(pictures) - 1, 4).astype(int)]
    return cv2.cvtColor(np.hstack([cv2.resize(p, (256, 256), interpolation=cv2.INTER_AREA) for p in chosen]), 4)


def shape(values: list[float], name: str) -> float:
    """A blendshape's score, left and right averaged where there are two."""
    found = [v for n, v in zip(NAMES, values) if n in (name, f"{name}Left", f"{name}Right")]
    # One side is enough for what is one-sided.
    return max(found) if name in ("mouthSmile", "mouthDimple") else float(np.mean(found))


def corr(a: list[float], b: list[float]) -> float:
    n = min(len(a), len(b))
    return float(np.corrcoef(a[:n], b[:n])[0, 1])


def table(results: dict[str, dict[str, dict]]) -> str:
    """Markdown of asked and measured, mean and worst over the photos; of the runs that all of them have."""
    lines = ["| control | asked | measured: mean | worst photo | within |", "|-|-|-|-|-|"]
    photos = list(results.values())
    done = [name for name in runs() if all(name in p for p in photos)]

    def row(name: str, asked: float, values: list[float], tolerance: float, unit: str) -> None:
        worst = max(values, key=lambda v: abs(v - asked))
        inside = sum(abs(v - asked) <= tolerance for v in values)
        lines.append(
            f"| {name} | {asked:g}{unit} ± {tolerance:g} | {np.mean(values):.1f} | {worst:.1f} | {inside}/{len(values)} |"
        )

    for name in done:
        kind, _, amount = name.partition(" ")
        if kind in ("yaw", "pitch", "roll"):
            axis = ("yaw", "pitch", "roll").index(kind)
            row(name, float(amount), [p[name]["pose"][axis] - p["rest"]["pose"][axis] for p in photos], 3, "°")
        elif kind.startswith("gaze"):
            axis = ("gaze-yaw", "gaze-pitch").index(kind)
            moved = [(p[name]["gaze"][axis] - p["rest"]["gaze"][axis]) / p["rest"]["gaze"][2] for p in photos]
            turn = [m / EYEBALL for m in moved]
            # Yaw turns to the viewer's left, pitch down, as those of the head do.
            sign = (-1, 1)[axis]
            row(name, float(amount), [sign * np.degrees(np.arcsin(np.clip(t, -1, 1))) for t in turn], 5, "°")
        elif kind == "blinks":
            row("blinks in 10 s at blink-rate=30", 5, [p[name]["blinks"] for p in photos], 1, "")
            row("lids less than half open", 160, [p[name]["closed_ms"] for p in photos], 80, " ms")
        elif kind == "mouth-gain":
            spread = [np.std(p[name]["aperture"]) / np.std(p["rest"]["aperture"]) for p in photos]
            row(f"{name}: spread of the aperture", float(amount), spread, 0.2, "")
    shown = {e: names for e, names in RAISED.items() if {f"{e} 0.5", f"{e} 1.0"}.issubset(done)}
    if shown:
        lines += ["", "| emotion | what rises | at 0 | at 0.5 | at 1 | monotonic | aperture r with neutral |", "|-|-|-|-|-|-|-|"]
    for emotion, names in shown.items():
        for name in names:
            steps = [[shape(p[r]["shapes"], name) for p in photos] for r in ("rest", f"{emotion} 0.5", f"{emotion} 1.0")]
            up = sum(a < b < c for a, b, c in zip(*steps))
            r = [corr(p[f"{emotion} 1.0"]["aperture"], p["rest"]["aperture"]) for p in photos]
            means = " | ".join(f"{np.mean(s):.3f}" for s in steps)
            lines.append(f"| {emotion} | {name} | {means} | {up}/{len(photos)} | {np.mean(r):.2f}, least {min(r):.2f} |")
    lost = {n: sum(p[n]["lost"] for p in photos) for n in done}
    lines += ["", f"Pictures in which the tracker found no face: { {n: v for n, v in lost.items() if v} or 'none'}"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs what is not cached, then writes the table."""
    from safetensors.numpy import load_file

    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--controls", action="store_true", required=True)
    for k in ("data", "blocks", "speech", "out"):
        a.add_argument(f"--{k}", type=Path, required=True)
    a.add_argument("--photos", type=int, default=len(PHOTOS), help="only the first so many")
    a.add_argument("--runs", default="", help="only those whose names begin so, as in yaw,gaze-pitch (and rest)")
    o = a.parse_args()
    data, blocks, speech, out = o.data, o.blocks, o.speech, o.out
    torch.set_num_threads(1)
    mean_face = load_file(Path(__file__).parent / "packs" / "lite" / "mean_face.safetensors")["mean_face"]
    net = torch.jit.load(str(blocks / "face_blendshapes_52.pt")).eval()
    known = {r["id"] for r in csv.DictReader(open(data / "manifest.tsv"), delimiter="\t") if r["split"] == "dev"}
    if not known.issuperset(PHOTOS):
        raise SystemExit(f"{data}/manifest.tsv lacks dev clips {sorted(set(PHOTOS) - known)}")
    (out / "runs").mkdir(parents=True, exist_ok=True)
    tracker, results = Tracker(), {}
    names = tuple(["rest", *o.runs.split(",")] if o.runs else [""])
    wanted = [(n, s) for n, s in runs().items() if n.startswith(names)]
    for photo, (name, settings) in tqdm([(p, r) for p in PHOTOS[: o.photos] for r in wanted], unit="run"):
        cache = out / "runs" / f"{photo}-{name.replace(' ', '')}.json"
        if not cache.exists():
            pictures = render(photo_of(data, photo, out), speech, settings, out / "run.raw")
            cv2.imwrite(str(out / f"{photo}-{name.replace(' ', '')}.png"), strip(pictures))
            cache.write_text(json.dumps(measure(tracker(pictures), mean_face, net)))
        results.setdefault(photo, {})[name] = json.loads(cache.read_text())
    text = table(results)
    (out / "controls.md").write_text(text)
    print(text)
