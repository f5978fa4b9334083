"""``utils.benchmark``: what is measured, what is computed from the times, and the tables."""

from __future__ import annotations

import pickle

import pytest

import unspool as us
from unspool.utils import benchmark
from unspool.utils.benchmark import Compare, Measurement, TaskSpec, Timer


class Clock:
    """A timer by which every statement that moves it takes exactly as long as it says."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1e-9
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


def measured(*times: float, **names: str) -> Measurement:
    return Measurement(1, list(times), TaskSpec("f(x)", "pass", **names))  # type: ignore[arg-type]


def test_a_statement_runs_as_often_as_said_with_its_setup_and_globals() -> None:
    clock, calls = Clock(), []

    def work() -> None:
        calls.append(us.get_num_threads())
        clock.pass_(2e-3)

    before = us.get_num_threads()
    timer = Timer("f()", "f = g", timer=clock, globals={"g": work}, num_threads=3)
    result = timer.timeit(200)
    assert len(calls) == 202
    assert set(calls) == {3}
    assert us.get_num_threads() == before
    assert (result.number_per_run, len(result.raw_times)) == (200, 1)
    assert result.median == pytest.approx(2e-3, rel=1e-3)


def test_blocks_fill_the_time_and_are_announced() -> None:
    clock, seen = Clock(), []
    timer = Timer("clock.pass_(1e-4)", timer=clock, globals={"clock": clock})
    result = timer.blocked_autorange(lambda *block: seen.append(block), min_run_time=0.5)
    assert sum(result.raw_times) >= 0.5
    assert [time for _, time in seen] == result.raw_times
    assert {number for number, _ in seen} == {result.number_per_run}
    assert result.mean == pytest.approx(1e-4, rel=1e-3)
    assert len(timer.adaptive_autorange(min_run_time=0.001).times) >= 3


def test_adaptive_blocks_end_when_the_time_is_over() -> None:
    clock = Clock()
    spread = iter([1.0, 3.0] * 100)
    timer = Timer("clock.pass_(next(spread))", timer=clock, globals={"clock": clock, "spread": spread})
    result = timer.adaptive_autorange(0.1, max_run_time=20.0)
    assert 20.0 <= sum(result.raw_times) < 24.0
    assert result.has_warnings


def test_real_time_passes() -> None:
    result = Timer("x + 1", "x = torch.ones(3)").blocked_autorange(min_run_time=0.01)
    assert 1e-8 < result.median < 1e-1
    assert result.title == "x + 1"
    assert "setup: x = torch.ones(3)" in repr(result)


def test_times_are_summed_up() -> None:
    result = Measurement(10, [10.0, 20.0, 30.0, 40.0, 50.0], TaskSpec("f(x)", "pass", label="f"))
    assert (result.times, result.median, result.mean, result.iqr) == (
        [1.0, 2.0, 3.0, 4.0, 5.0],
        3.0,
        3.0,
        2.0,
    )
    assert result.has_warnings
    assert not result.meets_confidence(0.5)
    assert result.meets_confidence(0.7)
    assert (result.label, result.num_threads, result.as_row_name) == ("f", 1, "f(x)")
    assert (measured(1e-6).significant_figures, measured(*[1.0] * 9).significant_figures) == (2, 5)
    assert measured(1.0, 1.1, 1.2, 1.3).significant_figures == 2
    assert pickle.loads(pickle.dumps(result)) == result
    with pytest.raises(AttributeError, match="no attribute 'speed'"):
        _ = result.speed
    with pytest.raises(ValueError, match="no times"):
        _ = measured().median


def test_measurements_of_one_task_are_merged() -> None:
    merged = Measurement.merge([measured(1.0), measured(2.0, label="other"), measured(3.0)])
    assert [m.times for m in merged] == [[1.0, 3.0], [2.0]]


def test_a_printed_measurement_names_units_and_warns() -> None:
    assert "  3.00 us\n  1 measurement, 1 runs, 1 thread" in repr(measured(3e-6))
    text = repr(measured(1e-3, 1.5e-3, 2e-3, label="f", sub_label="small", description="new"))
    for part in (
        "f: small\nnew\n",
        "Median: 1.50 ms",
        "IQR:    0.50 ms (1.25 to 1.75)",
        "3 measurements",
        "33.3%",
    ):
        assert part in text


def test_a_table_has_a_row_for_each_variant_and_a_column_for_each_description() -> None:
    names = [("a", "old"), ("a", "new"), ("b", "old"), ("b", "new")]
    times = [2e-6, 1e-6, 4e-6, 12.345e-6]
    results = [
        measured(t, t, label="f", sub_label=s, description=d) for t, (s, d) in zip(times, names, strict=True)
    ]
    table = Compare(results)
    assert str(table).split("\n") == [
        "[--------- f ----------]",
        "         |  old  |  new ",
        "1 thread: --------------",
        "      a  |  2.0  |   1.0",
        "      b  |  4.0  |  12.3",
        "",
        "Times are in microseconds (us).",
        "",
    ]
    table.colorize()
    assert "\033[92m" in str(table)
    table.trim_significant_figures()
    assert "12.345" in str(table)
    table.extend_results([measured(1e-6, 9e-6, label="f", sub_label="c", description="old")])
    table.highlight_warnings()
    assert "(! 80%)" in str(table)
    with pytest.raises(ValueError, match="expected Measurement"):
        table.extend_results([1])  # type: ignore[list-item]


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="strings"):
        Timer(len)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="only in Python"):
        Timer("x", language="c++")
    with pytest.raises(ValueError, match="global_setup"):
        Timer("x", global_setup="int x;")
    for call in (Timer().repeat, Timer().autorange, Timer().collect_callgrind):
        with pytest.raises(NotImplementedError):
            call()
    with pytest.raises(NotImplementedError, match=r"torch.utils.benchmark.FuzzedTensor"):
        _ = benchmark.FuzzedTensor
