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
from a2pipe.models.weights import hub
from a2pipe.models.zoo.names import resolve

pytestmark = pytest.mark.usefixtures("no_hub")

ENTRY = resolve("dinov2_vits14")
COMMIT = "0123456789" * 4
HUB = constants.ENDPOINT


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
    found = whole.rename(whole.with_name("open_clip_model.safetensors"))
    assert hub.locate_open_clip(entry, offline=True) == found
    assert hub.open_clip_on_this_machine(entry) == found
    assert hub.on_this_machine(entry) is None


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
