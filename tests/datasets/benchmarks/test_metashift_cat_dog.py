"""MetaShift Cat vs Dog: the script's unmixed output, and a manifest built by its rule."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.cli import cli
from a2pipe.datasets.benchmarks.metashift_cat_dog import FACTS, GROUPS, unmixed_pairs
from a2pipe.datasets.benchmarks.metashift_subsets import Subsets
from a2pipe.datasets.collection import Collection
from a2pipe.datasets.registry import load
from a2pipe.errors import UsageError

Write = Callable[..., Path]
NAME = "metashift-cat-dog"
FOLDERS = {
    "train/cat/cat(indoor)": "cat indoor",
    "train/dog/dog(outdoor)": "dog outdoor",
    "test/cat/cat(outdoor)": "cat outdoor",
    "test/dog/dog(indoor)": "dog indoor",
}


def rows(found: Collection) -> list[tuple[str, str, str, str]]:
    """Split, class, group and image id of each sample."""
    return [
        (split, found.class_names[label], found.group_names[group], image_id)
        for split, label, group, image_id in zip(
            found.splits.tolist(), found.labels, found.groups, found.image_ids, strict=True
        )
    ]


@pytest.mark.parametrize("nested", [True, False])
def test_the_scripts_output(write: Write, tmp_path: Path, nested: bool) -> None:
    for number, folder in enumerate(FOLDERS):
        place = folder if nested else str(Path(folder).parent)
        write(f"data/{place}/{20 + number}.jpg")
        write(f"data/{place}/{10 + number}.jpg")
    found = load(NAME, tmp_path / "data")
    assert rows(found) == [
        ("train", "cat", "cat indoor", "10"),
        ("train", "cat", "cat indoor", "20"),
        ("train", "dog", "dog outdoor", "11"),
        ("train", "dog", "dog outdoor", "21"),
        ("test", "cat", "cat outdoor", "12"),
        ("test", "cat", "cat outdoor", "22"),
        ("test", "dog", "dog indoor", "13"),
        ("test", "dog", "dog indoor", "23"),
    ]
    assert (found.class_names, found.group_names) == (("cat", "dog"), GROUPS)
    assert found.unreadable == {}


def test_the_mixed_output_is_refused(write: Write, tmp_path: Path) -> None:
    for folder in ("train/cat", "train/dog", "val_out_of_domain/cat", "val_out_of_domain/dog"):
        write(f"mixed/{folder}/1.jpg")
    with pytest.raises(UsageError, match="holds val_out_of_domain, as the mixed output"):
        load(NAME, tmp_path / "mixed")


def test_another_split_is_refused(write: Write, tmp_path: Path) -> None:
    for folder in FOLDERS:
        write(f"data/{folder}/1.jpg")
    write("data/train/cat/cat(outdoor)/1.jpg")
    with pytest.raises(UsageError, match=r"holds cat\(outdoor\), but train has cats indoor only"):
        load(NAME, tmp_path / "data")


def test_missing_parts(write: Write, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give the folder it lies in"):
        load(NAME)
    with pytest.raises(UsageError, match="there is no folder"):
        load(NAME, tmp_path / "none")
    for folder in list(FOLDERS)[:3]:
        write(f"data/{folder}/1.jpg")
    with pytest.raises(UsageError, match=r"there is no .*test/dog; .*Weixin-Liang/MetaShift") as e:
        load(NAME, tmp_path / "data")
    assert FACTS.paper in str(e.value)
    (tmp_path / "data/test/dog/dog(indoor)").mkdir(parents=True)
    with pytest.raises(UsageError, match="no images in"):
        load(NAME, tmp_path / "data")


# Building

CONTEXTS = {
    "cat indoor": ("sofa", "bed"),
    "cat outdoor": ("roof",),
    "dog indoor": ("sofa",),
    "dog outdoor": ("snow", "car"),
}
TABLE = {
    "cat(sofa)": {"1", "2", "3"},
    "cat(bed)": {"3", "4", "50"},
    "cat(roof)": {"4", "5", "51"},
    "cat(dog)": {"50", "51", "52"},
    "dog(sofa)": {"6", "2", "52"},
    "dog(snow)": {"7", "5"},
    "dog(car)": {"7", "8", "1"},
    "dog(cat)": {"8"},
}


def test_the_rule_by_hand() -> None:
    """Of cat indoor {1, 2, 3, 4, 50}: 50 shows both animals, 2 and 4 are in test."""
    table = {name: frozenset(ids) for name, ids in TABLE.items()}
    pairs = unmixed_pairs(Subsets(Path("table.pkl"), table), CONTEXTS)
    found = {group: [p.image_id for p in pairs if p.group == group] for group in GROUPS}
    assert found == {
        "cat indoor": ["1", "3"],
        "dog outdoor": ["1", "7", "8"],
        "cat outdoor": ["4", "5"],
        "dog indoor": ["2", "6"],
    }
    assert {(p.split, p.group) for p in pairs} == {
        ("train", "cat indoor"),
        ("train", "dog outdoor"),
        ("test", "cat outdoor"),
        ("test", "dog indoor"),
    }


@given(
    table=st.fixed_dictionaries(
        {name: st.frozensets(st.integers(0, 20).map(str)) for name in TABLE}
    )
)
def test_train_and_test_share_nothing(table: dict[str, frozenset[str]]) -> None:
    """Against the order in which the script takes images away: both animals first, test, train."""
    pairs = unmixed_pairs(Subsets(Path("table.pkl"), table), CONTEXTS)
    both = table["cat(dog)"]
    test_cat, test_dog = table["cat(roof)"] - both, table["dog(sofa)"] - both
    exclude = test_cat | test_dog | both
    assert {p.image_id for p in pairs if p.split == "test"} == test_cat | test_dog
    for group, names in (
        ("cat indoor", ("cat(sofa)", "cat(bed)")),
        ("dog outdoor", ("dog(snow)", "dog(car)")),
    ):
        expected = {image for name in names for image in table[name] - exclude}
        assert {p.image_id for p in pairs if p.group == group} == expected


@pytest.fixture
def command(tmp_path: Path, write: Write) -> list[str]:
    (tmp_path / "table.pkl").write_bytes(pickle.dumps(TABLE, 2))
    lines = [f'"{group}" = {list(names)}' for group, names in CONTEXTS.items()]
    (tmp_path / "contexts.toml").write_text("\n".join(lines))
    for number in range(1, 9):
        write(f"gqa/{number}.jpg")
    given = {"subsets": "table.pkl", "contexts": "contexts.toml", "images": "gqa", "out": "out"}
    paths = [part for key, name in given.items() for part in (f"--{key}", str(tmp_path / name))]
    return ["datasets", "build", NAME, *paths]


def test_a_build_is_loaded_by_name(command: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    assert [line.split() for line in done.stdout.splitlines()[2:]] == [
        ["train", "cat", "indoor", "2"],
        ["train", "dog", "outdoor", "3"],
        ["test", "cat", "outdoor", "2"],
        ["test", "dog", "indoor", "2"],
    ]
    found = load(NAME, tmp_path / "out")
    assert rows(found)[:3] == [
        ("train", "cat", "cat indoor", "1"),
        ("train", "cat", "cat indoor", "3"),
        ("train", "dog", "dog outdoor", "1"),
    ]
    assert found.unreadable == {}
    assert found.name == NAME


def test_unknown_context(command: list[str], tmp_path: Path) -> None:
    path = tmp_path / "contexts.toml"
    path.write_text(path.read_text().replace("roof", "rof"))
    done = CliRunner().invoke(cli, command)
    assert isinstance(done.exception, UsageError)
    assert "no subset 'cat(rof)': did you mean 'cat(roof)'" in str(done.exception)


def test_hidden_folders_are_passed_over(write: Write, tmp_path: Path) -> None:
    for folder in FOLDERS:
        write(f"data/{folder}/1.jpg")
    (tmp_path / "data" / "train" / "cat" / ".ipynb_checkpoints").mkdir()
    assert len(load(NAME, tmp_path / "data")) == 4
