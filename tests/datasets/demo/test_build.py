"""The demo collections as they lie on disk."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from a2pipe.datasets.demo import build as demo
from a2pipe.datasets.demo import source as demo_source
from a2pipe.datasets.demo.build import DEMO_NAMES, build_demo, demo_recipe
from a2pipe.errors import UsageError


def small(
    folder: Path, name: str = "demo-01", seed: int = 0, spurious: float = 0.95
) -> pd.DataFrame:
    recipe = demo_recipe(name, seed=seed, train=80, test=40, spurious=spurious)
    return pd.read_csv(build_demo(folder, recipe))


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def agreement(table: pd.DataFrame) -> float:
    photo = table["group"].str.split(" on ").str[1].map(demo_source.PHOTOS.index)
    return float((photo == table["label"]).mean())


def test_the_manifest_lists_existing_96_pixel_images(tmp_path: Path) -> None:
    table = small(tmp_path)
    assert tuple(table.columns) == demo.COLUMNS
    assert table["image_id"].is_unique
    for path in table["path"]:
        with Image.open(tmp_path / path) as image:
            assert (image.size, image.mode) == ((96, 96), "RGB")


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    small(tmp_path / "a")
    small(tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_another_seed_gives_other_images(tmp_path: Path) -> None:
    small(tmp_path / "a")
    small(tmp_path / "b", seed=1)
    first, second = files(tmp_path / "a"), files(tmp_path / "b")
    assert not {b for p, b in first.items() if ".png" in p} & {
        b for p, b in second.items() if ".png" in p
    }


@pytest.mark.parametrize("name", DEMO_NAMES)
def test_each_split_has_all_four_groups(tmp_path: Path, name: str) -> None:
    table = small(tmp_path, name)
    assert table.groupby("split")["group"].nunique().to_dict() == {"train": 4, "test": 4}


@pytest.mark.parametrize(("name", "share"), [("demo-01", 0.95), ("demo-38-balanced", 0.5)])
def test_the_photo_agrees_with_the_class_in_the_stated_share(
    tmp_path: Path, name: str, share: float
) -> None:
    table = small(tmp_path, name)
    assert agreement(table[table["split"] == "train"]) == pytest.approx(share)
    assert agreement(table[table["split"] == "test"]) == 0.5


def test_the_full_size_collection_has_its_published_group_counts() -> None:
    recipe = demo_recipe("demo-01")
    counts = Counter((i.split, i.label, i.photo) for i in demo.demo_items(recipe))
    assert [counts["train", c, p] for c in (0, 1) for p in (0, 1)] == [712, 38, 38, 712]
    assert [counts["test", c, p] for c in (0, 1) for p in (0, 1)] == [150] * 4


def test_boxes_are_tight_on_the_glyph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grey = np.full((96, 96, 3), 0.5, np.float32)
    monkeypatch.setattr(demo, "photo_crop", lambda *_: grey)
    for row in small(tmp_path).itertuples():
        pixels = np.asarray(Image.open(tmp_path / str(row.path)), float) / 255
        distance = np.linalg.norm(pixels - 128 / 255, axis=2)
        x0, y0, x1, y1 = demo_source.tight_box((distance / distance.max()).astype(np.float32))
        assert np.abs(np.array([x0, y0, x1, y1]) - [row.x0, row.y0, row.x1, row.y1]).max() <= 1


def test_only_evaluation_digits_of_the_right_split_are_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = demo_recipe("demo-01", split_seed=5, train=60, test=40)
    drawn: list[set[int]] = []
    monkeypatch.setattr(
        demo, "_draw_digit", lambda instances, *_: drawn.append(set(instances.tolist())) or SOLID
    )
    splits = [item.split for item, _ in demo.render(recipe)]
    split = demo_source.split_digits(5)
    allowed = {"train": set(split.train.tolist()), "test": set(split.test.tolist())}
    assert drawn == [allowed[name] for name in splits]
    assert not set.union(*drawn) & set(demo_source.pretrain_digits().tolist())


def test_only_left_photo_halves_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    halves: list[str] = []
    original = demo_source.photo_half
    monkeypatch.setattr(
        demo_source, "photo_half", lambda photo, half: halves.append(half) or original(photo, half)
    )
    list(demo.render(demo_recipe("demo-01", split_seed=0, train=8, test=4)))
    assert halves == ["left"] * 12


def test_a_finished_collection_is_returned_untouched(tmp_path: Path) -> None:
    small(tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    small(tmp_path)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_a_build_cut_short_leaves_no_manifest_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(demo, "replace_file", interrupt)
        with pytest.raises(KeyboardInterrupt):
            small(tmp_path / "cut")
    assert not (tmp_path / "cut" / "manifest.csv").exists()
    small(tmp_path / "cut")
    small(tmp_path / "whole")
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


def test_a_lost_image_is_rendered_again(tmp_path: Path) -> None:
    lost = tmp_path / str(small(tmp_path)["path"][7])
    content = lost.read_bytes()
    lost.unlink()
    small(tmp_path)
    assert lost.read_bytes() == content


def test_another_recipe_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    small(tmp_path)
    with pytest.raises(UsageError, match="another collection"):
        small(tmp_path, seed=1)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match="demo-38-balanced"):
        demo_recipe("demo-99")


SOLID = np.ones((32, 32), np.float32)
