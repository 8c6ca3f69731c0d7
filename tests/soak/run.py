"""scripts/soak [PYTEST OPTION...]: builds a release in build-soak, runs the long forms, prints the table."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build-soak"


def build():
    setup = [] if (BUILD / "build.ninja").exists() else [["meson", "setup", str(BUILD), "--buildtype=release"]]
    for command in [*setup, ["ninja", "-C", str(BUILD), "heraldd", "bench/load"]]:
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"scripts/soak: {' '.join(command)} failed:\n{done.stdout}")


def seconds(value):
    return "" if value is None else f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def show(rows):
    """A row a storm: what was sent, what held, peak RSS of a server, worst latency."""
    print(f"\n{'':28} {'sent':38} {'held':60} {'peak RSS':>9} {'worst':>8}")
    for one in rows:
        cells = [textwrap.wrap(one[name], width) for name, width in (("what", 27), ("sent", 37), ("held", 59))]
        rss = "" if one["rss"] is None else f"{one['rss'] / (1 << 20):.0f} MiB"
        for line in range(max(map(len, cells))):
            texts = [cell[line] if line < len(cell) else "" for cell in cells]
            last = f"{rss:>9} {seconds(one['worst']):>8}" if line == 0 else ""
            print(f"{texts[0]:28} {texts[1]:38} {texts[2]:60} {last}".rstrip())


def main():
    build()
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as rows:
        environment = os.environ | {"HERALDD": str(BUILD / "heraldd"), "HERALD_SOAK_ROWS": rows.name,
                                    "PYTHONDONTWRITEBYTECODE": "1"}
        words = sys.argv[1:]
        status = subprocess.run([sys.executable, "-B", "-m", "pytest", "-q", "-ra", "-p", "no:cacheprovider",
                                 *(words or []), *([] if any("test_" in word for word in words) else ["tests/soak"])],
                                cwd=ROOT, env=environment, check=False).returncode
        show([json.loads(line) for line in rows])
    return status


if __name__ == "__main__":
    sys.exit(main())
