"""A machine with a GPU from JPEG files to the matrix: `benchmarks/gpu_check.sh --end-to-end`.

Photographs of about 500 x 375 are written on the spot, models have random weights. What bounds a
run is measured first, each bound alone: decoding in processes, nvJPEG with resizing, upload, and
the bare `forward_features` of DINOv2 with registers with pixels on the device, in the quickest of
autocast and cast weights, eager and compiled. Beside them stand the commands themselves, in bf16
on CUDA: `extract-attn`, with and without `--decode nvjpeg` if the command has it; `build-matrix`
S, L x S, L with crops [64, 32]; and the paper's Table 13, S, B, L, g x S, B, L, g with one crop of
64 px on 11,788 images, of which the standard set computes a part and extrapolates the hours.

The JSON in benchmarks/results is written after each part, so that a run that is cut keeps what it
has. A part that would go beyond `--budget` seconds (480) is left out and named; so are parts that
fail, with the reason. `--dry-run` does everything on the CPU, with the demo's models.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gpu_bounds
import timm
import torch
from gpu_bounds import CAST
from gpu_check import PRECISIONS, RESULTS, SIZES, machine
from photos import place, write_many
from safetensors.torch import save_file

from a2pipe.machine import cores
from a2pipe.models.backbone import Backbone, load_backbone

NAMES = {letter: f"dinov2_vit{letter.lower()}14_reg" for letter in SIZES}
DEMO = dict(
    zip(SIZES, (f"demo_{x}_{y}" for x in ("localizer", "embedder") for y in "sm"), strict=True)
)
NATIVE = 518
PROCESSES, NVJPEG = "decode in processes", "nvJPEG with resizing"
COMMAND = [sys.executable, "-c", "from a2pipe.cli import main; main()"]


@dataclass
class Check:
    """A check is what the parts share: the settings, the folder and what was found so far.

    report: what becomes the JSON. forward: the quickest bare forward pass by the letter of a model.
    """

    options: argparse.Namespace
    folder: Path
    out: Path
    report: dict[str, Any]
    began: float = field(default_factory=time.perf_counter)
    forward: dict[str, float] = field(default_factory=dict)

    def part(self, name: str, seconds: float, work: Callable[[], Any]) -> None:
        """Do a part and write the report; leave it out if it will take longer than is left.

        seconds: what it takes on an H100 with 16 cores.
        """
        if self.options.only and name not in self.options.only:
            return
        start = time.perf_counter()
        left = self.options.budget - (start - self.began)
        if seconds > left:
            found: Any = {"left out": f"it takes some {seconds:.0f} s, and {left:.0f} s are left"}
        else:
            try:
                found = work()
            except Exception as error:
                found = {"failed": f"{type(error).__name__}: {error}"}
                traceback.print_exc()
            self.report["seconds_of_parts"][name] = round(time.perf_counter() - start, 1)
        self.report["parts"][name] = found
        print(f"{name}: {json.dumps(found)}", file=sys.stderr, flush=True)
        self.write()

    def write(self) -> None:
        """Write the report in place of the one before."""
        new = self.out.with_suffix(".tmp")
        new.write_text(json.dumps(self.report, indent=2) + "\n")
        new.replace(self.out)

    def name(self, letter: str) -> str:
        """The model of a letter."""
        return (DEMO if self.options.dry_run else NAMES)[letter]

    def weights(self, letters: Sequence[str]) -> list[str]:
        """The flags that name the files of random weights."""
        if self.options.dry_run:
            return []
        files = [f"{self.name(each)}={self.file(each)}" for each in letters]
        return [word for file in files for word in ("--weights", file)]

    def file(self, letter: str) -> Path:
        return self.folder / f"{self.name(letter)}.safetensors"

    def load(self, letter: str, precision: str) -> Backbone:
        """A model on the device."""
        file = None if self.options.dry_run else self.file(letter)
        return load_backbone(
            self.name(letter), weights=file, device=self.options.device, precision=precision
        )


def write_weights(check: Check, letters: Sequence[str]) -> dict[str, float]:
    """Random weights in timm's names; gigabytes by model."""
    sizes = {}
    for letter in letters:
        with torch.device("meta"):
            outline = timm.create_model(SIZES[letter], img_size=NATIVE, num_classes=0)
        generator = torch.Generator(check.options.device).manual_seed(0)
        tensors = {
            name: drawn(name, each.shape, generator).cpu()
            for name, each in outline.state_dict().items()
        }
        save_file(tensors, check.file(letter))
        sizes[check.name(letter)] = round(check.file(letter).stat().st_size / 1e9, 2)
    return sizes


def drawn(name: str, shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """Weights under which numbers stay of the size that they have in trained networks."""
    if name.endswith(("norm1.weight", "norm2.weight", "norm.weight", "gamma")):
        return torch.full(shape, 0.5 if name.endswith("gamma") else 1.0)
    if len(shape) < 2:
        return torch.zeros(shape)
    scale = 0.02 if name.endswith(("_token", "pos_embed")) else 1 / math.sqrt(shape[1:].numel())
    return scale * torch.randn(shape, generator=generator, device=generator.device)


def forward(check: Check, letter: str, compiled: Sequence[str] = ()) -> dict[str, Any]:
    """The bare forward pass and what the pipeline runs in its place, pixels on the device.

    compiled: the ways that are also compiled, which takes long for large models.
    """
    options = check.options
    exact = check.load(letter, "fp32")
    images = exact.images_a_pass(options.side)
    plain = gpu_bounds.forward(exact, options, compiled if options.compile else ())
    del exact
    check.forward[letter] = max(plain.values())
    model = check.load(letter, options.precision)
    ours = gpu_bounds.ours(model, options)
    eager = max(speed for way, speed in plain.items() if way.startswith("eager"))
    return {
        "images_a_pass": images,
        "forward_features": plain,
        "eager": ours,
        "eager_times_eager_forward": {w: round(s / eager, 3) for w, s in ours.items()},
    }


def command(check: Check, *words: str) -> dict[str, Any]:
    """Run a command of a2pipe to its end: its seconds, and what its record says.

    Its cache has no rows; but from the second command on, the digests of images and weights.
    """
    options, cache, index = check.options, check.folder / "cache", check.folder / "index"
    shutil.rmtree(cache, ignore_errors=True)
    if index.exists():
        shutil.copytree(index, cache / "index")
    settings = ("--dataset", str(check.folder / "photos"), "--cache", str(cache), "--json")
    size = ("--image-size", str(options.side), "--device", options.device)
    start = time.perf_counter()
    done = subprocess.run(
        [*COMMAND, *words, *settings, *size], capture_output=True, text=True, cwd=check.folder
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-1000:])
    shutil.copytree(cache / "index", index, dirs_exist_ok=True)
    record = json.loads(max((cache / "runs").glob("*.json")).read_text())
    throughput = record["throughput"]
    return {
        "command": " ".join(words),
        "images": throughput["images"],
        "images_per_second": throughput["images_per_second"],
        "shares": {key[6:]: x for key, x in throughput.items() if key.startswith("share_")},
        "advice": throughput["advice"],
        "forward_passes": record["forward_passes"],
        "seconds": round(seconds, 1),
        "seconds_of_images": throughput["seconds"],
        "seconds_of_heads": record["seconds"].get("heads", 0.0),
        "images_per_second_with_start": round(throughput["images"] / seconds, 1),
    }


def beside(check: Check, run: dict[str, Any], decode: str) -> None:
    """Add to a run what its passes and the decoding of its images allow.

    decode: the part that has the rates of decoding.
    """
    letters = {check.name(letter): letter for letter in SIZES}
    passes = run["forward_passes"]
    if all(letters[name] in check.forward for name in passes):
        spent = sum(count / check.forward[letters[name]] for name, count in passes.items())
        run["passes_allow"] = round(run["images"] / spent, 1)
        bounds = [run["passes_allow"]]
        rates = [x for x in check.report["parts"].get(decode, {}).values() if isinstance(x, float)]
        if rates:
            run["decoding_allows"] = max(rates)
            bounds.append(run["decoding_allows"])
        run["share"] = round(run["images_per_second"] / min(bounds), 3)


def extract(check: Check, letter: str, *more: str, precision: str = "") -> dict[str, Any]:
    """`extract-attn` of one model."""
    words = ["extract-attn", "--model", check.name(letter), *check.weights(letter)]
    precision = precision or check.options.precision
    run = command(check, *words, "--precision", precision, *limit(check.options.images), *more)
    beside(check, run, NVJPEG if "nvjpeg" in more else PROCESSES)
    return run


def limit(images: int) -> tuple[str, str]:
    return "--limit", str(images)


def matrix(check: Check, letters: str, crops: str, images: int) -> dict[str, Any]:
    """`build-matrix` of some models by the same ones."""
    names = [check.name(letter) for letter in letters]
    roles = ("--attention-model", "--embedding-model")
    words = [word for role in roles for name in names for word in (role, name)]
    words += [*check.weights(letters), "--crop-sizes", crops, "--head", "logistic", *limit(images)]
    out = ("--out", str(check.folder / f"matrix {letters} {images}"))
    run = command(check, "build-matrix", *words, "--precision", check.options.precision, *out)
    beside(check, run, PROCESSES)
    return run


def table_13(check: Check, images: int) -> dict[str, Any]:
    """The matrix of four models by four on so many images, and what all would take."""
    run = matrix(check, "".join(SIZES), str(check.options.crop), images)
    times = check.options.full / images
    start = run["seconds"] - run["seconds_of_images"] - run["seconds_of_heads"]
    spent = start + times * (run["seconds_of_images"] + run["seconds_of_heads"])
    return {**run, "hours_of_all": round(spent / 3600, 3), "all": check.options.full}


def parts(check: Check) -> None:
    """Every part, those first by which a machine is judged."""
    options, folder = check.options, check.folder / "photos"
    real, paths = not options.dry_run, photographs(options, folder)
    crops = f"{options.crop},{options.crop // 2}"
    counts = sorted({max(1, cores() - 1), cores()})
    # Compiling a large model takes a minute, for which the standard set has no time.
    large = (CAST,) if options.budget == math.inf else ()
    check.part("photographs", 15, lambda: len(write_many(folder, options.images)))
    check.part(PROCESSES, 15, lambda: gpu_bounds.decoding(paths, counts))
    check.part("upload", 5, lambda: gpu_bounds.upload(options))
    if real:
        check.part("weights, S and L", 10, lambda: write_weights(check, ["S", "L"]))
    check.part("forward, S", 40, lambda: forward(check, "S", (CAST,)))
    check.part("extract-attn, S", 20, lambda: extract(check, "S"))
    check.part(NVJPEG, 5, lambda: gpu_bounds.on_device(paths, options))
    if options.nvjpeg:
        check.part("extract-attn, S, nvjpeg", 20, lambda: extract(check, "S", "--decode", "nvjpeg"))
    check.part("forward, L", 25, lambda: forward(check, "L", large))
    check.part("build-matrix, S and L", 55, lambda: matrix(check, "SL", crops, options.images))
    if real:
        check.part("weights, B and g", 25, lambda: write_weights(check, ["B", "g"]))
    check.part("forward, B", 15, lambda: forward(check, "B"))
    check.part("forward, g", 35, lambda: forward(check, "g", large))
    check.part("Table 13, a part", 70, lambda: table_13(check, options.part))
    check.part("extract-attn, L", 20, lambda: extract(check, "L"))
    check.part("extract-attn, g", 40, lambda: extract(check, "g"))
    check.part("extract-attn, S, fp32", 25, lambda: extract(check, "S", precision="fp32"))
    if options.compile:
        check.part("extract-attn, S, compiled", 45, lambda: extract(check, "S", "--compile"))
    if options.full_table:
        check.part("photographs of Table 13", 20, lambda: len(write_many(folder, options.full)))
        check.part("Table 13", 600, lambda: table_13(check, options.full))


def photographs(options: argparse.Namespace, folder: Path) -> list[Path]:
    """Where the photographs will be."""
    return [place(folder, number) for number in range(options.images)]


def arguments() -> argparse.Namespace:
    """What to measure, and on what."""
    parser = argparse.ArgumentParser(description="Measure a machine with a GPU end to end.")
    parser.add_argument("only", nargs="*", metavar="PART", help="parts to do, by name; else all")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", choices=PRECISIONS, default="bf16")
    parser.add_argument("--images", type=int, default=8192)
    parser.add_argument(
        "--part", type=int, default=1024, help="images of Table 13 that are computed"
    )
    parser.add_argument("--full", type=int, default=11_788, help="images of the whole Table 13")
    parser.add_argument("--full-table", action="store_true", help="compute the whole Table 13 too")
    parser.add_argument("--budget", type=float, default=480.0, help="seconds for all parts")
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    parser.add_argument("--dry-run", action="store_true", help="on the CPU, with the demo's models")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON")
    options = parser.parse_args()
    options.side, options.crop, options.round = 224, 64, 0.7
    if options.dry_run:
        tiny = {"device": "cpu", "precision": "fp32", "images": 24, "part": 12, "full": 24}
        vars(options).update(tiny, side=48, crop=16, round=0.01, compile=False)
    elif options.full_table:
        options.budget = math.inf
    options.nvjpeg = torch.device(options.device).type == "cuda" and decodes_on_device()
    return options


def decodes_on_device() -> bool:
    """Whether the command can decode on the GPU."""
    done = subprocess.run([*COMMAND, "extract-attn", "--help"], capture_output=True, text=True)
    return "--decode" in done.stdout


def main() -> int:
    """Measure part after part; 1 if one failed."""
    options = arguments()
    about = {**machine(options.device), "cores": str(cores())}
    day = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d")
    name = "".join(c if c.isalnum() else "-" for c in about["device"]).lower()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"gpu_end_to_end-{name}-{day}.json"
    report = {"machine": about, "command": sys.argv[1:], "seconds_of_parts": {}, "parts": {}}
    with tempfile.TemporaryDirectory() as folder:
        check = Check(options, Path(folder), path, report)
        parts(check)
    failed = [what for what, found in report["parts"].items() if "failed" in str(found)[:12]]
    print(f"wrote {path}; " + (f"FAILED: {', '.join(failed)}" if failed else "all parts are done"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
