# SPDX-License-Identifier: MIT OR Apache-2.0
"""What evaluate.py measured on split dev, by group of people as one sees them in a frame of their clip.

Run: python -m models.groups --work WORK --build BUILD (after evaluate.py, whose results of each clip it reads)

Sex, age and skin are what a viewer would say, not what the people say of themselves. Skin is given in three bands of the Monk
scale (1 to 4, 5 to 7, 8 to 10); "-" is what cannot be told. Prints a Markdown table; a group without a clip is a gap.
"""

import argparse
import json
from pathlib import Path

from models.evaluate import results

GROUPS = {
    "sex as seen": ["woman", "man"],
    "age as seen": ["child", "20 to 39", "40 to 59", "60 and over"],
    "beard": ["beard", "none"],
    "glasses": ["glasses", "no glasses"],
    "skin, Monk scale": ["1 to 4", "5 to 7", "8 to 10"],
    "picture": ["photo", "painting", "cartoon"],
}
# In the order of GROUPS. The one of "photo" are films of people, or made from photos of them.
SEEN = {
    "o038": ("man", "60 and over", "none", "no glasses", "1 to 4", "photo"),
    "o126": ("man", "20 to 39", "none", "no glasses", "1 to 4", "photo"),
    "o127": ("man", "20 to 39", "none", "no glasses", "1 to 4", "photo"),
    "o143": ("man", "20 to 39", "none", "no glasses", "-", "photo"),
    "o204": ("woman", "-", "none", "no glasses", "1 to 4", "painting"),
    "o230": ("woman", "20 to 39", "none", "no glasses", "1 to 4", "photo"),
    "o269": ("woman", "40 to 59", "none", "no glasses", "1 to 4", "photo"),
    "o299": ("man", "20 to 39", "none", "no glasses", "1 to 4", "photo"),
    "o321": ("man", "20 to 39", "none", "no glasses", "1 to 4", "photo"),
    "o324": ("woman", "20 to 39", "none", "no glasses", "1 to 4", "photo"),
    "r001": ("man", "60 and over", "beard", "no glasses", "1 to 4", "photo"),
    "r003": ("man", "20 to 39", "none", "no glasses", "1 to 4", "photo"),
    "r006": ("man", "40 to 59", "none", "no glasses", "1 to 4", "photo"),
}


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--work", type=Path, required=True)
    a.add_argument("--build", type=Path, required=True)
    a.add_argument("--stage", default="speech2landmarks")
    o = a.parse_args()
    rows = {k: r for k, r in json.loads(results(o).read_text()).items() if r["alive"]}
    unseen = sorted(set(rows) - set(SEEN))
    if unseen:
        raise SystemExit(f"look at a frame of {', '.join(unseen)} and say in SEEN what you see")
    print("| group | clips, seconds | aperture r | mouth distance, one photo | the same with a reference |\n|-|-:|-:|-:|-:|")

    def line(name: str, some: list[dict]) -> None:
        if not some:
            print(f"| {name} | none | - | - | - |")
            return

        def mean(k: str, n: str) -> float:
            return sum(r[k] * r[n] for r in some) / sum(r[n] for r in some)

        still = mean("static_rest", "n_rest")
        one, own = mean("err_rest", "n_rest") / still, mean("err_reference", "n_rest") / still
        seconds = sum(r["n"] for r in some) / 25
        print(f"| {name} | {len(some)}, {seconds:.0f} s | {mean('ro', 'n'):.2f} | {one:.2f} | {own:.2f} |")

    line("all", list(rows.values()))
    for i, (group, values) in enumerate(GROUPS.items()):
        for value in values:
            line(f"{group}: {value}", [r for k, r in rows.items() if SEEN[k][i] == value])


if __name__ == "__main__":
    main()
