"""MetaShift Animals: halves of contexts, and the manifest built of them."""

import json
import pickle
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from a2pipe.cli import cli
from a2pipe.datasets.benchmarks.metashift_animals import (
    CLASSES,
    FACTS,
    PUBLISHED,
    build_animals,
    counts,
    split_pairs,
)
from a2pipe.datasets.benchmarks.metashift_pairs import Pair
from a2pipe.datasets.benchmarks.metashift_subsets import Subsets
from a2pipe.datasets.registry import load
from a2pipe.errors import A2pipeError, UsageError

Write = Callable[..., Path]
IDS = st.frozensets(st.integers(0, 30).map(str), min_size=1, max_size=12)
TABLES = st.fixed_dictionaries(
    {name: st.lists(IDS, min_size=2, max_size=5) for name in CLASSES}
).map(
    lambda table: {
        f"{name}(context {number})": ids
        for name, lists in table.items()
        for number, ids in enumerate(lists)
    }
)


def subsets(table: dict[str, frozenset[str]]) -> Subsets:
    return Subsets(Path("table.pkl"), table)


def context_of(group: str) -> str:
    return group.partition("(")[2].rstrip(")")


@given(table=TABLES, seed=st.integers())
def test_halves_are_disjoint_and_whole(table: dict[str, frozenset[str]], seed: int) -> None:
    pairs = split_pairs(subsets(table), seed, 1)
    train = [pair for pair in pairs if pair.split == "train"]
    test = [pair for pair in pairs if pair.split == "test"]
    assert pairs == train + test
    assert len(set(pairs)) == len(pairs)
    assert {p.group for p in train}.isdisjoint({p.group for p in test})
    assert {p.image_id for p in train}.isdisjoint({p.image_id for p in test})
    shown = {p.image_id for p in test}
    for name in CLASSES:
        groups = [group for group in table if group.startswith(f"{name}(")]
        of_test = [g for g in groups if g in {p.group for p in test}]
        assert len(of_test) == (len(groups) + 1) // 2
        for group in groups:
            kept = table[group] if group in of_test else table[group] - shown
            assert {p.image_id for p in pairs if p.group == group} == kept
    assert all(pair.group.startswith(f"{pair.class_name}(") for pair in pairs)


@given(table=TABLES, order=st.randoms())
def test_the_order_of_the_table_is_nothing(
    table: dict[str, frozenset[str]], order: random.Random
) -> None:
    names = list(table)
    order.shuffle(names)
    shuffled = {name: table[name] for name in names}
    assert split_pairs(subsets(shuffled), 3, 1) == split_pairs(subsets(table), 3, 1)


def test_seeds_draw_every_half_alike_often() -> None:
    """Six halves of four contexts: 600 seeds give each about a hundred times."""
    table = {f"{name}({c})": frozenset({f"{name}{c}"}) for name in CLASSES for c in "abcd"}
    drawn: dict[str, int] = {}
    for seed in range(600):
        pairs = split_pairs(subsets(table), seed, 1)
        half = "".join(context_of(p.group) for p in pairs if p.group[:5] == "bear(")[:2]
        drawn[half] = drawn.get(half, 0) + 1
    assert sorted(drawn) == ["ab", "ac", "ad", "bc", "bd", "cd"]
    assert min(drawn.values()) > 60


def test_small_contexts_are_left_out() -> None:
    three = frozenset({"1", "2", "3"})
    table = {f"{name}({c})": three for name in CLASSES for c in "ab"}
    table |= {"bear(small)": frozenset({"4", "5"})}
    groups = {pair.group for pair in split_pairs(subsets(table), 0, 3)}
    assert "bear(small)" not in groups
    with pytest.raises(UsageError, match="has 0 contexts of 'bear' with at least 4 images"):
        split_pairs(subsets(table), 0, 4)


def test_counts_by_hand() -> None:
    pairs = [
        Pair("train", "bear", "bear(tree)", "1"),
        Pair("train", "bear", "bear(water)", "1"),
        Pair("train", "bird", "bird(water)", "1"),
        Pair("test", "bird", "bird(tree)", "2"),
    ]
    found = {line["what"]: (line["train"], line["test"]) for line in counts(pairs)}
    assert found == {
        **dict.fromkeys(CLASSES, (0, 0)),
        "bear": (2, 0),
        "bird": (1, 1),
        "all pairs": (3, 1),
        "groups": (3, 1),
        "contexts": (2, 1),
        "images": (1, 1),
    }


def test_published_counts_add_up() -> None:
    of_classes = np.array([PUBLISHED[name] for name in CLASSES])
    assert tuple(of_classes.sum(axis=0)) == PUBLISHED["all pairs"] == (3690, 10829)


# Building and loading


@pytest.fixture
def parts(tmp_path: Path, write: Write) -> Path:
    """A table of eight animals in three contexts of two images, and its images."""
    table = {
        f"{name}({context})": {str(100 + (3 * row + 2 * column + i) % 20) for i in range(2)}
        for row, name in enumerate(CLASSES)
        for column, context in enumerate(("grass", "tree", "water"))
    }
    (tmp_path / "table.pkl").write_bytes(pickle.dumps(table, 2))
    for number in range(100, 120):
        write(f"gqa/{number}.jpg")
    return tmp_path


def build(parts: Path, out: str = "out", seed: int = 0, force: bool = False) -> Path:
    arguments = (parts / "table.pkl", parts / "gqa", parts / out)
    return build_animals(*arguments, seed=seed, minimum=2, force=force).manifest


def test_a_build_is_loaded_by_name(parts: Path) -> None:
    manifest = build(parts)
    table = pickle.loads((parts / "table.pkl").read_bytes())
    found = load("metashift-animals", parts / "out")
    assert found.class_names == CLASSES
    assert found.unreadable == {}
    assert set(found.splits.tolist()) == {"train", "test"}
    for index in range(len(found)):
        group = found.group_names[found.groups[index]]
        assert group.startswith(found.class_names[found.labels[index]] + "(")
        assert found.image_ids[index] in table[group]
        assert Path(found.paths[index]).samefile(parts / "gqa" / f"{found.image_ids[index]}.jpg")
    assert len(found.images) < len(found)
    assert load("metashift-animals", manifest).digest == found.digest


def test_a_build_of_another_benchmark(parts: Path) -> None:
    build(parts)
    with pytest.raises(UsageError, match="has the class 'bear', which metashift-cat-dog has not"):
        load("metashift-cat-dog", parts / "out")


def test_groups_may_be_the_classes(parts: Path) -> None:
    build(parts)
    found = load("metashift-animals", parts / "out", options={"groups": "class"})
    assert found.group_names == CLASSES
    assert found.groups.tolist() == found.labels.tolist()
    with pytest.raises(UsageError, match="groups are context or class, not 'x'"):
        load("metashift-animals", parts / "out", options={"groups": "x"})


def test_same_seed_same_bytes(parts: Path) -> None:
    one, again, other = build(parts, "a"), build(parts, "b"), build(parts, "c", seed=1)
    assert one.read_bytes() == again.read_bytes() != other.read_bytes()


def test_moving_all_of_it_changes_nothing(parts: Path, tmp_path: Path) -> None:
    build(parts)
    digest = load("metashift-animals", parts / "out").digest
    (tmp_path / "new").mkdir()
    for name in ("out", "gqa"):
        (tmp_path / name).rename(tmp_path / "new" / name)
    moved = load("metashift-animals", tmp_path / "new" / "out")
    assert (moved.digest, moved.unreadable) == (digest, {})


def test_linked_folders(parts: Path) -> None:
    """`..` of a link leads elsewhere than its name suggests."""
    (parts / "deep" / "er" / "out").mkdir(parents=True)
    (parts / "out").symlink_to(parts / "deep" / "er" / "out")
    build(parts)
    assert load("metashift-animals", parts / "out").unreadable == {}


def test_paths_and_recipe_in_the_file(parts: Path) -> None:
    table = parquet.read_table(build(parts, seed=5))
    assert table.column_names == ["path", "label", "class", "group", "split", "image_id"]
    assert all(path.startswith("../gqa/1") for path in table["path"].to_pylist())
    assert json.loads(table.schema.metadata[b"a2pipe"]) == {
        "dataset": "metashift-animals",
        "seed": 5,
        "minimum": 2,
    }


def test_another_manifest_is_not_replaced_unasked(parts: Path) -> None:
    first = build(parts).read_bytes()
    assert build(parts).read_bytes() == first
    with pytest.raises(UsageError, match="--force replaces it"):
        build(parts, seed=1)
    assert build(parts, seed=1, force=True).read_bytes() != first
    assert [path.name for path in (parts / "out").iterdir()] == ["manifest.parquet"]


def test_missing_images_are_told_and_stay(parts: Path) -> None:
    (parts / "gqa" / "105.jpg").unlink()
    built = build_animals(parts / "table.pkl", parts / "gqa", parts / "out", minimum=2)
    assert built.missing == ("105",)
    assert built.report().endswith(
        "; 1 image is not in the folder, such as 105.jpg, and will be listed as bad"
    )
    found = load("metashift-animals", parts / "out")
    assert {Path(path).name for path in found.unreadable} == {"105.jpg"}


def test_folders_that_do_not_serve(parts: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    table, gqa = parts / "table.pkl", parts / "gqa"
    with pytest.raises(UsageError, match=r"has none of the \d+ images, such as 10\d.jpg"):
        build_animals(table, tmp_path / "empty", tmp_path / "out", minimum=2)
    with pytest.raises(UsageError, match="There is no folder"):
        build_animals(table, tmp_path / "none", tmp_path / "out", minimum=2)
    with pytest.raises(A2pipeError, match="choose another --out"):
        build_animals(table, gqa, tmp_path / "file", minimum=2)


def test_what_was_not_built(tmp_path: Path) -> None:
    for root in (None, tmp_path, tmp_path / "none"):
        with pytest.raises(UsageError, match="build it with a2pipe datasets build") as caught:
            load("metashift-animals", root)
        assert FACTS.paper in str(caught.value)


def test_the_command_prints_both_counts(parts: Path) -> None:
    paths = ["--subsets", parts / "table.pkl", "--images", parts / "gqa", "--out", parts / "out"]
    command = ["datasets", "build", "metashift-animals", *map(str, paths), "--minimum", "2"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    assert done.stderr == f"wrote {parts / 'out' / 'manifest.parquet'}\n"
    zebra = next(line.split() for line in done.stdout.splitlines() if line.startswith("zebra"))
    assert (zebra[2], zebra[3:]) == ("57", ["4", "2,230"])
    lines = json.loads(CliRunner().invoke(cli, [*command, "--json"]).stdout)
    assert [line["what"] for line in lines] == list(PUBLISHED)
