"""An experiment is a small tree of sections in which everything but the dataset has a default."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from .field_types import Metric, OneOrMore, as_list
from .origin import Origin, dataset_origin
from .sections import (
    AttentionSection,
    CombineSection,
    CropsSection,
    DatasetSection,
    EmbeddingSection,
    HeadSection,
    ImageSection,
    LocalizeSection,
    MaskingSection,
    PatchesSection,
    RunSection,
    Section,
    TrainingSection,
)


class Experiment(Section):
    """A grid: attention models x crop lists x embedding models x heads on one dataset.

    name: of the results folder and of what `cache gc` keeps. combine: further rows. head: the heads
    that are fitted. metrics: what the matrix shows of each cell; worst_class is for datasets whose
    classes, not groups, matter. notes: sentences that stand in the report.
    """

    name: str = "experiment"
    dataset: DatasetSection
    image: ImageSection = ImageSection()
    attention: AttentionSection = AttentionSection()
    patches: PatchesSection = PatchesSection()
    crops: CropsSection = CropsSection()
    embedding: EmbeddingSection = EmbeddingSection()
    combine: Annotated[tuple[CombineSection, ...], BeforeValidator(as_list)] = ()
    head: Annotated[tuple[HeadSection, ...], BeforeValidator(as_list), Field(min_length=1)] = (
        HeadSection(),
    )
    metrics: OneOrMore[Metric] = ("accuracy", "wga")
    localize: LocalizeSection = LocalizeSection()
    masking: MaskingSection = MaskingSection()
    training: TrainingSection = TrainingSection()
    run: RunSection = RunSection()
    notes: tuple[str, ...] = ()
    # Private, so that it is part of no dump: records and saved heads hold none of it.
    _origin: Origin = PrivateAttr(default=Origin())

    @property
    def origin(self) -> str:
        """Return the resolved path of the file it was read from, or what stands for its dataset."""
        return self._origin.text or dataset_origin(self.dataset.name, self.dataset.root)

    def read_from(self, origin: str) -> Experiment:
        """Return the same experiment as one that was read from this file; "" for none."""
        copy = self.model_copy()
        copy._origin = Origin(origin)
        return copy

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not value or value.startswith(".") or "/" in value or "\\" in value:
            raise ValueError(f"a name is used as a file name, which {value!r} cannot be")
        return value

    @field_validator("run")
    @classmethod
    def _weights_have_a_model(cls, run: RunSection, found: ValidationInfo) -> RunSection:
        """Weights under an empty name are for the one model there is."""
        # The sections before this one are there, unless they were refused themselves.
        if "" not in run.weights or not {"attention", "embedding"} <= found.data.keys():
            return run
        attention, embedding = found.data["attention"], found.data["embedding"]
        named = dict.fromkeys((*attention.models, *embedding.models))
        models = [name for name in named if name not in run.weights]
        if len(models) != 1:
            raise ValueError(
                f"The weights {run.weights['']} could be those of "
                f"{' or '.join(models) or 'no model that is named'}; write MODEL=FILE"
            )
        weights = {name or models[0]: file for name, file in run.weights.items()}
        return run.model_copy(update={"weights": weights})

    @model_validator(mode="after")
    def _crops_fit(self) -> Experiment:
        if "sizes" in self.crops.model_fields_set and self.too_large_crop:
            raise ValueError(self.too_large_crop)
        return self

    @model_validator(mode="after")
    def _heads_differ(self) -> Experiment:
        labels = [head.label for head in self.head]
        if len(set(labels)) < len(labels):
            raise ValueError(f"Give each head its own name; these are {', '.join(labels)}")
        return self

    @model_validator(mode="after")
    def _heads_have_models(self) -> Experiment:
        for head in self.head:
            unknown = set(head.models) - set(self.embedding.models)
            if unknown:
                raise ValueError(
                    f"The head {head.label} is for {min(unknown)}, which is no embedding model of "
                    "this experiment"
                )
        return self

    @model_validator(mode="after")
    def _text_is_shared_with_cls(self) -> Experiment:
        """Refuse what `one_model` of `stages.fits` would refuse once weights are fetched."""
        for head in self.head:
            with_text = head.kind == "zero-shot" or head.parameters.get("projected") is True
            if with_text and self.embedding.pool != ("cls",):
                raise ValueError(
                    f"The head {head.label} reads what is shared with text, which are embeddings "
                    'of the CLS token alone; leave embedding.pool (--pool) at "cls"'
                )
        return self

    @property
    def embedding_input(self) -> int:
        """Return the side in pixels to which crops are resized unless a baseline says otherwise."""
        return self.embedding.input_size or self.image.size

    @property
    def too_large_crop(self) -> str:
        """Say what is wrong with the largest crop that is to be placed; "" if nothing is."""
        largest = max(size for sizes in self.crops.sizes for size in sizes)
        placed = self.attention.models or any(
            baseline.kind.needs_sizes for baseline in self.embedding.parsed_baselines
        )
        if not placed or largest <= self.image.size:
            return ""
        return (
            f"A crop of {largest} px does not fit into an image of {self.image.size} px; "
            "change crops.sizes or image.size"
        )
