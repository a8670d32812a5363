# SPDX-License-Identifier: MIT OR Apache-2.0
"""How well does a dubbed video say its voice, and what of it is left as it was? Measured in the frames of `facedub`.

Run: GST_PLUGIN_PATH=target/debug python -m models.dub --data DATA --out OUT [--identity FOLDER] [--clips N]
     python -m models.evaluate --dub … is the same

Every real clip of split dev that has a voice is dubbed twice: with its own voice, where the clip itself is the truth, and
with that of the next clip, where the mouth of the clip that the voice is from is. Frames go to this program raw, so that no
encoder is measured. All faces are read by the plugin's own tracker (`facelandmarks`): apertures of the mouth, and where the
mouth is. Measures, each over the drawn frames of a clip:

- r, lag: correlation of the aperture with that of the voice's own mouth at lag 0, and the best lag within 6 frames;
  `sync_lag` of the manifest is taken out first.
- PSNR: of the square around the mouth against the clip's own frames (its own voice only).
- sharpness: variance of the Laplacian of that square over the clip's own.
- closure: share of the frames in which the voice's mouth is shut that show it shut (aperture below 0.03).
- border: mean second difference in time of the pixels in a ring around the mouth, just within what is drawn, over the
  clip's own.
- untouched: pixels outside of what may be drawn that are not the clip's: must be 0.
- identity: mean distance of dlib's face embeddings (same person: below 0.6) from the clip's own frame, every 10th frame.

- start, later: mean error of the aperture, in distances of the outer eye corners, in the first two seconds and after them (its own
  voice only): what is learned as a clip plays is not known at its start (`--analyse`).

Rows beside those, against the other voice: "video", the clip as it is; "still", its first frame, held; "photo", that frame as the
portrait of `talkinghead`, whole, with a still head: what a photo gives where there is a video. Results are written to OUT/dub.json
and OUT/dub.md.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

SHUT = 0.03
SPAN = 6
START = 50
KINDS = ("own", "other", "video", "still", "photo")


def launch(*parts: str) -> None:
    # The plugin's libtorch and Python's must not mix.
    env = {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"}
    subprocess.run(["gst-launch-1.0", "-q", *" ".join(parts).split()], check=True, env=env)


def size(clip: Path) -> tuple[int, int]:
    video = cv2.VideoCapture(str(clip))
    return int(video.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(video.get(cv2.CAP_PROP_FRAME_WIDTH))


def frames(raw: Path, clip: Path) -> np.ndarray:
    h, w = size(clip)
    return np.fromfile(raw, np.uint8).reshape(-1, h, w, 3)


def video(clip: Path, raw: Path) -> np.ndarray:
    """The clip's own frames."""
    if not raw.exists():
        launch(f"filesrc location={clip} ! decodebin ! videoconvert ! video/x-raw,format=RGB ! filesink location={raw}")
    return frames(raw, clip)


def dub(clip: Path, voice: Path, raw: Path, properties: str) -> np.ndarray:
    """The clip with a voice."""
    if not raw.exists():
        launch(
            f"filesrc location={clip} ! decodebin ! videoconvert ! video/x-raw,format=RGB ! facedub name=d {properties}",
            f"! filesink location={raw} filesrc location={voice} ! decodebin ! d.voice",
        )
    return frames(raw, clip)


def talk(clip: Path, picture: np.ndarray, voice: Path, raw: Path) -> np.ndarray:
    """A picture of the clip as a talking portrait."""
    if not raw.exists():
        photo, (h, w) = raw.with_suffix(".png"), size(clip)
        cv2.imwrite(str(photo), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        launch(
            f"filesrc location={voice} ! decodebin ! audioconvert ! audioresample",
            f"! talkinghead portrait={photo} framing=full pose-mode=still seed=1",
            f"! videoconvert ! videoscale ! video/x-raw,format=RGB,width={w},height={h} ! filesink location={raw}",
        )
        photo.unlink()
    return frames(raw, clip)


def track(pictures: np.ndarray, raw: Path) -> np.ndarray:
    """Normalised landmarks [n,478,3] of the plugin's tracker."""
    h, w = pictures.shape[1:3]
    source = raw.with_suffix(".rgb")
    if not raw.exists():
        pictures.tofile(source)
        launch(
            f"filesrc location={source} blocksize={h * w * 3} ! rawvideoparse format=rgb width={w} height={h}",
            f"framerate=25/1 ! facelandmarks ! filesink location={raw}",
        )
        source.unlink()
    return np.fromfile(raw, np.float32).reshape(-1, 478, 3)


def positions(pictures: np.ndarray, raw: Path) -> np.ndarray:
    """Middle of the mouth and distance of the outer eye corners in pixels [n,3], of the clip's own faces."""
    if not raw.exists():
        script = Path(__file__).parent / "tools" / "dub_positions.py"
        source = raw.with_suffix(".rgb")
        pictures.tofile(source)
        h, w = pictures.shape[1:3]
        subprocess.run(["/usr/bin/python3", str(script), str(source), str(w), str(h), str(raw)], check=True)
        source.unlink()
    return np.fromfile(raw, np.float32).reshape(-1, 3)


def aperture(n: np.ndarray) -> np.ndarray:
    """Gap of the lips in distances of the outer eye corners."""
    return np.linalg.norm(n[:, 13, :2] - n[:, 14, :2], axis=-1)


def corr(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum() + 1e-12))


def at(p: np.ndarray, g: np.ndarray, k: int) -> float:
    """Correlation with the truth k frames later."""
    return corr(p[max(0, -k) : len(p) - max(0, k)], g[max(0, k) : len(g) - max(0, -k)])


def square(picture: np.ndarray, place: np.ndarray) -> np.ndarray:
    x, y, e = place
    h, w = picture.shape[:2]
    l, r = int(np.clip(x - 0.45 * e, 0, w - 2)), int(np.clip(x + 0.45 * e, 2, w))
    t, b = int(np.clip(y - 0.35 * e, 0, h - 2)), int(np.clip(y + 0.55 * e, 2, h))
    return picture[t:b, l:r]


def sharpness(picture: np.ndarray) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())


def rings(shape: tuple[int, int], place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels just within what is drawn, and those outside of what may be."""
    x, y, e = place
    v, u = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    d = np.hypot((u - x) / (0.80 * e), (v - y - 0.25 * e) / (0.68 * e))
    return (d > 0.75) & (d < 0.95), np.hypot(u - x, v - y) > 1.4 * e


def score(own: np.ndarray, out: np.ndarray, place: np.ndarray, said: np.ndarray, truth: np.ndarray, lag: int) -> dict:
    n = min(len(out), len(own), len(said), len(truth), len(place))
    own, out, place, said, truth = own[:n], out[:n], place[:n], said[:n], truth[:n]
    rs = {k: at(said, truth, k + lag) for k in range(-SPAN, SPAN + 1)}
    best = max(rs, key=rs.get)
    changed = [i for i in range(n) if (own[i] != out[i]).any()]
    row = {"n": n, "drawn": len(changed), "r": rs[0], "best": rs[best], "lag": best}
    shut = truth < SHUT
    if own is not out:
        error = np.abs(said - truth)
        row["start"], row["later"] = float(error[:START].mean()), float(error[START:].mean()) if n > START else None
    row["closure"] = float((said[shut] < SHUT).mean()) if shut.sum() > 5 else None
    mse, ratio, stray = [], [], 0
    border = [0.0, 0.0]
    for i in changed:
        a, b = square(own[i], place[i]), square(out[i], place[i])
        mse.append(((a.astype(np.float32) - b) ** 2).mean())
        ratio.append(sharpness(b) / max(sharpness(a), 1e-3))
        inner, outer = rings(own.shape[1:3], place[i])
        stray += int((own[i][outer] != out[i][outer]).any(-1).sum())
        if 0 < i < n - 1:
            for k, film in enumerate((own, out)):
                second = film[i - 1].astype(np.float32) - 2.0 * film[i] + film[i + 1]
                border[k] += float(np.abs(second[inner]).mean())
    row["psnr"] = float(10 * np.log10(255**2 / max(np.mean(mse), 1e-6))) if mse else None
    row["sharpness"] = float(np.median(ratio)) if ratio else None
    row["border"] = border[1] / border[0] if border[0] else None
    row["untouched"] = stray
    return row


class Identity:
    """Embeddings of dlib's face recognition network; FOLDER as in models/generator/identity.py, or an environment."""

    def __init__(self, folder: Path | None) -> None:
        if folder:
            sys.path.insert(0, str(folder))
        import importlib.util

        import dlib

        spec = importlib.util.find_spec("face_recognition_models")
        models = Path(spec.submodule_search_locations[0]) / "models"
        self.find = dlib.get_frontal_face_detector()
        self.points = dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
        self.net = dlib.face_recognition_model_v1(str(models / "dlib_face_recognition_resnet_model_v1.dat"))

    def distance(self, own: np.ndarray, out: np.ndarray) -> float | None:
        ds = []
        for i in range(0, min(len(own), len(out)), 10):
            a, b = np.ascontiguousarray(own[i]), np.ascontiguousarray(out[i])
            boxes = self.find(a)
            if len(boxes) and (a != b).any():
                e = [np.array(self.net.compute_face_descriptor(p, self.points(p, boxes[0]))) for p in (a, b)]
                ds.append(float(np.linalg.norm(e[0] - e[1])))
        return float(np.mean(ds)) if ds else None


def table(rows: list[dict]) -> str:
    keys = ["r", "best", "lag", "closure", "start", "later", "psnr", "sharpness", "border", "identity", "untouched"]
    lines = ["| clip | voice | drawn | " + " | ".join(keys) + " |", "|-|-|-|" + "-|" * len(keys)]

    def cell(v: float | None) -> str:
        return "" if v is None else str(v) if isinstance(v, int) else f"{v:.3f}"

    for r in rows:
        cells = " | ".join(cell(r.get(k)) for k in keys)
        lines.append(f"| {r['clip']} | {r['voice']} | {r['drawn']}/{r['n']} | {cells} |")
    for kind in KINDS:
        some = [r for r in rows if r["kind"] == kind]
        if some:
            mean = lambda k: (  # noqa: E731
                lambda vs: cell(float(np.average([v for v, _ in vs], weights=[n for _, n in vs]))) if vs else ""
            )([(r[k], r["n"]) for r in some if r.get(k) is not None])
            lines.append(f"| **mean** | {kind} | | " + " | ".join(mean(k) for k in keys) + " |")
    return "\n".join(lines)


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--dub", action="store_true")
    a.add_argument("--data", type=Path, required=True)
    a.add_argument("--out", type=Path, required=True)
    a.add_argument("--identity", type=Path, help="unpacked dlib-bin and face-recognition-models")
    a.add_argument("--no-identity", action="store_true")
    a.add_argument("--clips", type=int, help="only the first so many")
    a.add_argument("--analyse", action="store_true", help="learn each clip before its first frame")
    a.add_argument("--properties", default="", help="of facedub, as in amplitude=1.2")
    o = a.parse_args()
    o.out.mkdir(parents=True, exist_ok=True)
    clips = [r for r in csv.DictReader((o.data / "manifest.tsv").open(), delimiter="\t")]
    clips = [r for r in clips if r["split"] == "dev" and r["has_speech"] == "yes" and r["kind"] == "real"]
    clips = [r for r in clips if (o.data / "clips" / f"{r['id']}.flac").exists()][: o.clips]
    identity = None if o.no_identity else Identity(o.identity)
    rows = []
    truths = {}
    for r in clips:
        film = o.data / "clips" / f"{r['id']}.mp4"
        truths[r["id"]] = aperture(track(video(film, o.out / f"{r['id']}.own"), o.out / f"{r['id']}.own.lm"))
    for i, r in enumerate(clips):
        film = o.data / "clips" / f"{r['id']}.mp4"
        own = video(film, o.out / f"{r['id']}.own")
        place = positions(own, o.out / f"{r['id']}.place")
        for kind, v in (("own", r), ("other", clips[(i + 1) % len(clips)])):
            raw = o.out / f"{r['id']}-{v['id']}.dub"
            properties = f"{o.properties} analyse={film}" if o.analyse else o.properties
            out = dub(film, o.data / "clips" / f"{v['id']}.flac", raw, properties)
            said = aperture(track(out, raw.with_suffix(".lm")))
            lag = int(float(v["sync_lag"] or 0))
            row = score(own, out, place, said, truths[v["id"]], lag)
            row |= {"clip": r["id"], "voice": v["id"], "kind": kind}
            row["identity"] = identity.distance(own, out) if identity else None
            if kind == "other":
                row |= {"start": None, "later": None}
            rows.append(row)
            if kind == "other":
                same = score(own, own, place, truths[r["id"]], truths[v["id"]], lag)
                same |= {"start": None, "later": None}
                rows.append(same | {"clip": r["id"], "voice": "(none)", "kind": "video", "border": 1.0})
                still = np.repeat(own[:1], len(own), axis=0)
                photo = talk(film, own[0], o.data / "clips" / f"{v['id']}.flac", raw.with_suffix(".photo"))
                for kind, other in (("still", still), ("photo", photo)):
                    said = aperture(track(other, raw.with_suffix(f".{kind}.lm")))
                    row = score(own, other, place, said, truths[v["id"]], lag)
                    # Where the head is elsewhere pixels are not held against each other.
                    row |= {"psnr": None, "border": None, "untouched": None, "start": None, "later": None}
                    row |= {"clip": r["id"], "voice": f"{v['id']} ({kind})", "kind": kind}
                    row["identity"] = identity.distance(own, other) if identity else None
                    rows.append(row)
                raw.with_suffix(".photo").unlink()
            raw.unlink()
        (o.out / "dub.json").write_text(json.dumps(rows))
        (o.out / "dub.md").write_text(table(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
