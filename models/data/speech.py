# SPDX-License-Identifier: MIT OR Apache-2.0
"""Synthetic speech with phone times, made by espeak-ng and festival.

Run: python -m models.data.speech --out TTS [--count N]

Writes TTS/{train,test}_{e,f}_NNN.npz: `wav` (16 kHz, RMS 0.06) and `seg` [n,3] (class, start, end). The test
sentences are rich in p, b, m against open vowels and are never used for training. Training sentences come from the
machine's own manuals.
"""

import argparse
import ctypes as c
import glob
import random
import re
import subprocess
import tempfile
from math import gcd
from pathlib import Path

import numpy as np
from scipy.io import wavfile
from scipy.signal import resample_poly

CLASSES = ["SIL", "PBM", "FV", "TH", "TDNL", "SZ", "SH", "KGH", "R", "W", "AA", "AE", "EH", "IY", "AO", "UW", "ER"]
INDEX = {k: i for i, k in enumerate(CLASSES)}
ARPA = {
    p: k
    for k, s in dict(
        SIL="sil pau h# brth",
        PBM="p b m em",
        FV="f v",
        TH="th dh",
        TDNL="t d n l dx el en nx",
        SZ="s z",
        SH="sh zh ch jh",
        KGH="k g ng hh hv y q",
        R="r",
        W="w",
        AA="aa ah ay aw",
        AE="ae",
        EH="eh ey",
        IY="iy ih",
        AO="ao ow oy",
        UW="uw uh",
        ER="er ax axr ix",
    ).items()
    for p in s.split()
}
IPA = {
    p: k
    for k, s in dict(
        PBM="pbm",
        FV="fv",
        TH="θð",
        TDNL="tdnlɾʔ",
        SZ="szʦ",
        SH="ʃʒʧʤ",
        KGH="kɡgŋhjxç",
        R="ɹr",
        W="w",
        AA="ɑaʌɐ",
        AE="æ",
        EH="ɛe",
        IY="iɪᵻ",
        AO="ɔoɒ",
        UW="uʊ",
        ER="əɜɚɝ",
    ).items()
    for p in s
}
TEST = """Peter bought a big map before the market opened.|My mother baked apple pie and put it by the balcony.
A happy mob of bumblebees hopped past the barn.|Bob and Pam amble about the pond at lunch.
Papa may bark but he would not bother a puppy.|The campus lamp was broken in the past month.
I am about to park the bus above the harbor.|Maybe Barbara can help me move the boxes on Monday.
Stop the pump and open the top of the pot.|The bomber jacket came back in a bright purple bag.
We hope the problem can be mapped to a simple number.|Amber dropped a cup of hot apple punch on the map.
The public market buys ham and lamb by the pound.|Combat robots battle on top of a marble platform.
Pat my arm and promise me a proper breakfast.|Abby climbed up the ladder but Mark jumped back.
Please remember to bring paper cups to the party.|Somebody must have bumped the table before supper.""".replace(
    "\n", "|"
).split("|")
# energy-calibrated offset of the reported phone times against the sound, seconds
OFFSET = {"e": -0.010, "f": 0.015}


def sentences() -> list[str]:
    """Plain English sentences of 6 to 14 words out of installed documentation, in a seeded order."""
    text = "\n\n".join(
        open(f, errors="ignore").read() for f in sorted(glob.glob("/usr/share/perl/5*/**/*.pod", recursive=True))
    )
    text = re.sub(r"[A-Z]<+([^<>]*)>+", r"\1", text)
    found = set()
    for p in re.split(r"\n\s*\n", text):
        if not p.startswith((" ", "\t", "=")):
            for s in re.split(r"(?<=[.!?])\s+", p.replace("\n", " ")):
                if re.fullmatch(r"[A-Z][a-z]*(?: [a-z]+,?){5,13}[.]", s):
                    found.add(s)
    out = sorted(found) or invented()
    random.Random(0).shuffle(out)
    return out


def invented() -> list[str]:
    """Random word sequences where no manuals are installed."""
    pool = """
        people water little number before become maybe better family probably open move above simple member
        happy paper problem father river voice think measure judge church yellow young power house about always
        children animal map back bring body book time while where there should other another first after light
        night right found good goose food blue group boat phone home moment month summer winter week year music
        public system program question
    """.split()
    r = random.Random(1)
    return [" ".join(r.choices(pool, k=r.randint(6, 11))).capitalize() + "." for _ in range(600)]


def save(path: Path, wave: np.ndarray, rate: int, seg: list[tuple[str, float, float]]) -> None:
    wave = np.asarray(wave, np.float32)
    if rate != 16000:
        g = gcd(rate, 16000)
        wave = resample_poly(wave, 16000 // g, rate // g).astype(np.float32)
    wave = wave * (0.06 / max(1e-3, float(np.sqrt((wave**2).mean()))))
    off = OFFSET[path.stem.split("_")[1]]
    np.savez(path, wav=wave, seg=np.array([(INDEX[k], a + off, b + off) for k, a, b in seg], np.float32))


class _Id(c.Union):
    _fields_ = [("number", c.c_int), ("name", c.c_char_p), ("string", c.c_char * 8)]


class _Event(c.Structure):
    _fields_ = [
        ("type", c.c_int),
        ("uid", c.c_uint),
        ("text_position", c.c_int),
        ("length", c.c_int),
        ("audio_position", c.c_int),
        ("sample", c.c_int),
        ("user", c.c_void_p),
        ("id", _Id),
    ]


def espeak(jobs: list[tuple[Path, str, str, int]]) -> None:
    """(file, voice, text, rate) -> files; phoneme events (type 7) give the times."""
    lib = c.CDLL("libespeak-ng.so.1")
    rate = lib.espeak_Initialize(1, 100, None, 1 | 2)
    pcm, events = bytearray(), []

    def sink(wave, n, ev):
        if wave and n:
            pcm.extend(c.string_at(wave, 2 * n))
        i = 0
        while ev[i].type:
            if ev[i].type == 7:
                events.append((ev[i].id.string.decode("utf8", "ignore"), ev[i].audio_position / 1000))
            i += 1
        return 0

    hook = c.CFUNCTYPE(c.c_int, c.POINTER(c.c_short), c.c_int, c.POINTER(_Event))(sink)
    lib.espeak_SetSynthCallback(hook)
    for path, voice, text, speed in jobs:
        pcm.clear()
        events.clear()
        lib.espeak_SetVoiceByName(voice.encode())
        lib.espeak_SetParameter(1, speed, 0)
        b = text.encode()
        lib.espeak_Synth(b, len(b) + 1, 0, 0, 0, 1, None, None)
        lib.espeak_Synchronize()
        wave, seg = np.frombuffer(bytes(pcm), np.int16) / 32768, []
        for i, (p, t) in enumerate(events):
            end = events[i + 1][1] if i + 1 < len(events) else len(wave) / rate
            known = [q for q in p if q in IPA]
            k = "SH" if p.startswith(("tʃ", "dʒ")) else IPA[known[0]] if known else "SIL"
            if end > t:
                seg.append((k, t, end))
        save(path, wave, rate, seg)


def festival(jobs: list[tuple[Path, str, str]]) -> None:
    """(file, voice, text) -> files, from festival's segment labels."""
    with tempfile.TemporaryDirectory() as d:
        script, now = "", None
        for i, (_, voice, text) in enumerate(jobs):
            if voice != now:
                script, now = script + f"(voice_{voice})\n", voice
            script += (
                f'(set! u (Utterance Text "{text}"))(utt.synth u)(utt.save.wave u "{d}/{i}.wav")'
                f'(utt.save.segs u "{d}/{i}.lab")\n'
            )
        Path(d, "job.scm").write_text(script)
        subprocess.run(["festival", "-b", f"{d}/job.scm"], capture_output=True, check=False)
        for i, (path, _, _) in enumerate(jobs):
            try:
                rate, wave = wavfile.read(f"{d}/{i}.wav")
                lines = [q.split() for q in Path(d, f"{i}.lab").read_text().splitlines()]
            except OSError:
                continue
            seg, t = [], 0.0
            for q in lines:
                if len(q) == 3:
                    seg.append((ARPA.get(q[2], "ER"), t, float(q[0])))
                    t = float(q[0])
            save(path, wave / 32768, rate, seg)


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--out", type=Path, required=True)
    a.add_argument("--count", type=int, default=300)
    o = a.parse_args()
    o.out.mkdir(parents=True, exist_ok=True)
    text = sentences()
    voices = [
        "en-us+m3",
        "en-us+f3",
        "en-gb+m1",
        "en-gb-scotland+m5",
        "en-us+f4",
        "en-gb-x-rp+m7",
        "en-029+f1",
        "en-us",
        "en-us+m7",
        "en-gb+f5",
    ]
    espeak(
        [(o.out / f"test_e_{i:03d}.npz", ["en-us", "en-gb+f2"][i % 2], s, 160) for i, s in enumerate(TEST)]
        + [
            (o.out / f"train_e_{i:03d}.npz", voices[i % len(voices)], s, 140 + 20 * (i % 4))
            for i, s in enumerate(text[: o.count // 2])
        ]
    )
    have = sorted(p.name for p in Path("/usr/share/festival/voices").glob("*/*") if p.is_dir())
    test = "kal_diphone" if "kal_diphone" in have else have[0]
    train = [v for v in have if v != test] or have
    half = text[o.count // 2 : o.count]
    per = -(-len(half) // len(train))
    festival(
        [(o.out / f"test_f_{i:03d}.npz", test, s) for i, s in enumerate(TEST)]
        + [(o.out / f"train_f_{i:03d}.npz", train[i // per], s) for i, s in enumerate(half)]
    )
    print(len(text), "sentences;", len(list(o.out.glob("*.npz"))), "files; festival voices:", have)


if __name__ == "__main__":
    main()
