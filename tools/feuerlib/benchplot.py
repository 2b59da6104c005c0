# SPDX-License-Identifier: MIT
"""Plots of bench tables, as SVG text: ratios on a log scale.  growth.py draws curves
with the same shapes.

A plot brings its own light background, so that it reads on a dark page as well, and no
script, font or style sheet.
"""
import math
from xml.sax.saxutils import escape

from .benchtable import ratio, ratio_text

INK, PALE, GRID, PAPER = "#1f2328", "#59636e", "#d1d9e0", "#ffffff"
COLOURS = {"views": "#d1600a", "direct": "#8250df", "tuned": "#0969da", "linux": "#59636e"}
TITLES = {"views": "FeuerBird, views", "direct": "FeuerBird, direct",
          "tuned": "Linux, tuned", "linux": "Linux as shipped"}
FONT = "system-ui, 'DejaVu Sans', Helvetica, Arial, sans-serif"

HALF = 2.0
WIDTH = 960
ROW = 16
LABEL = 196
BARS = 212
PANEL = 476


class Drawing:
    """Collects shapes; text() gives the SVG."""

    def __init__(self, width, height, title):
        self.parts = [
            '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
            'viewBox="0 0 %d %d" font-family="%s" font-size="11" role="img">'
            % (width, height, width, height, FONT),
            "<title>%s</title>" % escape(title),
            '<rect x="0.5" y="0.5" width="%d" height="%d" rx="6" fill="%s" stroke="%s"/>'
            % (width - 1, height - 1, PAPER, GRID)]

    def words(self, x, y, text, anchor="start", fill=INK, size=None, bold=False):
        self.parts.append('<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s"%s%s>%s</text>' % (
            x, y, anchor, fill, ' font-size="%d"' % size if size else "",
            ' font-weight="600"' if bold else "", escape(text)))

    def line(self, x1, y1, x2, y2, stroke=GRID, width=1.0, dash=""):
        self.parts.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" '
                          'stroke-width="%.1f"%s/>' % (x1, y1, x2, y2, stroke, width,
                          ' stroke-dasharray="%s"' % dash if dash else ""))

    def bar(self, x, y, width, height, fill):
        self.parts.append('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>'
                          % (x, y, max(width, 0.5), height, fill))

    def dot(self, x, y, fill, radius=3.0):
        self.parts.append('<circle cx="%.1f" cy="%.1f" r="%.1f" fill="%s" stroke="%s" '
                          'stroke-width="0.8"/>' % (x, y, radius, fill, PAPER))

    def path(self, points, stroke):
        self.parts.append('<polyline points="%s" fill="none" stroke="%s" '
                          'stroke-width="1.6"/>' % (" ".join("%.1f,%.1f" % one
                                                            for one in points), stroke))

    def text(self):
        return "\n".join(self.parts + ["</svg>"]) + "\n"


class LogScale:
    """Values to places between START and END, by their logarithm."""

    def __init__(self, values, start, end):
        low, high = min(values), max(values)
        if high <= low * 1.001:
            low, high = low / 2, high * 2
        self.low, self.high = math.log10(low), math.log10(high)
        self.start, self.end = start, end

    def at(self, value):
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self, most):
        """Round values inside; 1, 2, 5 of each decade where there is room, else less."""
        for steps in ((1, 2, 5), (1, 3), (1,)):
            found = [step * 10.0 ** power
                     for power in range(math.floor(self.low), math.ceil(self.high) + 1)
                     for step in steps]
            found = [one for one in found
                     if self.low - 0.005 <= math.log10(one) <= self.high + 0.005]
            if len(found) <= most:
                return found
        return found[::-(-len(found) // most)]


def short(value):
    """A tick's text: 20k, 3M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return "%g%s" % (value / size, letter)
    return "%g" % value


# ---- ratios ----

def by_group(lines):
    """[(group's heading or None, line)] in the table's order; a heading has no line."""
    found, group = [], None
    for line in lines:
        if line.row.group != group:
            group = line.row.group
            found.append((group, None))
        found.append((None, line))
    return found


def halves(entries):
    """by_group's list in two, each of which begins with a heading."""
    cut = -(-len(entries) // 2)
    if cut < len(entries) and entries[cut - 1][1] is None:
        cut -= 1
    left, right = entries[:cut], entries[cut:]
    if right and right[0][1] is not None:
        right = [(right[0][1].row.group, None)] + right
    return left, right


def draw_panel(drawing, entries, scale, left, top):
    bottom = top + ROW * len(entries)
    for tick in scale.ticks(7):
        x = scale.at(tick) + left
        drawing.line(x, top, x, bottom)
        drawing.words(x, top - 5, "%g" % tick, "middle", PALE)
    for number, (group, line) in enumerate(entries):
        y = top + ROW * number + ROW / 2
        if line is None:
            drawing.words(left + 14, y + 4, group, bold=True)
            continue
        drawing.words(left + LABEL - 6, y + 4, line.row.name, "end")
        views, direct = ratio(line, "views"), ratio(line, "direct")
        if views:
            one, here = scale.at(1) + left, scale.at(views) + left
            drawing.bar(min(one, here), y - 4, abs(here - one), 8, COLOURS["views"])
        if direct:
            drawing.dot(scale.at(direct) + left, y, COLOURS["direct"])
        drawing.words(left + LABEL + BARS + 52, y + 4, ratio_text(views), "end", PALE)
    for value, dash in ((1, ""), (HALF, "4 3")):
        drawing.line(scale.at(value) + left, top, scale.at(value) + left, bottom, INK, 1,
                     dash)


def ratios(table):
    """How many times FeuerBird's cost Linux tuned takes, row by row, in two panels."""
    lines = [line for line in table.lines.values()
             if ratio(line, "views") or ratio(line, "direct")]
    if not lines:
        return None
    values = [one for line in lines for one in (ratio(line, "views"), ratio(line, "direct"))
              if one] + [0.8, 4.0]
    scale = LogScale(values, LABEL, LABEL + BARS)
    left, right = halves(by_group(lines))
    top = 78
    unit = "time" if lines[0].unit == "ns" else lines[0].unit
    title = "How many times FeuerBird's %s Linux takes (log scale)" % unit
    drawing = Drawing(WIDTH, top + ROW * max(len(left), len(right)) + 16, title)
    drawing.words(14, 24, title, size=15, bold=True)
    drawing.bar(14, 34, 22, 8, COLOURS["views"])
    drawing.words(41, 42, "gate views, and its figure at the right")
    drawing.dot(266, 38, COLOURS["direct"])
    drawing.words(275, 42, "gate direct")
    drawing.words(352, 42, "line at 1: Debian's kernel, tuned; dashed at 2: half of Linux; "
                  "same binary and machine", fill=PALE)
    draw_panel(drawing, left, scale, 0, top)
    draw_panel(drawing, right, scale, PANEL, top)
    return drawing.text()
