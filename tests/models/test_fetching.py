"""Fetch weights ahead: what is said of each model, and what a failure or a wrong name stops."""

from dataclasses import replace

import pytest

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.models.fetching import fetch_all
from a2pipe.models.weights import hub
from a2pipe.models.zoo.names import resolve

pytestmark = pytest.mark.usefixtures("no_hub")

ENTRY = resolve("dinov2_vits14")


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


@pytest.mark.parametrize("wrong", ["dinov2_vits41", "pit_ti_224"])
def test_nothing_is_fetched_if_a_name_is_wrong(wrong, monkeypatch) -> None:
    monkeypatch.setattr(hub, "_fetch", lambda *_: pytest.fail("fetched"))
    with pytest.raises(UsageError, match=wrong):
        next(fetch_all(["dinov2_vits14", wrong]))


def test_two_names_of_a_model_are_fetched_once(cached) -> None:
    cached(resolve("dinov2_vits14_reg"))
    (only,) = fetch_all(["DINOv2 ViT-S", "dinov2_vits14_reg"])
    assert only[0] == "dinov2_vits14_reg"


def test_text_towers_are_fetched_only_of_models_that_have_one(monkeypatch) -> None:
    monkeypatch.setattr(hub, "_fetch", lambda *_: pytest.fail("fetched"))
    with pytest.raises(UsageError, match="dinov2_vits14 has no text tower"):
        next(fetch_all(["openclip_vitb16", "dinov2_vits14"], text=True))


def test_a_text_tower_comes_with_the_whole_model(cached) -> None:
    entry = resolve("openclip_vitb16")
    path = cached(entry)
    whole = cached(replace(entry, repo=entry.whole_repo))
    whole = whole.rename(whole.with_name("open_clip_model.safetensors"))
    assert list(fetch_all(["OpenCLIP ViT-B"], text=True)) == [
        ("openclip_vitb16", f"already here, {path}"),
        ("openclip_vitb16 text tower", f"already here, {whole}"),
    ]
    assert list(fetch_all(["OpenCLIP ViT-B"])) == [("openclip_vitb16", f"already here, {path}")]


def test_what_ships_is_where_it_is() -> None:
    (done,) = fetch_all(["demo_localizer_s"])
    assert done == ("demo_localizer_s", f"ships with the package, {hub.locate(resolve(done[0]))}")
