"""The report of `peers.py` as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from peer_jobs import OURS, TASKS


def markdown(report: dict[str, Any]) -> Iterator[str]:
    """The report as lines of Markdown."""
    setting = report["environment"]
    packages = ", ".join(f"{name} {number}" for name, number in setting["versions"].items())
    yield (
        f"{setting['cpu']}, {setting['cores_used']} of "
        f"{setting['cores']} cores, load {setting['load'][0]} before and "
        f"{report['load_after'][0]} after, medians of {setting['rounds']} rounds. "
        f"Python {setting['python']}, {packages}."
    )
    for task in TASKS:
        if task in report:
            name = f"{task}, {setting['images']} JPEGs in batches of {setting['batch']}"
            yield from ("", *task_table(name, report[task]))
    if "matrix" in report:
        yield from ("", *matrix_table(report["matrix"]))


def task_table(name: str, ways: dict[str, Any]) -> Iterator[str]:
    yield (
        f"| {name} | images/s | CPU s | time over a2pipe's | CPU over a2pipe's | peak MB "
        "| second run, s | a tenth more, s |"
    )
    yield f"| --- |{' ---: |' * 7}"
    for way, found in ways.items():
        times = (found.get(f"{kind}times {OURS}", 1.0) for kind in ("", "cpu "))
        later = (
            (found[run]["seconds"] for run in ("second run", "a tenth more photos"))
            if way == OURS
            else (f"{found['seconds']}, all again", "all again")
        )
        speed = found["images_per_second"], found["cpu_seconds"], *times
        yield f"| {' | '.join(map(str, (way, *speed, found['peak_pss_mb'], *later)))} |"


def matrix_table(found: dict[str, Any]) -> Iterator[str]:
    yield (
        f"| 4 × 4 matrix, {found['samples']} samples | forward passes | seconds | CPU s | peak MB |"
    )
    yield f"| --- |{' ---: |' * 4}"
    passes = {**found["forward_passes"], "second run": found["forward_passes_of_second_run"]}
    for way in ("script", OURS, "second run"):
        figures = (found[way][name] for name in ("seconds", "cpu_seconds", "peak_pss_mb"))
        yield f"| {' | '.join(map(str, (way, f'{passes[way]:,}', *figures)))} |"
    yield ""
    yield (
        f"Forward passes {found['ratio_of_forward_passes']} ×, time {found['ratio_of_time']} × "
        f"(CPU {found['ratio_of_cpu_time']} ×), "
        f"second run {found['ratio_of_time_of_second_run']} ×; accuracies differ by at most "
        f"{found['largest_difference_of_accuracies']:.4f}."
    )
