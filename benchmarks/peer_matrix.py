"""A 4 x 4 matrix of attention and embedding models, in this process: what `peers.py` measures.

"script" is the straightforward loop: for every cell it reads the images, asks the attention model,
cuts the crop, asks the embedding model and fits the head. It runs the shipped networks through
a2pipe's own backbones, so that the two differ in what is computed again and in nothing else.

Prints one JSON line: seconds, forward passes (an image or a crop through a model) and accuracies.
"""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

MODELS = tuple(f"demo_{role}_{size}" for role in ("localizer", "embedder") for size in "sm")
SIDE, CROP, INPUT = 96, 32, 48
WAYS = ("script", "a2pipe")
FIELDS = ("path", "label", "group", "split")


@dataclass(frozen=True)
class Table:
    """Images with their labels, and which are for training."""

    paths: list[Path]
    labels: Any
    train: Any


def write_table(folder: Path, samples: int) -> Path:
    """The manifest of the demo's first samples, spread over splits and groups, and their images."""
    from a2pipe.datasets.registry import load

    found = load("demo-01", workspace=folder).limit(samples)
    names = (found.class_names, found.group_names)
    path = folder / "manifest.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(FIELDS)
        for image, label, group, split in zip(
            found.paths, found.labels, found.groups, found.splits, strict=True
        ):
            writer.writerow((image, names[0][label], names[1][group], split))
    return path


def read_table(path: Path) -> Table:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    labels = np.array([row["label"] for row in rows])
    return Table([Path(row["path"]) for row in rows], labels, _trains(rows))


def _trains(rows: list[dict[str, str]]) -> Any:
    return np.array([row["split"] == "train" for row in rows])


def experiment(table: Path, cores: int, models: tuple[str, ...] = MODELS) -> dict[str, Any]:
    """The same matrix as an experiment of a2pipe."""
    return {
        "name": "matrix",
        "dataset": {"name": str(table)},
        "image": {"size": SIDE},
        "attention": {"models": list(models)},
        "crops": {"sizes": [CROP]},
        "embedding": {"models": list(models), "input_size": INPUT},
        "run": {"workers": cores, "device": "cpu"},
    }


def run_ours(path: Path, cache: Path, cores: int, models: tuple[str, ...]) -> dict[str, Any]:
    """Forward passes as the run's own record has them; none was needed where there is no record."""
    import a2pipe

    before = set(cache.glob("runs/*.json"))
    matrix = a2pipe.build_matrix(experiment(path, cores, models), cache=cache, quiet=True)
    (record,) = set(cache.glob("runs/*.json")) - before
    of_key = {row.key: row.label.split(",")[0] for row in matrix.rows}
    return {
        "forward_passes": json.loads(record.read_text())["forward_passes_total"],
        "accuracies": {f"{of_key[c.row]} {c.column}": c.accuracy for c in matrix.cells},
    }


def run_script(path: Path, models: tuple[str, ...]) -> dict[str, Any]:
    """Every cell on its own; only the networks are kept."""
    from a2pipe.models.backbone import load_backbone

    table = read_table(path)
    loaded = {name: load_backbone(name, device="cpu") for name in models}
    accuracies = {
        f"{looking} {seeing}": tested(embedded(table.paths, localizer, embedder), table)
        for looking, localizer in loaded.items()
        for seeing, embedder in loaded.items()
    }
    passes = sum(backbone.forward_passes for backbone in loaded.values())
    return {"forward_passes": passes, "accuracies": accuracies}


def embedded(paths: list[Path], localizer: Any, embedder: Any, batch: int = 64) -> Any:
    """The embedding of each image's most attended square, (n, d)."""
    import torch
    from peer_crops import cut, most_attended

    found = []
    for start in range(0, len(paths), batch):
        images = torch.from_numpy(np.stack([pixels(p) for p in paths[start : start + batch]]))
        rows = torch.from_numpy(localizer.attention(images, [localizer.info.blocks])[:, 0])
        corners = most_attended(rows, localizer.info.prefix_tokens, SIDE, CROP)
        found.append(embedder.embed(cut(images, corners, CROP, INPUT)))
    return np.concatenate(found)


def pixels(path: Path) -> Any:
    """Float (3, side, side) in [0, 1]."""
    with Image.open(path) as image:
        square = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(square, np.float32).transpose(2, 0, 1) / 255


def tested(features: Any, table: Table) -> float:
    """Accuracy of logistic regression on what is not for training."""
    from sklearn.linear_model import LogisticRegression

    head = LogisticRegression(max_iter=10_000)
    head.fit(features[table.train], table.labels[table.train])
    return float(head.score(features[~table.train], table.labels[~table.train]))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="a2pipe's cache")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--models", nargs="+", default=MODELS)
    options = parser.parse_args()
    from peer_jobs import imported, stopwatch, use_cores

    use_cores(options.cores)
    imported("a2pipe.models.backbone a2pipe.pipeline.api sklearn.linear_model zarr", options.cores)
    spent, models = stopwatch(), tuple(options.models)
    if options.way == "script":
        said = run_script(options.table, models)
    else:
        said = run_ours(options.table, options.out, options.cores, models)
    print(json.dumps({**spent(), **said}))


if __name__ == "__main__":
    main()
