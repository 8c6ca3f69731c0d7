"""A picture of medians: a row for each case, a dot for each system, in logarithmic scale. An SVG that reads on light
and dark pages alike: it brings its own ground."""

import math

WIDTH, LEFT, RIGHT, TOP, ROW, BOTTOM = 920, 275, 30, 70, 24, 50
INK, FAINT, GROUND = "#22262b", "#d9dde2", "#ffffff"


def text(x, y, words, anchor="start", size=12, colour=INK, weight="normal"):
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}" ' \
           f'font-weight="{weight}">{words}</text>'


class Scale:
    """From values to pixels; whole decades."""

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


def row(label, y, values, scale, systems, first):
    yield text(LEFT - 12, y + 4, label, "end")
    xs = [scale(value) for value in values.values()]
    yield f'<line x1="{min(xs):.1f}" y1="{y}" x2="{max(xs):.1f}" y2="{y}" stroke="#b3b9c1" stroke-width="1"/>'
    for system in reversed(values):  # the first one last: on top
        name, colour = systems[system]
        yield f'<circle cx="{scale(values[system]):.1f}" cy="{y}" r="{6.5 if system == first else 5}" ' \
              f'fill="{colour}"><title>{name}: {values[system]:.3g}</title></circle>'


def legend(systems):
    x = LEFT
    for name, colour in systems:
        yield f'<circle cx="{x + 5}" cy="46" r="5" fill="{colour}"/>'
        yield text(x + 15, 50, name)
        x += 30 + 8 * len(name)


def draw(title, rows, systems):
    """rows: [(label, {system: value})]; systems: {system: (name, colour)}, the first of which is put before all others."""
    if not rows:
        return f'<svg xmlns="http://www.w3.org/2000/svg" width="200" height="40">{text(10, 25, "nothing yet")}</svg>\n'
    scale = Scale([value for _, values in rows for value in values.values()])
    bottom = TOP + ROW * len(rows)
    shown = [systems[system] for system in systems if any(system in values for _, values in rows)]
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + BOTTOM}" width="{WIDTH}" '
             f'font-family="system-ui, sans-serif">',
             f'<rect width="100%" height="100%" fill="{GROUND}"/>',
             text(16, 26, f"{title} (logarithmic; less is better)", size=15, weight="600"),
             *legend(shown), *grid(scale, bottom)]
    for place, (label, values) in enumerate(rows):
        lines += row(label, TOP + ROW * place + ROW // 2 - 4, values, scale, systems, next(iter(systems)))
    return "\n".join([*lines, "</svg>", ""])
