#!/usr/bin/python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Runs a folder of recorded cases against a build and says which come out right.

Run: tests/cases.py CASES [--build target/debug] [--only 230,544] [--keep FOLDER]
A case is a folder CASES/NAME with a script cmd.sh and its inputs. The script gets ROOT (this checkout), GST_PLUGIN_PATH
(the build) and OUT (an empty folder, where o.mp4 is the film). A name begins with a number, which chooses the check
below. One line a case: `case | right? | what was seen`; a case that no check knows is told as it is, with `?`.
Needs what the project's setup installs; scripts may want more (ffprobe, ImageMagick).
"""

from __future__ import annotations

import argparse
import array
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/python"))
from damaged_sound import decode  # noqa: E402

PORTRAIT = ROOT / "tests/data/portrait-grace-hopper.jpg"
LIMIT_SECONDS = 300
FRAME_SECONDS = 0.04
# Two of an AAC encoder's pieces: what it may add to the sound.
SOUND_PADDING_SECONDS = 0.043
SHUT = 0.02


class Case:
    """One case, after its script has run."""

    def __init__(self, folder: pathlib.Path, out: pathlib.Path, code: int, text: str, seconds: float) -> None:
        self.folder, self.out, self.code, self.text, self.seconds = folder, out, code, text, seconds

    @property
    def film(self) -> pathlib.Path:
        return self.out / "o.mp4"

    @property
    def hangs(self) -> bool:
        return self.code == 124

    def errors(self) -> list[str]:
        """The lines in which an element or the program says what is wrong, with the detail that follows."""
        lines = self.text.splitlines()
        said = [line for line in lines if line.startswith(("ERROR: from", "error: "))]
        return [re.sub(r"^ERROR: from element \S+?: ", "", line) for line in said]

    def warnings(self) -> list[str]:
        lines = [line for line in self.text.splitlines() if re.match(r"(WARNING: from|warning: |\s*WARN )", line)]
        return [re.sub(r"^WARNING: from element \S+?: ", "", line).strip() for line in lines]

    def input(self) -> pathlib.Path:
        """What the case brings besides its scripts."""
        return next(p for p in sorted(self.folder.iterdir()) if p.suffix not in (".sh", ".py") and p.is_file())


Verdict = tuple[bool | None, str]
GENERIC = ("Internal data stream error", "Internal data flow error", "erroneous pipeline")


def clear_error(case: Case, *words: str) -> Verdict | None:
    """One error, in an element's own words, that holds one of `words`."""
    errors = case.errors()
    if not case.code or not errors:
        return None
    text = " ".join([*errors, case.text])
    telling = not any(word in errors[0] for word in GENERIC)
    named = not words or any(word.lower() in text.lower() for word in words)
    return len(errors) == 1 and telling and named, f"{len(errors)} error(s): {errors[0][:160]}"


def whole_film(case: Case) -> Verdict:
    """Sound and pictures as long as what can be decoded of the sound."""
    if case.hangs:
        return False, "hangs"
    if not case.film.exists() or case.code:
        said = clear_error(case)
        return said or (False, f"rc={case.code}, {'no film' if not case.film.exists() else 'a film'}")
    expected, film = decode(case.input()).seconds, decode(case.film)
    drawn = film.pictures * FRAME_SECONDS
    right = (
        not film.error
        and abs(drawn - expected) <= FRAME_SECONDS + 1e-3
        and abs(film.seconds - expected) <= FRAME_SECONDS + SOUND_PADDING_SECONDS
    )
    return right, f"pictures {drawn:.2f} s, sound {film.seconds:.2f} s of {expected:.2f} s{film.error and ', ' + film.error}"


def one_cover(case: Case) -> Verdict:
    right, seen = whole_film(case)
    cover = re.search(rb"\xff\xd8\xff", case.input().read_bytes())
    if cover is None or not case.film.exists():
        return right, seen
    picture = case.input().read_bytes()[cover.start() : cover.start() + 256]
    count = case.film.read_bytes().count(picture)
    return bool(right) and count == 1, f"{seen}; the cover is in it {count} times"


def nothing(case: Case) -> Verdict:
    """An empty recording."""
    said = clear_error(case, "empty", "no audio", "no sound")
    if case.folder.name.split("-")[1] == "animate":
        left = case.film.exists()
        failed = "rc=1" in case.text.splitlines()
        errors = case.errors()
        return failed and not left and len(errors) == 1, f"{errors or case.text.strip()[:100]}, file left: {left}"
    return said or (False, f"rc={case.code}, {case.text.strip()[:120]!r}")


def animate_film(case: Case) -> Verdict:
    """`animate` ends: a film, or one error and no file."""
    code = re.search(r"^rc=(\d+)$", case.text, re.MULTILINE)
    if code is None or code[1] == "124":
        return False, "hangs"
    if code[1] != "0":
        return len(case.errors()) == 1 and not case.film.exists(), f"rc={code[1]} {case.errors()}"
    case.code = 0
    return whole_film(case)


def mouths(line: str, limit: int = 120) -> tuple[list[tuple[float, float]], str]:
    """Runs a line with a talkinghead called head: (time, opening of the mouth) of each picture, and how it ended."""
    Gst.init(None)
    pipeline = Gst.parse_launch(line)
    seen: list[tuple[float, float]] = []

    def measure(_pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        buffer = info.get_buffer()
        meta = buffer.get_custom_meta("PortraitLandmarksMeta")
        if meta:
            payload = meta.get_structure().get_value("data")
            points = array.array("f", payload.extract_dup(0, payload.get_size()))
            upper, lower = points[3 * 13 : 3 * 13 + 2], points[3 * 14 : 3 * 14 + 2]
            seen.append((buffer.pts / 1e9, ((upper[0] - lower[0]) ** 2 + (upper[1] - lower[1]) ** 2) ** 0.5))
        return Gst.PadProbeReturn.OK

    pipeline.get_by_name("head").get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, measure)
    pipeline.set_state(Gst.State.PLAYING)
    kinds = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(limit * Gst.SECOND, kinds)
    end = "no end" if message is None else "eos" if message.type == Gst.MessageType.EOS else message.parse_error()[0].message
    pipeline.set_state(Gst.State.NULL)
    return seen, end


def mouths_of(case: Case) -> tuple[list[tuple[float, float]], str]:
    sound = case.input()
    return mouths(
        f"filesrc location={sound} ! decodebin ! audioconvert ! audioresample ! talkinghead name=head portrait={PORTRAIT}"
        " ! video/x-raw,width=64 ! fakesink"
    )


def mean(values: list[float]) -> float:
    return sum(values) / max(1, len(values))


def still_mouth(case: Case) -> Verdict:
    """Half of .027, and less, of noise and music."""
    seen, end = mouths_of(case)
    opening = mean([value for _, value in seen])
    return end == "eos" and opening < 0.0135, f"mean opening {opening:.4f} over {len(seen)} pictures, {end}"


def moving_mouth(case: Case) -> Verdict:
    seen, end = mouths_of(case)
    widest = max((value for _, value in seen), default=0.0)
    return widest > 0.06 or bool(case.warnings()), f"widest opening {widest:.3f}, {end}, warnings {case.warnings()}"


def shut_tail(case: Case) -> Verdict:
    """The bundled speech, then 6 s of silence: shut from .5 s after the end on."""
    seen, end = mouths_of(case)
    speech_end = seen[-1][0] - 6 if seen else 0.0
    after = [value for at, value in seen if at > speech_end + 0.5]
    return bool(after) and max(after) < SHUT, f"widest opening from .5 s after the end on {max(after, default=9):.3f}, {end}"


def flushed(case: Case) -> Verdict:
    """`flush at T: 0.00:0.050 0.28:0.012 …` a line."""
    tails = []
    for line in re.findall(r"flush at [\d.]+: (.*)", case.text):
        pairs = [tuple(map(float, pair.split(":"))) for pair in line.split()]
        tails.append(max((value for at, value in pairs if at > 0.5), default=9.0))
    return len(tails) == 8 and max(tails) < SHUT, f"widest from .5 s after each flush: {' '.join(f'{x:.3f}' for x in tails)}"


def picture(line: str) -> tuple[bytes, int, int, str]:
    """The first picture, in RGB or RGBA, of a line that ends in raw video."""
    Gst.init(None)
    pipeline = Gst.parse_launch(f"{line} ! appsink name=out sync=false")
    pipeline.set_state(Gst.State.PLAYING)
    sample = pipeline.get_by_name("out").emit("try-pull-sample", 60 * Gst.SECOND)
    error = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if sample is None:
        return b"", 0, 0, error.parse_error()[0].message if error else "no picture"
    caps = sample.get_caps().get_structure(0)
    buffer = sample.get_buffer()
    return buffer.extract_dup(0, buffer.get_size()), caps.get_value("width"), caps.get_value("height"), ""


def first(photo: pathlib.Path, properties: str = "", form: str = "RGB") -> tuple[bytes, int, int, str]:
    return picture(
        f"audiotestsrc wave=silence num-buffers=40 ! talkinghead portrait={photo} {properties} ! video/x-raw,format={form}"
    )


def stripes(case: Case) -> Verdict:
    """Rows at an edge that are the row beside them once more."""
    said = clear_error(case)
    if said:
        return said
    data, width, height, error = first(case.input())
    if error:
        return False, error
    stride = (3 * width + 3) // 4 * 4
    row = lambda y: data[y * stride : y * stride + 3 * width]  # noqa: E731
    alike = lambda y, z: sum(abs(a - b) for a, b in zip(row(y), row(z))) < 0.6 * 3 * width  # noqa: E731
    top = next(n for n in range(height) if n + 1 >= height or not alike(n, n + 1))
    bottom = next(n for n in range(height) if n + 1 >= height or not alike(height - 1 - n, height - 2 - n))
    return max(top, bottom) <= 8 and not case.code, f"{width}x{height}, rows drawn out: {top} above, {bottom} below"


def cutout(case: Case) -> Verdict:
    """Alpha where it can be kept, one plain colour that is no accident elsewhere."""
    data, width, height, error = first(case.input(), "framing=full", "RGBA")
    if error:
        return False, error
    corners = [data[4 * (y * width + x) :][:4] for y in (2, height // 8) for x in (2, width - 3)]
    kept = all(corner[3] == 0 for corner in corners)
    plain, width, _, error = first(case.input(), "framing=full", "RGB")
    stride = (3 * width + 3) // 4 * 4
    colours = {tuple(plain[y * stride + 3 * x :][:3]) for y in (2, 20) for x in (2, width - 3)}
    spread = max((max(c) - min(c) for c in zip(*colours)), default=0)
    return kept and spread < 6 and not error, f"alpha in the corners {[c[3] for c in corners]}, without alpha {sorted(colours)}"


def colours(case: Case) -> Verdict:
    found = re.findall(r"s?rgb\(([\d.]+)%?,([\d.]+)%?,([\d.]+)%?\)", case.text)
    if not found:
        return False, case.text.strip()[:150] or "no colour told"
    values = [float(v) for v in found[-1]]
    if "%" not in case.text:
        values = [v / 2.55 for v in values]
    off = max(abs(v - w) for v, w in zip(values, (87.5, 57.3, 44.5)))
    return off < 2.5, f"srgb({', '.join(f'{v:.1f}' for v in values)}), {off:.1f} off"


def asked_caps(case: Case, wanted: tuple[int | None, int | None]) -> Verdict:
    said = clear_error(case, "can be had", "width", "height", "size", "rate", "from ")
    if said:
        return said
    if case.code or not case.film.exists():
        return False, f"rc={case.code} {(case.errors() or [''])[0][:150]}"
    data, width, height, error = picture(f"filesrc location={case.film} ! decodebin ! videoconvert ! video/x-raw,format=RGB")
    fits = all(want is None or abs(want - have) <= 1 for want, have in zip(wanted, (width, height)))
    return fits and not error, f"{width}x{height} {error}"


def told(case: Case, *words: str) -> Verdict:
    """A warning or an error with one of these words."""
    said = [*case.warnings(), *case.errors()]
    hits = [line for line in said if any(word in line.lower() for word in words)]
    return len(hits) == 1 and not case.hangs, f"rc={case.code} {said[:2]}"


def no_face(case: Case) -> Verdict:
    right, seen = told(case, "no face", "shows no", "not a face")
    return (True, seen) if right else (None, f"{seen}: look at the film")


def covered(case: Case) -> Verdict:
    right, seen = told(case, "mouth", "cover", "hidden", "mask")
    return (True, seen) if right else (None, f"{seen}: look at the film")


def heic(case: Case) -> Verdict:
    """Named by more than its file's name."""
    said = clear_error(case)
    if said and case.code:
        named = re.search(r"heic|heif", re.sub(r'"[^"]*"', "", case.errors()[0] + case.text), re.IGNORECASE)
        return said[0] and bool(named), said[1]
    return said or (not case.code and case.film.exists(), f"rc={case.code}, a film: {case.film.exists()}")


def bounded_hole(case: Case) -> Verdict:
    found = re.search(r"(eos|timeout|error[^\n]*?) pictures=(\d+)", case.text)
    if not found:
        return False, case.text.strip()[-150:]
    few = int(found[2]) < 1000 and found[1] == "eos"
    return few and bool(case.warnings()), f"{found[1]}, {found[2]} pictures, warnings {case.warnings()[:1]}"


def appsrc_variants(case: Case) -> Verdict:
    """75 pictures of each, or words on why not; a live one may idle on for a little."""
    wrong = []
    blocks = re.split(r"\n(?=\S[^\n]*: (?:eos|timeout|error))", "\n" + case.text)
    for block in filter(str.strip, blocks):
        head, pictures = block.strip().splitlines()[0], re.search(r"pictures=(\d+)", block)
        mouth, late = re.search(r"mouth mean ([\d.]+)", block), re.search(r"'late-samples', (\d+)", block)
        count = int(pictures[1]) if pictures else 0
        fine = 74 <= count <= 110 and mouth and float(mouth[1]) > 0.01 and not (late and int(late[1]) > 1600 and "WARN" not in block)
        if not fine and "format=time" not in head.split(": ", 1)[-1]:
            wrong.append(f"{head[:60]} ({count})")
    return bool(len(blocks) > 4 and not wrong), "; ".join(wrong)[:200] or f"{len(blocks)} variants"


def spoken_bursts(case: Case) -> Verdict:
    """8 s of speech in each of five ways of sending it."""
    found = re.findall(r"chunk ([\d.]+): mouth moves ([\d.]+)\.\.([\d.]+), (\d+) open pictures; late-samples (\d+)", case.text)
    spans = [float(end) - float(begin) for _, begin, end, _, _ in found]
    warned = "WARN" in case.text
    right = len(found) == 5 and (min(spans) > 7.0 or warned)
    return right, f"spoken {' '.join(f'{s:.1f}' for s in spans)} s of 8, late {' '.join(f[4] for f in found)}, warned {warned}"


def both_sentences(case: Case) -> Verdict:
    """1.5 s of speech, a pause, 2 s of speech: the mouth is open in both, as long as they last."""
    pairs = [(float(a), float(b)) for a, b in re.findall(r"(\d+\.\d\d):(\d\.\d\d)", case.text)]
    pushed = re.search(r"second pushed when pictures were at ([\d.]+)", case.text)
    if not pairs or not pushed:
        return False, case.text.strip()[-150:]
    second = float(pushed[1])
    spans = []
    for part in ([at for at, value in pairs if value > 0.03 and at < second], [at for at, value in pairs if value > 0.03 and at >= second]):
        spans.append(max(part) - min(part) if part else 0.0)
    late = re.search(r"late (\d+)", case.text)
    whole = spans[0] > 1.0 and spans[1] > 1.4
    return whole or "WARN" in case.text, f"spoken {spans[0]:.1f} of 1.5 s, {spans[1]:.1f} of 2 s, late {late and late[1]}"


def portrait_playing(case: Case) -> Verdict:
    swapped = re.search(r"messages (\[.*\])", case.text)
    messages = swapped[1] if swapped else ""
    return ("portrait" in messages) or None, f"messages {messages[:150]}: without one the pictures must show the new person"


CHECKS: dict[str, Callable[[Case], Verdict]] = {
    "027": cutout, "043": stripes, "045": stripes, "063": heic, "095": no_face, "114": covered, "116": colours,
    "202": one_cover, "212": still_mouth, "214": nothing, "218": moving_mouth, "230": whole_film,
    "252": lambda case: asked_caps(case, (1280, 720)), "254": lambda case: asked_caps(case, (63, None)),
    "256": lambda case: asked_caps(case, (513, None)), "264": lambda case: asked_caps(case, (None, None)),
    "450": lambda case: told(case, "no face", "face"), "500": appsrc_variants, "505": flushed, "509": spoken_bursts,
    "512": portrait_playing, "519": bounded_hole, "533": both_sentences, "540": shut_tail, "541": animate_film,
    "542": animate_film, "543": nothing, "544": whole_film,
}  # fmt: skip


def run(folder: pathlib.Path, build: pathlib.Path, out: pathlib.Path, limit: int) -> Case:
    environment = dict(os.environ) | {"ROOT": str(ROOT), "GST_PLUGIN_PATH": str(build), "OUT": str(out)}
    command = ["timeout", "--kill-after=10", str(limit), "bash", str(folder / "cmd.sh")]
    begin = time.monotonic()
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL
    )
    return Case(folder, out, done.returncode, done.stdout + done.stderr, time.monotonic() - begin)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=pathlib.Path, help="folder of the cases")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "target/debug", help="folder of libgstportrait.so")
    parser.add_argument("--only", help="numbers, separated by commas")
    parser.add_argument("--limit", type=int, default=LIMIT_SECONDS, help="seconds that a case may take")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for what the cases write")
    arguments = parser.parse_args()
    only = arguments.only.split(",") if arguments.only else None
    build = arguments.build.resolve()
    os.environ["GST_PLUGIN_PATH"] = str(build)
    wrong = 0
    print("case | right? | what was seen")
    for script in sorted(arguments.cases.resolve().glob("*/cmd.sh")):
        name = script.parent.name
        number = name.split("-")[0]
        if only and number not in only:
            continue
        with tempfile.TemporaryDirectory() as temporary:
            out = pathlib.Path(temporary)
            if arguments.keep:
                out = arguments.keep.resolve() / name
                out.mkdir(parents=True, exist_ok=True)
            case = run(script.parent, build, out, arguments.limit)
            check = CHECKS.get(number)
            if check is None:
                verdict: Verdict = (None, f"rc={case.code} {case.text.strip()[-150:]!r}")
            else:
                try:
                    verdict = check(case)
                except Exception as error:  # noqa: BLE001 (a check that breaks is a finding, not the end of the table)
                    verdict = (False, f"the check broke: {error!r}")
            right, seen = verdict
            wrong += right is False
            mark = {True: "right", False: "WRONG", None: "?"}[right]
            print(f"{name} | {mark} | {' '.join(seen.split())} ({case.seconds:.0f} s)", flush=True)
    print(f"{wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
