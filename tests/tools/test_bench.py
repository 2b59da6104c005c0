# SPDX-License-Identifier: MIT
"""`feuer bench`: lists, rows, figures, files, plots, the guard.  No guest is booted."""
import os
import sys
import xml.dom.minidom

from harness import refuses, run_all
from feuerlib import (benchguard, benchpage, benchplot, benchrun, benchstore, benchtable,
                      growth)
from feuerlib.benchrun import Column, Figure, Measured, Row
from feuerlib.benchstore import Line, Table

LIST = "null calls - 100\nfault memory rep 63\nsum pipes rep,derived 1\nfork/64 growth - 1\n"


def row(name, flags=()):
    return Row(name, "group", frozenset(flags), 1)


def figure(value, least=None, most=None):
    return Figure(value, value if least is None else least, value if most is None else most)


def table(*lines):
    titles = list(dict.fromkeys(title for line in lines for title in line.values))
    return Table({"kvm": "not run here", "commit": "abc"}, titles,
                 {line.row.name: line for line in lines})


def example():
    return table(
        Line(row("null"), "instructions", {"tuned": figure(300, 299, 305), "views": figure(100),
                                           "direct": figure(50)}),
        Line(row("fault", ["rep"]), "instructions", {
            "tuned": figure(150), "views": figure(100), "direct": "Out of memory"}),
        Line(row("zeros"), "instructions", {"tuned": figure(3), "views": figure(0)}))


def test_list_when_parsed_then_rows_in_order(_directory):
    """Verify names, groups, flags and operations, and that another line is refused."""
    rows = benchrun.parse_list(LIST)
    assert list(rows) == ["null", "fault", "sum", "fork/64"]
    assert rows["null"] == Row("null", "calls", frozenset(), 100)
    assert rows["sum"].flags == {"rep", "derived"}
    for text in ("null calls -\n", "null calls - many\n", "usage: micro [NAME]\n"):
        refuses(benchrun.parse_list, text)


def test_row_when_parsed_then_figures_or_text_or_nothing(_directory):
    """Verify the two kinds of line, and that what programs say beside is ignored."""
    assert benchrun.parse_row("stat 838 840\r\n") == ("stat", (838, 840))
    assert benchrun.parse_row("fork_dyn - No such file\n") == ("fork_dyn", "No such file")
    for text in ("", "# must: failed", "stat 838", "stat x 840", "one two three four"):
        assert benchrun.parse_row(text) is None, text


def test_only_when_globs_then_those_rows(_directory):
    """Verify names, globs, no pattern, and that an unknown name is refused."""
    rows = benchrun.parse_list(LIST)
    assert list(benchrun.chosen(rows, ["f*", "null"])) == ["null", "fault", "fork/64"]
    assert list(benchrun.chosen(rows, [])) == list(rows)
    rows["on_4"] = Row("on_4", "cpus", frozenset(["wall"]), 1)
    assert "on_4" not in benchrun.chosen(rows, []) and "null" in benchrun.chosen(rows, [])
    assert list(benchrun.chosen(rows, [], 4)) == ["on_4"]
    assert "fourk" in refuses(benchrun.chosen, rows, ["null", "fourk*"])


def test_command_when_several_programs_then_all_run(_directory):
    """Verify which names are passed, and the guest's command."""
    rows = benchrun.parse_list(LIST)
    owner = {name: "micro" if name != "sum" else "more" for name in rows}
    some = {name: rows[name] for name in ("null", "sum")}
    assert benchrun.commands(rows, rows, owner) == {"micro": [], "more": []}
    programs = benchrun.commands(some, rows, owner)
    assert programs == {"micro": ["null"], "more": []}
    shell = benchrun.guest_command(programs, 5)
    assert shell[:2] == ["sh", "-c"]
    assert "/add/micro -n 5 null || status=$?; /add/more -n 5 ||" in shell[2]
    assert benchrun.guest_command({"micro": ["null"]}, 5) == ["/add/micro", "-n", "5", "null"]


def test_figure_when_several_runs_then_median_least_and_most(_directory):
    """Verify B2, an even number of runs, an error, and a row that was not measured."""
    measured = Measured({}, [Column("tuned", [], False)], "counted")
    measured.runs["tuned"] = [{"a": (9, 10), "b": (1, 1)}, {"a": (9, 30), "b": "gone"},
                              {"a": (9, 20)}]
    assert measured.figure("tuned", "a") == Figure(20, 10, 30)
    assert measured.figure("tuned", "b") == "gone"
    assert measured.figure("tuned", "c") is None and measured.figure("views", "a") is None
    measured.runs["tuned"].pop()
    assert measured.figure("tuned", "a") == Figure(10, 10, 30)


def test_runs_when_they_differ_then_said(_directory):
    """Verify B3: a minimum, a median, an error or a missing row that is not the same."""
    same = [{"a": (1, 2), "b": "gone"}] * 3
    assert benchrun.differences(same) == []
    for other in ({"a": (1, 3), "b": "gone"}, {"a": (0, 2), "b": "gone"}, {"a": (1, 2)},
                  {"a": (1, 2), "b": (4, 4)}):
        lines = benchrun.differences([*same, other])
        assert len(lines) == 1 and "differs" in lines[0], other
    assert benchrun.differences([{"a": (1, 2)}]) == []


def test_ratio_when_a_side_is_missing_then_none(_directory):
    """Verify ratios, also of zero and of errors; spreads; the mean."""
    lines = example().lines
    assert benchtable.ratio(lines["null"], "views") == 3
    assert benchtable.ratio(lines["null"], "direct") == 6
    assert benchtable.ratio(lines["fault"], "direct") is None
    assert benchtable.ratio(lines["zeros"], "views") is None
    assert benchtable.spread(figure(300, 299, 305)) == 0.02
    assert benchtable.spread(None) == 0 and benchtable.spread_text("gone") == "-"
    assert abs(benchtable.mean([3, None, 1.5]) - (3 * 1.5) ** 0.5) < 1e-9


def test_table_when_shown_then_all_is_there(_directory):
    """Verify the text table and the summary: rows above half, errors."""
    rows = benchtable.grid(example(), False)
    assert rows[0][:2] == ["name", "unit"] and "tuned/views" in rows[0]
    text = benchtable.text_table(rows)
    assert "instructions rep" in text and "3.00" in text and "2.0%" in text
    summary = "\n".join(benchtable.summary(example()))
    assert "views: 1 of 2 rows" in summary and "the others: fault (1.50)" in summary
    wall = example()
    wall.lines.update({name: line._replace(unit="ns") for name, line in wall.lines.items()})
    assert "views: 2 of 2 rows take no longer" in "\n".join(benchtable.summary(wall))
    assert "not measured: fault on direct: Out of memory" in summary
    assert benchtable.markdown_table(rows).count("\n") == len(rows)


def test_file_when_written_then_read_back_the_same(directory):
    """Verify the TSV, with an error, an empty field and flags; and a damaged one."""
    path = os.path.join(directory, "a.tsv")
    first = example()
    benchstore.write(path, first)
    again = benchstore.read(path)
    assert again.notes == first.notes and again.titles == first.titles
    for name, line in first.lines.items():
        assert again.lines[name].row == line.row and again.lines[name].unit == line.unit
        for title in first.titles:
            assert again.lines[name].values[title] == line.values.get(title), (name, title)
    with open(path, "a") as file:
        file.write("half a line\n")
    assert "fields" in refuses(benchstore.read, path)


def test_plot_when_drawn_then_well_formed(_directory):
    """Verify the plot as XML, with all names, and that nothing gives no plot."""
    text = benchplot.ratios(example())
    names = [node.firstChild.data for node in
             xml.dom.minidom.parseString(text).getElementsByTagName("text")]
    assert "null" in names and "fault" in names and "3.00" in names and "zeros" not in names
    assert benchplot.ratios(table()) is None


def test_growth_when_drawn_and_judged_then_well_formed_and_steepness_is_told(_directory):
    """Verify curves: points, the power, what is said of a steeper or failing one, XML."""
    flat = [Line(row("flat/%d" % n), "instructions", {
        "tuned": figure(1000 * n), "views": figure(90)}) for n in (1, 10, 100)]
    steep = [Line(row("steep/%d" % n), "instructions", {
        "tuned": figure(50), "views": figure(n)}) for n in (1, 10, 100)]
    steep.append(Line(row("steep/1000"), "instructions", {"tuned": "No memory", "views": None}))
    kept = table(*flat, *steep)
    found = growth.curves(kept)
    assert found["flat"].slope("views") == 0 and abs(found["flat"].slope("tuned") - 1) < 1e-9
    assert growth.judgement(found["flat"]) == ""
    assert growth.judgement(found["steep"]) == (
        "tuned fails at 1000: No memory; steeper than Linux; above Linux at 100")
    assert len(xml.dom.minidom.parseString(growth.plot(kept))
               .getElementsByTagName("polyline")) == 4
    assert growth.plot(table()) is None


def test_scale_when_asked_then_ticks_are_inside(_directory):
    """Verify places and ticks of narrow and wide scales."""
    for values in ([1, 1], [0.8, 4], [1, 1e9], [3, 70]):
        scale = benchplot.LogScale(values, 100, 300)
        assert 2 <= len(scale.ticks(7)) <= 7, values
        assert all(99 < scale.at(tick) < 301 for tick in scale.ticks(7))
        assert scale.at(values[0]) < 201


def test_limits_when_compared_then_5_percent_either_way(_directory):
    """Verify above, below, inside, at the margin, an error, a row that is missing."""
    def verdict(value):
        line, warning = benchguard.judge("stat", 1000, value)
        return line.startswith("ok - "), warning is not None
    assert verdict((1000, 1000)) == (True, False) == verdict((1, 1050)) == verdict((1, 950))
    assert verdict((1000, 1051)) == (False, False) and verdict((9, 949)) == (True, True)
    assert verdict("gone") == (False, False) == verdict(None)
    assert "same commit" in benchguard.judge("stat", 100, (200, 200))[0]


def test_limits_when_read_then_each_line_is_checked(_directory):
    """Verify the file's form, and that limits are lowered and never raised."""
    text = "# about\nstat\t800\ta path\nopen\t90\ta file\n\n"
    assert benchguard.read_limits(text) == {"stat": (800, "a path"), "open": (90, "a file")}
    for bad in ("stat 800 path\n", "stat\t800\n", "stat\tx\ta\n", "stat\t1\t \n", "",
                "stat\t1\ta\nstat\t2\tb\n"):
        refuses(benchguard.read_limits, bad)
    assert benchguard.lowered(text, {"stat": (700, 700), "open": (99, 99)}) == \
        "# about\nstat\t700\ta path\nopen\t90\ta file\n\n"
    assert benchguard.lowered(text, {"stat": "gone"}) == text
    with open(benchguard.LIMITS, encoding="utf-8") as file:
        assert len(benchguard.read_limits(file.read())) >= 10


def test_page_when_made_again_then_what_is_by_hand_stays(directory):
    """Verify P2, and README's part between its marks."""
    benchstore.write(os.path.join(directory, "bench.tsv"), example())
    first = benchpage.page(directory, "")
    assert "What is left to gain" in first and "| null |" in first and "commit abc" in first
    changed = first.replace("to gain\n", "to gain\n\nThe fork. \\1 stays.\n")
    assert benchpage.page(directory, changed) == changed
    old = "a\n<!-- made by tools/feuer bench --page -->\nstale\n<!-- end -->\nb\n"
    new = benchpage.readme(directory, old)
    assert "stale" not in new and new.startswith("a\n") and new.endswith("-->\nb\n")
    assert "bench.svg" in new and benchpage.readme(directory, new) == new
    refuses(benchpage.readme, directory, "no marks")


run_all(sys.modules[__name__])
