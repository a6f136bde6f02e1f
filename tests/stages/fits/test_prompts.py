"""Prompts and class names, by hand and as the paper prints them."""

from dataclasses import replace

import numpy as np
import pytest

from a2pipe.datasets.benchmarks import (
    celeba,
    metashift_animals,
    metashift_cat_dog,
    spawrious,
    waterbirds,
)
from a2pipe.datasets.collection import NO_BOXES, Collection
from a2pipe.errors import UsageError
from a2pipe.heads.zero_shot import TEMPLATE
from a2pipe.stages.fits.prompts import prompt_names, prompts


def of(*class_names: str, name: str = "photos") -> Collection:
    """One sample of a dataset with these classes."""
    return Collection(
        name=name,
        paths=("/0.png",),
        labels=np.zeros(1, np.int64),
        class_names=class_names,
        groups=np.full(1, -1),
        group_names=(),
        splits=np.array(["train"]),
        boxes=(NO_BOXES,),
        image_ids=("0",),
        digests=(f"{0:032x}",),
        sizes=np.full((1, 2), 8),
        unreadable={},
    )


# Table 32 of the A² paper, without the full stop that section 3.2 does not print either.
PAPER = {
    "waterbirds": (waterbirds.CLASSES, ["a photo of a landbird", "a photo of a waterbird"]),
    "metashift-cat-dog": (metashift_cat_dog.CLASSES, ["a photo of a cat", "a photo of a dog"]),
    "spawrious-o2o-hard": (
        spawrious.CLASSES,
        [f"a photo of a {breed}" for breed in ("bulldog", "corgi", "dachshund", "labrador")],
    ),
    "metashift-animals": (
        metashift_animals.CLASSES,
        [
            "a photo of a bear",
            "a photo of a bird",
            "a photo of a cow",
            "a photo of a elephant",
            "a photo of a giraffe",
            "a photo of a horse",
            "a photo of a sheep",
            "a photo of a zebra",
        ],
    ),
}


@pytest.mark.parametrize("dataset", PAPER)
def test_the_benchmarks_have_the_papers_prompts(dataset):
    classes, expected = PAPER[dataset]
    names = prompt_names(of(*classes, name=dataset))
    assert [prompts([TEMPLATE], name) for name in names] == [(prompt,) for prompt in expected]


def test_celeba_has_names_that_are_nouns():
    names = prompt_names(of(*celeba.CLASSES, name="celeba"))
    assert celeba.CLASSES == ("non-blond", "blond")
    assert names == ("person with dark hair", "person with blond hair")


def test_underscores_of_folder_names_are_spaces():
    assert prompt_names(of("polar_bear", "brown bear")) == ("polar bear", "brown bear")


def test_given_names_win():
    collection = of("landbird", "waterbird", name="waterbirds")
    assert prompt_names(collection, ["sparrow", "gull"]) == ("sparrow", "gull")
    assert prompt_names(of("0", "1"), ["cat", "dog"]) == ("cat", "dog")


def test_every_template_is_filled_and_nothing_else_changes():
    templates = ["a photo of a {}", "{} in the wild.", "A {}!"]
    assert prompts(templates, "emu") == ("a photo of a emu", "emu in the wild.", "A emu!")


@pytest.mark.parametrize(
    ("classes", "given", "sentence"),
    [
        (("cat", "dog"), ["cat"], r"1 class names \(cat\) and photos has 2 classes \(cat, dog\)"),
        (("cat", "dog"), ["pet", "pet"], "one prompt, being called 'pet'"),
        (("red_fox", "red fox"), None, "one prompt, being called 'red fox'"),
        (("0", "1"), None, r"numbers \(0, 1\), which no prompt .* class_names"),
    ],
)
def test_names_that_no_prompts_can_be_made_of_are_refused(classes, given, sentence):
    with pytest.raises(UsageError, match=sentence):
        prompt_names(of(*classes), given)


def test_another_dataset_with_those_classes_is_read_out_as_it_is():
    assert prompt_names(replace(of("non-blond", "blond"))) == ("non-blond", "blond")
