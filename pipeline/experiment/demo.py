"""The demo experiment and the file that `a2pipe experiment new` writes."""

from pathlib import Path
from typing import Any

from ...errors import UsageError
from .load import load_experiment
from .schema import Experiment
from .toml import toml_value

NO_EVIDENCE = (
    "It shows that the pipeline works; two photographs are no evidence about natural images."
)
SPURIOUS = (
    "What this is: handwritten digits (scikit-learn's) pasted on two photographs, 95 % of the "
    f"training digits on the photograph of their class. {NO_EVIDENCE}"
)
BALANCED = (
    "What this is: the control of the demo. Handwritten digits (scikit-learn's) pasted on two "
    f"photographs, in training too without regard to their class. {NO_EVIDENCE}"
)
MODELS = (
    "The small backbones that ship were trained on synthetic pastes of other digits on other parts "
    "of the photographs, so that a background can mislead the embedders; they are not published "
    "models. A randomly initialised localiser is shown as a control."
)
ZOOM = (
    "Part of the gain of cropping is zoom, not the removal of the background: compare the matrices "
    "of spurious and of balanced training data (a2pipe demo, a2pipe demo --balanced)."
)


def demo_experiment(
    digits: str = "01", *, balanced: bool = False, seed: int = 0, run: dict[str, Any] | None = None
) -> Experiment:
    """Return the demo: models that ship with the package, on a dataset that does too.

    Images are 96 px, crops 32 px.

    digits: "01" or "38", the two digits. balanced: whether training images are without the spurious
    correlation. seed: of the composition of images. run: values of the experiment's [run] section.
    """
    name = f"demo-{digits}{'-balanced' if balanced else ''}"
    return load_experiment(
        {
            "name": name if seed == 0 else f"{name}-seed{seed}",
            "notes": (BALANCED if balanced else SPURIOUS, MODELS, ZOOM),
            "dataset": {"name": name, "options": {"seed": seed}},
            "image": {"size": 96},
            "attention": {
                "models": ["demo_localizer_s", "demo_localizer_m", "demo_localizer_s_random"]
            },
            "crops": {"sizes": [32], "smooth": [1, 3]},
            "embedding": {
                "models": ["demo_embedder_s", "demo_embedder_m"],
                "baselines": ["full@96", "center:32", "random"],
                "input_size": 48,
            },
            "run": run or {},
        }
    )


TEMPLATE = """\
# An a2pipe experiment. What is left out has a default; `a2pipe experiment show FILE` prints all.
name = {name}

[dataset]
name = {dataset}                      # a folder, a manifest, or a registered name (a2pipe datasets)

[attention]
models = ["dinov2_vits14_reg"]       # where to look
layers = "last"                      # or "all", or block numbers such as [11, 12]

[crops]
sizes = [64, 32]                     # pixels of the 224 px image; [[64], [64, 32]] for two lists

[embedding]
models = ["dinov2_vits14_reg", "dinov2_vitb14_reg"]      # what to extract
baselines = ["full", "center:128", "random"]

[[head]]
kind = "logistic"
"""


def new_experiment(path: Path, dataset: str) -> None:
    """Write a commented experiment file to start from.

    path: of the file; its stem names the experiment. dataset: a name or a path.

    Raises:
        UsageError: there is a file already, or none can be written there.
    """
    content = TEMPLATE.format(name=toml_value(path.stem), dataset=toml_value(dataset))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError as error:
        raise UsageError(f"{path} exists already; choose another name or delete it.") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{path} cannot be written ({reason}); choose another path.") from error
