"""Where weights are looked for, and what is said when they cannot be had."""

import http.server
import threading
import time
from dataclasses import replace

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError
from safetensors.torch import save

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.models.backbone import load_backbone
from a2pipe.models.fetching import fetch_all
from a2pipe.models.weights import hub
from a2pipe.models.zoo.names import resolve

ENTRY = resolve("dinov2_vits14")
COMMIT = "0123456789" * 4
HUB = constants.ENDPOINT


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch) -> None:
    """An empty hub cache, and no hub."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")


def test_offline_says_how_to_get_them(capsys) -> None:
    with pytest.raises(
        A2pipeError, match=r"a2pipe models fetch dinov2_vits14.*--weights dinov2_vits14=FILE"
    ):
        hub.locate(ENTRY, offline=True)
    assert capsys.readouterr().err == ""


def test_the_hubs_own_offline_switch_counts(monkeypatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(A2pipeError, match="this run is offline"):
        hub.locate(ENTRY)


def test_no_network_says_the_same_within_seconds(capsys) -> None:
    start = time.monotonic()
    with pytest.raises(
        A2pipeError, match=r"a2pipe models fetch dinov2_vits14.*--weights dinov2_vits14=FILE"
    ):
        load_backbone("dinov2_vits14")
    assert time.monotonic() - start < 10
    assert "fetching the weights of dinov2_vits14" in capsys.readouterr().err


@pytest.fixture
def cached(tmp_path):
    """Put a weights file into the hub's cache."""

    def put(entry):
        folder = tmp_path / "cache" / f"models--{entry.repo.replace('/', '--')}"
        snapshot = folder / "snapshots" / COMMIT
        snapshot.mkdir(parents=True)
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text(COMMIT)
        (snapshot / "model.safetensors").write_bytes(b"weights")
        return snapshot / "model.safetensors"

    return put


def test_what_the_hub_cache_holds_needs_no_network(cached) -> None:
    assert hub.on_this_machine(ENTRY) is None
    path = cached(ENTRY)
    assert hub.locate(ENTRY, offline=True) == path
    assert hub.on_this_machine(ENTRY) == path


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_offline_counts_for_every_name(how, monkeypatch, capsys) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", how == "environment")
    monkeypatch.setattr(hub, "_reachable", lambda _: pytest.fail("touched the network"))
    with pytest.raises(A2pipeError, match=r"weights of dinov2_vits14_reg .* this run is offline"):
        load_backbone("DINOv2 ViT-S/14", offline=how == "argument")
    assert capsys.readouterr().err == ""


def test_fetching_goes_on_after_a_failure_and_says_which_failed(cached) -> None:
    path, done = cached(ENTRY), []
    asked = ["iBOT ViT-S/16", "dinov2_vits14", "demo_localizer_s_random", "MAE ViT-B/16"]
    with pytest.raises(A2pipeError, match="2 of 4 models could not be fetched") as failed:
        done.extend(fetch_all(asked))
    assert "(ibot_vits16, mae_vitb16): No weights of ibot_vits16" in str(failed.value)
    assert done == [
        ("dinov2_vits14", f"already here, {path}"),
        ("demo_localizer_s_random", "needs no weights"),
    ]


def test_one_failure_is_said_in_its_own_words(cached) -> None:
    cached(ENTRY)
    with pytest.raises(A2pipeError, match=r"^No weights of ibot_vits16 are published"):
        list(fetch_all(["ibot_vits16", "dinov2_vits14"]))


@pytest.mark.parametrize("wrong", ["dinov2_vits41", "vit_base_patch16_gap_224"])
def test_nothing_is_fetched_if_a_name_is_wrong(wrong, monkeypatch) -> None:
    monkeypatch.setattr(hub, "_fetch", lambda *_: pytest.fail("fetched"))
    with pytest.raises(UsageError, match=wrong):
        next(fetch_all(["dinov2_vits14", wrong]))


def test_two_names_of_a_model_are_fetched_once(cached) -> None:
    cached(resolve("dinov2_vits14_reg"))
    (only,) = fetch_all(["DINOv2 ViT-S", "dinov2_vits14_reg"])
    assert only[0] == "dinov2_vits14_reg"


class Hub(http.server.BaseHTTPRequestHandler):
    """A hub that holds one file."""

    content = save({"weight": torch.zeros(3)})

    def do_HEAD(self) -> None:
        found = self.path == "/" or self.path.endswith("/main/model.safetensors")
        self.send_response(200 if found else 404)
        self.send_header("ETag", '"0a1b2c"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        pass


def test_weights_are_fetched_once(monkeypatch, capsys) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(HUB, address)
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        path = hub.locate(ENTRY)
        server.shutdown()
    assert path.read_bytes() == Hub.content
    assert "once" in capsys.readouterr().err
    assert hub.locate(ENTRY) == path
    assert capsys.readouterr().err == ""


def test_a_text_tower_is_looked_for_beside_the_weights(cached) -> None:
    entry = resolve("openclip_vitb16")
    whole = cached(replace(entry, repo=entry.whole_repo))
    with pytest.raises(A2pipeError, match=r"fetch --text openclip_vitb16"):
        hub.locate_open_clip(entry, offline=True)  # what lies there is the format of transformers
    whole.rename(whole.with_name("open_clip_model.safetensors"))
    path = cached(entry)
    assert list(fetch_all(["OpenCLIP ViT-B"], text=True)) == [
        ("openclip_vitb16", f"already here, {path}"),
        (
            "openclip_vitb16 text tower",
            f"already here, {whole.with_name('open_clip_model.safetensors')}",
        ),
    ]
    assert list(fetch_all(["OpenCLIP ViT-B"])) == [("openclip_vitb16", f"already here, {path}")]


def test_text_towers_are_fetched_only_of_models_that_have_one(monkeypatch) -> None:
    monkeypatch.setattr(hub, "_fetch", lambda *_: pytest.fail("fetched"))
    with pytest.raises(UsageError, match="dinov2_vits14 has no text tower"):
        next(fetch_all(["openclip_vitb16", "dinov2_vits14"], text=True))


def test_gated_weights_say_where_the_licence_is(monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise GatedRepoError.__new__(GatedRepoError)

    monkeypatch.setattr(hub, "_reachable", lambda _: True)
    monkeypatch.setattr(hub, "_hub_file", refuse)
    with pytest.raises(A2pipeError, match=r"gated; accept the licence at .*dinov3"):
        hub.locate(resolve("dinov3_vits16"))


def test_a_given_file_comes_first(tmp_path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"weights")
    assert hub.locate(ENTRY, path) == path
    with pytest.raises(UsageError, match="are not a file"):
        hub.locate(ENTRY, tmp_path / "absent.safetensors")


def test_a_model_without_an_address_asks_for_a_file() -> None:
    with pytest.raises(
        A2pipeError, match=r"No weights of ibot_vits16 are published.*--weights ibot_vits16=FILE"
    ):
        hub.locate(resolve("ibot_vits16"))


def test_missing_shipped_weights_say_so(tmp_path) -> None:
    entry = replace(resolve("demo_localizer_s"), file=str(tmp_path / "gone.safetensors"))
    with pytest.raises(A2pipeError, match="reinstall the package"):
        hub.locate(entry)
