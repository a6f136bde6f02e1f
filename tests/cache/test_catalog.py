"""Finding and making artifacts."""

import errno
import json
import os
import time

import pytest

from a2pipe.cache.artifact import Artifact
from a2pipe.cache.catalog import Cache, default_root
from a2pipe.cache.fingerprint import fingerprint
from a2pipe.cache.layout import ArrayField
from a2pipe.cache.ledger import Ledger
from a2pipe.errors import A2pipeError, DamagedError, NotCachedError
from a2pipe.files import FORMAT


def test_an_artifact_lies_at_its_address(tmp_path, kit):
    artifact = kit.make(tmp_path)
    spec = kit.Probe(64)
    where = tmp_path / "probes" / fingerprint(spec) / artifact.layout.rows_id
    assert artifact.folder == where == Cache(tmp_path).folder(spec, kit.digests(10), 4)


def test_what_was_created_is_found(tmp_path, kit, backend):
    cache, spec, images = Cache(tmp_path), kit.Probe(64), kit.digests(10)
    assert cache.find(spec, images, 4, backend) is None
    made = kit.make(tmp_path, backend=backend)
    found = cache.find(spec, images, 4, backend)
    assert found is not None
    assert found.folder == made.folder
    assert found.complete
    assert cache.find(kit.Probe(65), images, 4, backend) is None
    assert cache.find(spec, images[:9], 4, backend) is None


def test_creating_again_opens_what_is_there(tmp_path, kit, backend):
    kit.make(tmp_path, backend=backend)
    assert kit.make(tmp_path, backend=backend, done=False).complete


def test_the_header_is_for_people(tmp_path, kit):
    cache = Cache(tmp_path)
    artifact = cache.create(
        kit.Probe(64, name="small"), kit.FIELDS, kit.digests(3), notes={"device": "cpu"}
    )
    document = json.loads((artifact.folder / "spec.json").read_text())
    assert document["spec"]["name"] == "small"
    assert document["made"]["device"] == "cpu"
    assert {"numpy", "python", "host", "user", "time"} <= set(document["made"])


def test_a_half_made_folder_is_none_and_is_made_anew(tmp_path, kit, backend):
    artifact = kit.make(tmp_path, backend=backend)
    (artifact.folder / "spec.json").unlink()
    (artifact.folder / "images.npy").unlink()
    cache = Cache(tmp_path)
    assert cache.find(kit.Probe(64), kit.digests(10), 4, backend) is None
    assert cache.artifacts() == []
    with pytest.raises(NotCachedError, match="holds no artifact"):
        Artifact(artifact.folder)
    again = kit.make(tmp_path, backend=backend, done=False)
    assert again.complete
    assert again.layout.images == kit.digests(10)


def test_a_torn_header_is_refused_and_made_anew(tmp_path, kit):
    artifact = kit.make(tmp_path)
    path = artifact.folder / "spec.json"
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedError):
            Artifact(artifact.folder)
    path.write_bytes(whole.replace(b'"size": 64', b'"size": 65'))
    with pytest.raises(DamagedError):
        Artifact(artifact.folder)
    assert kit.make(tmp_path, done=False).complete


def test_a_newer_format_is_refused_everywhere(tmp_path, kit):
    path = kit.make(tmp_path).folder / "spec.json"
    path.write_text(json.dumps({"format": FORMAT + 1, "unheard": "of"}))
    for attempt in (
        lambda: Artifact(path.parent),
        lambda: Cache(tmp_path).find(kit.Probe(64), kit.digests(10), 4),
        lambda: kit.make(tmp_path),
    ):
        with pytest.raises(A2pipeError, match="written by a newer version"):
            attempt()
    assert Cache(tmp_path).artifacts() == []


def test_the_same_address_with_other_arrays_is_refused(tmp_path, kit):
    kit.make(tmp_path)
    with pytest.raises(A2pipeError, match="version of stage 'probes' has to be raised"):
        Cache(tmp_path).create(
            kit.Probe(64), [ArrayField("other", (), "float32", 0)], kit.digests(10), shard_size=4
        )


def test_two_fields_of_one_name_are_refused(tmp_path, kit):
    with pytest.raises(ValueError, match="unique"):
        Cache(tmp_path).create(kit.Probe(1), [ArrayField("status", (), "uint8", 0)], ["a"])


def test_a_read_only_cache_is_read_and_says_so_when_written(tmp_path, kit, monkeypatch, backend):
    kit.make(tmp_path, backend=backend)

    def refuse(*_args, **_kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(type(tmp_path), "mkdir", refuse)
    monkeypatch.setattr(type(tmp_path), "replace", refuse)
    found = kit.make(tmp_path, backend=backend)
    assert found.read("box").tolist() == kit.rows(kit.digests(10))["box"].tolist()
    with pytest.raises(A2pipeError, match="may not be written"):
        kit.make(tmp_path, size=65, backend=backend)


def test_artifacts_are_listed_by_stage_and_prefix(tmp_path, kit):
    made = [kit.make(tmp_path, size=size, done=False) for size in (1, 2, 3)]
    cache = Cache(tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "probes" / "notes").mkdir()
    assert {a.folder for a in cache.artifacts()} == {a.folder for a in made}
    assert {a.folder for a in cache.artifacts("probes")} == {a.folder for a in made}
    assert cache.artifacts("attention") == []
    (found,) = cache.artifacts(prefix=made[1].fingerprint[:12])
    assert found.folder == made[1].folder
    assert Cache(tmp_path / "nowhere").artifacts() == []


def refuse_to_list(monkeypatch, folder, error=PermissionError, number=errno.EACCES):
    iterdir = type(folder).iterdir

    def listing(path):
        if path == folder:
            raise error(number, os.strerror(number))
        return iterdir(path)

    monkeypatch.setattr(type(folder), "iterdir", listing)


def test_a_folder_that_may_not_be_listed_is_one_sentence(tmp_path, kit, monkeypatch):
    folder = kit.make(tmp_path).folder.parent
    refuse_to_list(monkeypatch, folder)
    with pytest.raises(A2pipeError, match="could not be listed") as caught:
        Cache(tmp_path).artifacts()
    assert str(folder) in str(caught.value)


def test_a_folder_that_goes_while_it_is_listed_is_left_out(tmp_path, kit, monkeypatch):
    one, two = kit.make(tmp_path), kit.make(tmp_path, size=65)
    refuse_to_list(monkeypatch, one.folder.parent, FileNotFoundError, errno.ENOENT)
    assert Cache(tmp_path).folders() == [two.folder]


def test_a_sibling_whose_markers_may_not_be_listed_offers_nothing(tmp_path, kit, monkeypatch):
    mine, shared = kit.make(tmp_path), kit.make(tmp_path, n=6)
    refuse_to_list(monkeypatch, mine.folder / "done")
    found = Cache(tmp_path).gather(mine.fingerprint, kit.digests(10))
    assert found.available == set(kit.digests(6))
    assert shared.complete


def test_the_markers_of_a_sibling_are_read_once(tmp_path, kit, monkeypatch):
    one, read, markers = kit.make(tmp_path), [], Ledger.markers

    def note(ledger):
        read.append(ledger.folder)
        return markers(ledger)

    monkeypatch.setattr(Ledger, "markers", note)
    assert len(Cache(tmp_path).gather(one.fingerprint, kit.digests(10)).available) == 10
    assert read == [one.folder / "done"]


def test_the_root_is_named_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("A2PIPE_CACHE", str(tmp_path))
    assert Cache().root == tmp_path
    monkeypatch.delenv("A2PIPE_CACHE")
    assert default_root().name == "a2pipe"


def test_fifty_thousand_images_take_no_time(tmp_path, kit, backend):
    images = kit.digests(50_000)
    field = [ArrayField("embedding", (384,), "float32", float("nan"))]
    start = time.process_time()
    for _ in range(2):
        artifact = Cache(tmp_path).create(kit.Probe(1), field, images, backend=backend)
    assert len(artifact.missing()) == 49
    assert artifact.layout.images == images
    assert time.process_time() - start < 5
