"""How values look on a page: JSON, stack traces, numbers, times, bars."""

from __future__ import annotations

from datetime import timedelta

import pytest

from redrive.domain import (
    ActivityPoint,
)
from redrive.web.pages import formats
from redrive.web.pages.acting import why_not_yet
from redrive.web.pages.addresses import local
from redrive.web.pages.chart import FEWEST_COLUMNS, HEIGHT, LOWEST, STEP_WIDTH, Span, chart_of
from redrive.web.pages.forms import BulkForm
from redrive.web.pages.json_view import LONGEST_STRING, MOST_LINES, lay_out
from redrive.web.pages.stacktrace import MOST_FRAMES, take_apart
from tests.support.factories import AT, later

NODE_TRACE = """TypeError: x is undefined
    at Invoice.total (/srv/app/src/invoice.js:41:17)
    at async Worker.run (/srv/app/node_modules/bullmq/worker.js:5:2)
    at /srv/app/src/main.js:3:1
    at node:internal/process/task_queues:95:5"""
PYTHON_TRACE = """Traceback (most recent call last):
  File "/usr/lib/python3.11/site-packages/bullmq/worker.py", line 9, in run
    await self.process(job)
  File "/srv/app/mail.py", line 12, in send
    raise Down("provider")
mail.Down: provider"""


def text_of(source: str) -> str:
    lines = lay_out(source).lines
    return "\n".join("  " * depth + "".join(part.text for part in parts) for depth, parts in lines)


def test_json_is_laid_out_with_every_digit_and_every_doubled_key() -> None:
    source = '{"big":12345678901234567890,"f":1.10,"e":1e400,"a":[],"o":{},"a":[true,null,"é"]}'
    assert text_of(source) == (
        '{\n  "big": 12345678901234567890,\n  "f": 1.10,\n  "e": 1e400,\n  "a": [],\n  "o": {},\n'
        '  "a": [\n    true,\n    null,\n    "é"\n  ]\n}'
    )


@pytest.mark.parametrize("source", ["{", "", "nonsense", '{"a":}', "[" * 100_000])
def test_what_is_not_json_is_shown_as_it_is(source: str) -> None:
    view = lay_out(source)
    assert (view.lines, view.raw) == ([], source)
    assert view.problem is not None


def test_a_json_value_alone_is_laid_out_too() -> None:
    assert [text_of(source) for source in ("17", '"x"', "null", "[]")] == [
        "17",
        '"x"',
        "null",
        "[]",
    ]


def test_long_strings_fold_and_long_documents_are_cut() -> None:
    (_, parts), *_ = lay_out(f'"\\"{"x" * LONGEST_STRING}"').lines
    assert (parts[0].kind, parts[0].characters) == ("long", LONGEST_STRING + 1)
    view = lay_out(f"[{','.join('1' for _ in range(MOST_LINES + 5))}]")
    assert (len(view.lines), view.cut) == (MOST_LINES, True)


def test_a_node_trace_is_split_into_own_and_library_frames() -> None:
    trace = take_apart(NODE_TRACE)
    assert [(frame.number, frame.name, frame.place) for frame in trace.own] == [
        (1, "Invoice.total", "/srv/app/src/invoice.js:41:17"),
        (3, "", "/srv/app/src/main.js:3:1"),
    ]
    assert [frame.number for frame in trace.library] == [2, 4]
    assert trace.own[0].short_place == "…/app/src/invoice.js:41:17"


def test_a_python_trace_is_split_with_the_lines_of_its_source() -> None:
    trace = take_apart(PYTHON_TRACE)
    (own,) = trace.own
    assert (own.number, own.name, own.place) == (2, "send", "/srv/app/mail.py:12")
    assert own.code == 'raise Down("provider")'
    assert [frame.number for frame in trace.library] == [1]


RUBY_TRACE = """from /srv/app/lib/mail.rb:12:in 'Mail#send'
from /usr/lib/ruby/3.3.0/net/http.rb:99:in `connect'"""
JAVA_TRACE = """java.lang.IllegalStateException: late
    at com.acme.Orders.create(Orders.java:12)
    at java.util.ArrayList.forEach(ArrayList.java:1511)"""
PHP_TRACE = "#0 /srv/app/Mail.php(7): App\\Mail->send('x')"
GO_TRACE = """goroutine 1 [running]:
main.send(0x1)
\t/srv/app/main.go:12 +0x1d"""


@pytest.mark.parametrize(
    ("trace", "own", "library"),
    [
        (RUBY_TRACE, [("send", "/srv/app/lib/mail.rb:12")], ["/usr/lib/ruby/3.3.0/net/http.rb:99"]),
        (JAVA_TRACE, [("create", "Orders.java:12")], ["ArrayList.java:1511"]),
        (GO_TRACE, [("main.send", "/srv/app/main.go:12")], []),
        (
            "#0 /srv/app/Mail.php(7): App\\Mail->send('x')",
            [("App\\Mail->send", "/srv/app/Mail.php:7")],
            [],
        ),
    ],
)
def test_a_trace_is_taken_apart_as_its_fingerprint_reads_it(
    trace: str, own: list[tuple[str, str]], library: list[str]
) -> None:
    taken = take_apart(trace)
    assert [(frame.name, frame.place) for frame in taken.own] == own
    assert [frame.place for frame in taken.library] == library


def test_comprehensions_and_members_of_a_group_of_errors_are_shown_with_their_source() -> None:
    raw = """  | Traceback (most recent call last):
  |   File "/srv/app/mail.py", line 3, in send
  |     [late(one) for one in batch]
  |   File "/srv/app/mail.py", line 3, in <listcomp>
  |     [late(one) for one in batch]
  | mail.Late: late"""
    assert [(frame.name, frame.code) for frame in take_apart(raw).own] == [
        ("send", "[late(one) for one in batch]"),
        ("<listcomp>", "[late(one) for one in batch]"),
    ]


def test_a_trace_of_no_known_kind_has_no_frames() -> None:
    for raw in ("it just broke\nbadly", ""):
        trace = take_apart(raw)
        assert (trace.own, trace.library, trace.raw) == ([], [], raw)


def test_a_poisoned_trace_is_read_in_no_time_and_cut() -> None:
    trace = take_apart("\n".join(["    at f (a.js:1:1)"] * 5000 + ["    at " + "(" * 100_000]))
    assert len(trace.own) == MOST_FRAMES
    assert trace.more == 5000 - MOST_FRAMES


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "just now"),
        (59, "59 s ago"),
        (61, "1 min ago"),
        (7200, "2 h ago"),
        (400_000, "4 days ago"),
    ],
)
def test_times_are_told_in_the_largest_unit_that_says_something(seconds: int, said: str) -> None:
    assert formats.ago(AT, later(seconds)) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "under 1 s"), (4, "4 s"), (200, "3 min 20 s"), (3600, "1 h"), (7500, "2 h 5 min")],
)
def test_durations_are_told_in_two_units_at_most(seconds: float, said: str) -> None:
    assert formats.duration(seconds) == said


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(0, 0, "0%"), (0, 9, "0%"), (1, 10_000, "1%"), (9999, 10_000, "99%"), (5, 5, "100%")],
)
def test_a_hundred_percent_means_all_and_nought_means_none(
    part: int, whole: int, said: str
) -> None:
    assert formats.percent(part, whole) == said


def test_an_address_leaves_out_what_is_not_set_and_quotes_the_rest() -> None:
    made = formats.address("/admin/apps", "a/b ü?", q="x&y", cursor=None, state="")
    assert made == "/admin/apps/a%2Fb%20%C3%BC%3F?q=x%26y"


@pytest.mark.parametrize(
    "wanted", [None, "", "//elsewhere.test", "https://elsewhere.test/", "/admin/\\x", "/other"]
)
def test_nobody_is_sent_elsewhere(wanted: str | None) -> None:
    assert local(wanted) == "/admin/"


def test_both_sides_of_a_chart_have_one_scale_and_nothing_small_is_lost() -> None:
    points = [
        ActivityPoint(at=later(0), failed=1000, recovered=500),
        ActivityPoint(at=later(60), failed=1, recovered=0),
    ]
    chart = chart_of(Span.HOUR, points)
    first, second = chart.columns
    assert (first.up, first.down) == (HEIGHT, HEIGHT / 2)
    assert second.up == LOWEST
    assert second.down == 0
    assert (chart.failed, chart.recovered, chart.peak) == (1001, 500, first)


@pytest.mark.parametrize(
    ("count", "typed", "confirmed"),
    [
        (1000, "", True),
        (1001, "", False),
        (1001, "1001", True),
        (1001, "1,001", True),
        (1001, "1 001 ", True),
        (1001, "1,002", False),
    ],
)
def test_a_large_count_has_to_be_typed(count: int, typed: str, confirmed: bool) -> None:
    form = BulkForm(kind="retry", count=count, typed=typed, key="k")
    assert form.is_confirmed is confirmed


@pytest.mark.parametrize(
    ("shown", "typed", "now", "why"),
    [
        (900, "", 990, None),
        (2602, "2,602", 2651, None),
        (2602, "2602", 1, None),
        (2602, "260", 2651, "That is not 2,602. Nothing was started."),
        (900, "", 5000, "It is 5,000 now, not 900. Nothing was started."),
        (2602, "2602", 9315, "It is 9,315 now, not 2,602. Nothing was started."),
    ],
)
def test_a_bulk_action_that_has_grown_far_beyond_its_question_is_asked_again(
    shown: int, typed: str, now: int, why: str | None
) -> None:
    form = BulkForm(kind="retry", count=shown, typed=typed, key="k")
    assert why_not_yet(form, now) == why


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (999, "999"), (1000, "1k"), (1365, "1.3k"), (50_214, "50k"), (1_234_567, "1.2M")],
)
def test_a_badge_has_at_most_four_characters(value: int, said: str) -> None:
    assert formats.compact(value) == said


def test_a_chart_of_a_young_ledger_begins_with_it() -> None:
    points = [
        ActivityPoint(at=AT + timedelta(minutes=minute), failed=0, recovered=0)
        for minute in range(60)
    ]
    young = chart_of(Span.HOUR, points, AT + timedelta(minutes=30))
    assert (len(young.columns), young.columns[0].at) == (30, AT + timedelta(minutes=30))
    (last,), whole = (one := chart_of(Span.HOUR, points, later(59 * 60))).columns, FEWEST_COLUMNS
    assert (last.x, one.width) == ((whole - 1) * STEP_WIDTH, whole * STEP_WIDTH)
    assert (one.begins_at, last.at) == (later((60 - whole) * 60), later(59 * 60))
    assert len(chart_of(Span.HOUR, points, later(3600)).columns) == 1
    assert len(chart_of(Span.HOUR, points, AT - timedelta(days=3)).columns) == 60
