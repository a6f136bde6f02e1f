"""Nothing goes that a named experiment refers to, and nothing goes unshown."""

import os
import time

import pytest

from a2pipe.cache.artifact import Artifact
from a2pipe.cache.catalog import Cache
from a2pipe.cache.gc import delete, gc, gc_candidates, size_of
from a2pipe.cache.records import Records
from a2pipe.cache.references import Reference, remember
from a2pipe.errors import A2pipeError
from a2pipe.files import FORMAT, temporary


def age(path, seconds=7200.0):
    """Make a path, and everything below it, look older."""
    then = time.time() - seconds
    for part in [path, *path.rglob("*")]:
        os.utime(part, (then, then))


def tree(root):
    return {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_what_a_named_experiment_uses_stays(tmp_path, kit, backend):
    kept = [kit.make(tmp_path, size=size, backend=backend) for size in (1, 2, 3)]
    gone = kit.make(tmp_path, size=4, backend=backend)
    record = Records(tmp_path).write(kit.Probe(5), {}, {})
    lost = Records(tmp_path).write(kit.Probe(6), {}, {})
    uses = [kept[0].folder, kept[1].fingerprint, kept[2].folder.parent, record]
    remember(tmp_path, Reference("one"), uses)
    cache = Cache(tmp_path)
    assert {c.path for c in gc(cache)} == {gone.folder, lost}
    assert {c.path for c in gc(cache, apply=True)} == {gone.folder, lost}
    assert gc(cache) == []
    assert all(Artifact(artifact.folder).complete for artifact in kept)
    assert Records(tmp_path).read(kit.Probe(5)) is not None
    assert not gone.folder.parent.exists()
    assert not lost.with_suffix(".npz").exists()


def test_listing_deletes_nothing_and_tells_the_bytes(tmp_path, kit):
    artifact = kit.make(tmp_path)
    before = tree(tmp_path)
    (candidate,) = gc(Cache(tmp_path))
    assert tree(tmp_path) == before
    assert candidate.bytes == size_of(artifact.folder) == sum(map(len, before.values()))
    assert candidate.why == "no named experiment refers to it"


def test_only_what_was_shown_is_deleted_and_references_are_read_again(tmp_path, kit):
    cache = Cache(tmp_path)
    one, two = kit.make(tmp_path, size=1), kit.make(tmp_path, size=2)
    shown = gc_candidates(cache)
    later = kit.make(tmp_path, size=3)
    remember(tmp_path, Reference("new"), [two.folder])
    assert [c.path for c in delete(cache, shown)] == [one.folder]
    assert Artifact(two.folder).complete
    assert Artifact(later.folder).complete


def test_other_rows_of_the_same_fingerprint_stay(tmp_path, kit):
    one, two = kit.make(tmp_path, n=4), kit.make(tmp_path, n=5)
    remember(tmp_path, Reference("one"), [one.folder])
    gc(Cache(tmp_path), apply=True)
    assert one.folder.exists()
    assert not two.folder.exists()


def test_unreadable_notes_stop_the_deletion(tmp_path, kit):
    artifact = kit.make(tmp_path)
    remember(tmp_path, Reference("one"), [])
    (note,) = (tmp_path / "experiments").glob("*.json")
    kit.flip(note, 20)
    with pytest.raises(A2pipeError, match="torn or altered"):
        gc(Cache(tmp_path), apply=True)
    assert artifact.folder.exists()


def test_half_made_folders_and_strays_go_when_old(tmp_path, kit):
    half, used = kit.make(tmp_path, size=1), kit.make(tmp_path, size=2)
    remember(tmp_path, Reference("one"), [used.folder])
    (half.folder / "spec.json").unlink()
    strays = [
        temporary(used.folder / "done" / "000000.json"),
        temporary(tmp_path / "experiments" / "one.json"),
    ]
    orphan = tmp_path / "probes" / ("ab" * 16 + ".npz")
    for path in (*strays, orphan):
        path.write_text("x")
    cache = Cache(tmp_path)
    assert gc(cache) == []
    for path in (half.folder, *strays, orphan):
        age(path)
    assert {c.path for c in gc(cache, apply=True)} == {half.folder, *strays, orphan}
    assert not any(path.exists() for path in (half.folder, *strays, orphan))
    assert Artifact(used.folder).complete


def test_a_folder_that_is_being_filled_stays_until_it_is_old(tmp_path, kit, backend):
    artifact = kit.make(tmp_path, backend=backend)
    artifact.discard(1)
    assert gc(Cache(tmp_path)) == []
    age(artifact.folder)
    assert [c.path for c in gc(Cache(tmp_path), apply=True)] == [artifact.folder]


def test_a_half_made_folder_in_use_stays(tmp_path, kit):
    half = kit.make(tmp_path, done=False)
    remember(tmp_path, Reference("one"), [half.folder])
    (half.folder / "spec.json").unlink()
    age(half.folder)
    assert gc(Cache(tmp_path)) == []


def test_a_folder_of_a_newer_version_and_unknown_files_stay(tmp_path, kit):
    path = kit.make(tmp_path).folder / "spec.json"
    path.write_text(f'{{"format": {FORMAT + 1}}}')
    (tmp_path / "probes" / "README").write_text("mine")
    (tmp_path / "memo.json").write_text("{}")
    age(tmp_path)
    assert gc(Cache(tmp_path)) == []


def test_an_empty_cache_has_nothing_to_free(tmp_path):
    assert gc(Cache(tmp_path / "nowhere"), apply=True) == []


def test_what_lies_in_the_index_is_neither_listed_nor_freed(tmp_path, kit):
    """Compiled code lies there in folders whose names torch gives."""
    kit.make(tmp_path)
    code = tmp_path / "index" / "compiled" / "x86_64-0123456789ab"
    for name in ("2e/kernel.so", "fxgraph/ab/" + "ab" * 16 + "/entry", "0" * 32 + "/data.npz"):
        (code / name).parent.mkdir(parents=True)
        (code / name).write_bytes(b"code")
    age(tmp_path)
    cache = Cache(tmp_path)
    (candidate,) = gc(cache, apply=True)
    assert code not in candidate.path.parents
    assert len([path for path in code.rglob("*") if path.is_file()]) == 3
    assert cache.artifacts() == []
