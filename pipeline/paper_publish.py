"""What a preset found on a dataset, as files: the usual report, and the paper's tables."""

from __future__ import annotations

from pathlib import Path

from ..reports.paper import FILE, result_json, values, warnings
from ..reports.paper_crops import FILE as CROPS
from ..reports.paper_crops import crops_bytes
from ..reports.paper_layout import layout, layout_csv, layout_markdown
from ..reports.study_write import write_study
from ..reports.write import write_files, write_report
from .paper_run import Finished
from .publish import ABOUT_GALLERY


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
