"""What a preset found on a dataset, as files: the usual report, and the paper's tables."""

from __future__ import annotations

from pathlib import Path

from ..pipeline.results.publish import ABOUT_GALLERY
from ..reports.study_write import write_study
from ..reports.write import write_files, write_report
from .crops import FILE as CROPS
from .crops import crops_bytes
from .layout import layout, layout_csv, layout_markdown
from .results import FILE, result_json, values, warnings
from .run import Finished


def publish_paper(finished: Finished, folder: Path) -> dict[str, Path]:
    """Write the report, paper.json and each table of the preset; returns path by name.

    Raises A2pipeError when the folder cannot be written.
    """
    files: dict[str, Path] = {}
    if finished.matrix is not None:
        files |= write_report(finished.matrix, finished.shown, folder, ABOUT_GALLERY)
    for study in finished.studies:
        several = len(finished.studies) > 1
        files |= write_study(study, folder / study.name if several else folder).files
    return files | write_files(_contents(finished), folder)


def _contents(finished: Finished) -> dict[str, bytes]:
    result = finished.result
    contents = {FILE: result_json(result).encode()}
    ours, notes = values([result]), warnings([result])
    for table in result.tables:
        shown = layout(table, result.replacements, result.dataset)
        if shown.lines:
            contents[f"table-{table}.csv"] = layout_csv(shown, ours).encode()
            contents[f"table-{table}.md"] = layout_markdown(shown, ours, notes).encode()
    if finished.pictures is not None:
        contents[CROPS] = crops_bytes(finished.pictures)
    return contents
