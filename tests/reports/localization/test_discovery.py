"""What was found as a table beside published rows, and as JSON."""

import math

from a2pipe.reports.localization.discovery import (
    DISCOVERY_FILE,
    Discovery,
    DiscoveryLine,
    Estimate,
    PublishedLine,
    discovery_table,
)

FOUND = Estimate(5_011, 0, 0.61234, 0.6, 0.625, "ab" * 16)
SEGMENTED = Estimate(1_449, 3, 0.4, 0.39, 0.41, "cd" * 16)


def discovery(*lines: DiscoveryLine) -> Discovery:
    head = ("birds", "voc07", "00" * 16, "test", 224, "squash", "2026-01-01T00:00:00", "1.0")
    return Discovery(*head, 1000, 0.95, 0, lines)


def line(corloc: Estimate | None, miou: Estimate | None) -> DiscoveryLine:
    return DiscoveryLine("vit_s, block 12", "vit_s", "attention", "mean+std", corloc, miou)


def test_shares_are_in_percent_and_published_rows_come_last():
    table = discovery_table(discovery(line(FOUND, None)), [PublishedLine("LOST", corloc=0.619)])
    assert table == [
        {
            "map": "vit_s, block 12",
            "threshold": "mean+std",
            "boxes": 5_011,
            "CorLoc": "61.2",
            "interval": "60.0 to 62.5",
        },
        {
            "map": "published: LOST",
            "threshold": "",
            "boxes": None,
            "CorLoc": "61.9",
            "interval": "",
        },
    ]


def test_columns_of_masks_are_there_where_masks_are():
    table = discovery_table(discovery(line(FOUND, SEGMENTED)), [PublishedLine("LaSt", miou=0.551)])
    assert table[0]["masks"] == 1_449
    assert [row["mIoU"] for row in table] == ["40.0", "55.1"]
    assert [row["CorLoc"] for row in table] == ["61.2", ""]
    only = discovery_table(discovery(line(None, SEGMENTED)))
    assert list(only[0]) == ["map", "threshold", "masks", "mIoU", "interval of mIoU"]


def test_json_holds_all_of_it_and_no_nan():
    one_image = Estimate(1, 0, 1.0, math.nan, math.nan)
    written = discovery(line(one_image, SEGMENTED))
    content = written.to_json()
    assert content["kind"] == "discovery"
    assert content["lines"][0]["corloc"]["low"] is None
    assert content["lines"][0]["miou"]["mean"] == 0.4
    found = DISCOVERY_FILE.parse(content, "it")
    assert found.lines[0].miou == SEGMENTED
    assert math.isnan(found.lines[0].corloc.low)
