"""The picture of scripts/bench fanout: CPU per million deliveries, a row for each case, a dot for each system, in
logarithmic scale. An SVG that reads on light and dark pages alike: it brings its own ground."""

import math

from cases import ALL, CASES, HERALD, LIMIT, MOSQUITTO, NATS, REDIS
from tables import CPU, NAMES

COLOURS = {HERALD: "#0b6e4f", LIMIT: "#8a8f98", NATS: "#2563b8", REDIS: "#c0392b", MOSQUITTO: "#8e5bb5"}
WIDTH, LEFT, RIGHT, TOP, ROW, BOTTOM = 920, 275, 30, 70, 24, 50
INK, FAINT, GROUND = "#22262b", "#d9dde2", "#ffffff"


def text(x, y, words, anchor="start", size=12, colour=INK, weight="normal"):
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}" ' \
           f'font-weight="{weight}">{words}</text>'


def label(case):
    """What distinguishes a case, in few words."""
    words = f"{case.readers:,} readers, {case.publishers} publisher{'s' if case.publishers > 1 else ''}"
    if case.rate:
        words = f"{case.readers:,} readers, {case.rate:,}/s"
    elif case.window != 256:
        words += f", window {case.window}"
    if case.wire:
        words += f", {case.wire:,} B on the wire"
    if case.size != 300:
        words += f", {case.size:,} B"
    if case.servers > 1:
        words += f", {case.servers} servers"
    return words + ("" if case.pinned else ", unpinned")


class Scale:
    """From CPU seconds per million deliveries to pixels; whole decades."""

    def __init__(self, values):
        self.low = math.floor(math.log10(min(values)))
        self.high = max(self.low + 1, math.ceil(math.log10(max(values))))

    def __call__(self, value):
        return LEFT + (math.log10(value) - self.low) / (self.high - self.low) * (WIDTH - LEFT - RIGHT)

    def ticks(self):
        """Values that get a line, and whether they get a number."""
        for decade in range(self.low, self.high + 1):
            for step in (1, 2, 5):
                if decade < self.high or step == 1:
                    yield step * 10 ** decade, step == 1


def grid(scale, bottom):
    for value, major in scale.ticks():
        x = scale(value)
        yield f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{bottom}" stroke="{FAINT}" ' \
              f'stroke-width="{1.2 if major else 0.5}"/>'
        yield text(x, bottom + 16, f"{value:g}", "middle", 12 if major else 10, INK if major else "#7a8088")


def row(case, y, values, scale):
    yield text(LEFT - 12, y + 4, label(case), "end")
    xs = [scale(value) for value in values.values()]
    yield f'<line x1="{min(xs):.1f}" y1="{y}" x2="{max(xs):.1f}" y2="{y}" stroke="#b3b9c1" stroke-width="1"/>'
    for system in reversed(values):  # Herald last: on top
        size = 6.5 if system == HERALD else 5
        yield f'<circle cx="{scale(values[system]):.1f}" cy="{y}" r="{size}" fill="{COLOURS[system]}">' \
              f'<title>{NAMES[system]}: {values[system]:.3g}</title></circle>'


def legend(systems):
    x = LEFT
    for system in systems:
        yield f'<circle cx="{x + 5}" cy="46" r="5" fill="{COLOURS[system]}"/>'
        yield text(x + 15, 50, NAMES[system])
        x += 30 + 8 * len(NAMES[system])


def picture(figures):
    rows = []
    for case in CASES:
        values = {system: figures.median(case.name, system, CPU) for system in ALL}
        values = {system: value for system, value in values.items() if value}
        if len(values) > 1 and case.kind == "load":
            rows.append((case, values))
    if not rows:
        return f'<svg xmlns="http://www.w3.org/2000/svg" width="200" height="40">{text(10, 25, "nothing yet")}</svg>\n'
    scale = Scale([value for _, values in rows for value in values.values()])
    bottom = TOP + ROW * len(rows)
    systems = [system for system in ALL if any(system in values for _, values in rows)]
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + BOTTOM}" width="{WIDTH}" '
             f'font-family="system-ui, sans-serif">',
             f'<rect width="100%" height="100%" fill="{GROUND}"/>',
             text(16, 26, "Server CPU seconds per million deliveries (logarithmic; less is better)", size=15,
                  weight="600"),
             *legend(systems), *grid(scale, bottom)]
    for place, (case, values) in enumerate(rows):
        lines += row(case, TOP + ROW * place + ROW // 2 - 4, values, scale)
    return "\n".join([*lines, "</svg>", ""])
