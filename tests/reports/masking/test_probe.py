"""Masking probes as files and tables."""

import csv
import io
import json
import math
from pathlib import Path

import pytest

from a2pipe.errors import A2pipeError
from a2pipe.reports.masking.probe import PROBE_FILE, probe_csv, probe_table, read_probe

from .probes import curve, probe


def test_a_file_gives_the_probe_again(tmp_path: Path) -> None:
    path = tmp_path / "masking.json"
    path.write_text(PROBE_FILE.text(probe(curve(), curve("random"))))
    found = read_probe(path)
    assert json.loads(path.read_text())["curves"][0]["points"][2]["accuracy"] is None
    assert math.isnan(found.curves[0].points[2].accuracy)
    assert PROBE_FILE.text(found) == path.read_text()


def test_more_masked_patches_than_there_are_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "masking.json"
    path.write_text(PROBE_FILE.text(probe(curve(patches=100))))
    with pytest.raises(A2pipeError, match="masks patches of vit that it has not"):
        read_probe(path)


def test_csv_has_a_line_for_each_point() -> None:
    lines = list(csv.DictReader(io.StringIO(probe_csv(probe(curve(), curve("lowest"))))))
    assert [(line["order"], line["masked"], line["accuracy"]) for line in lines] == [
        *(("highest", "0", "0.8"), ("highest", "98", "0.5"), ("highest", "196", "")),
        *(("lowest", "0", "0.8"), ("lowest", "98", "0.5"), ("lowest", "196", "")),
    ]
    assert (lines[0]["probe"], lines[0]["patches"], lines[0]["low"]) == ("birds", "196", "0.7")


def test_the_table_has_accuracies_by_masked_patches_and_what_differs() -> None:
    shorter = curve(model="other", patches=98, points=curve().points[:2])
    first, second = probe_table(probe(curve(), shorter))
    assert [*first] == ["model", "order", "n", "0", "98", "196"]
    assert (first["98"], second["98"], second["196"]) == (0.5, 0.5, "-")
    (line, _) = probe_table(probe(curve(), curve(fill="blur")))
    assert [*line][:3] == ["model", "fill", "order"]
