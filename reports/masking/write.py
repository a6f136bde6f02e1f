"""Write masking probes to a folder: JSON, CSV and the plot, each complete or absent."""

from pathlib import Path

from ..write import write_files
from .plot import probe_plot
from .probe import PROBE_FILE, MaskingProbe, probe_csv


def write_probe(probe: MaskingProbe, folder: Path) -> dict[str, Path]:
    """Write masking.json, masking.csv and masking.png, and return their paths by name.

    Raises A2pipeError when the folder cannot be written.
    """
    tables = {
        "masking.json": PROBE_FILE.text(probe).encode(),
        "masking.csv": probe_csv(probe).encode(),
    }
    # Before the plot, so that the numbers are there even if it cannot be drawn.
    files = write_files(tables, folder)
    return {**files, **write_files({"masking.png": probe_plot(probe)}, folder)}
