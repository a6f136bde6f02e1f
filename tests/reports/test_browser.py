"""The page as a browser sees it: numbers on screen, no message in the console, no request.

Needs a Chromium or Chrome. Without one the tests are skipped, but not where CI=true.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from a2pipe.reports.matrix import GalleryItem, Matrix
from a2pipe.reports.page import render_page

Changed = Callable[..., Matrix]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--disable-dev-shm-usage", "--enable-logging=stderr"),
)
DARK = "--blink-settings=preferredColorScheme=0"


@dataclass(frozen=True)
class Browser:
    """A browser that is started anew, with a fresh profile, for every look at a page."""

    program: str
    profiles: Path

    def run(self, page: Path, *options: str) -> subprocess.CompletedProcess[str]:
        profile = self.profiles / str(sum(1 for _ in self.profiles.iterdir()))
        profile.mkdir()
        command = [self.program, *OPTIONS, f"--user-data-dir={profile}", *options, page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done

    def picture(self, page: Path, target: Path, size: str, *options: str) -> Image.Image:
        self.run(page, f"--window-size={size}", f"--screenshot={target}", *options)
        with Image.open(target) as picture:
            return picture.convert("RGB")


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None and os.environ.get("CI") == "true":
        pytest.fail(f"none of {', '.join(NAMES)} is installed; install one (Debian: chromium)")
    if program is None:
        pytest.skip("no Chromium or Chrome on this machine")
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    return Browser(program, profiles)


@pytest.fixture
def page(matrix: Matrix, gallery: list[GalleryItem], tmp_path: Path) -> Path:
    return saved(matrix, gallery, tmp_path / "report.html")


def saved(matrix: Matrix, gallery: list[GalleryItem], path: Path) -> Path:
    path.write_text(render_page(matrix, gallery), encoding="utf-8")
    return path


def test_the_browser_shows_the_numbers_and_is_silent(browser: Browser, page: Path) -> None:
    done = browser.run(page, "--dump-dom")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", done.stdout.replace("<wbr>", "")))
    for expected in ("73.2 % worst-group accuracy", "full image 13.8 33.0 †", "Wrong (1 shown)"):
        assert expected in text
    assert "CONSOLE" not in done.stderr


def test_the_console_is_being_listened_to(browser: Browser, tmp_path: Path) -> None:
    """Guards the silence above: a page with an error must be heard."""
    page = tmp_path / "broken.html"
    page.write_text("<script>missing()</script>")
    assert "CONSOLE" in browser.run(page, "--dump-dom").stderr


def test_the_page_makes_no_request(browser: Browser, page: Path, tmp_path: Path) -> None:
    assert requested(browser, page, tmp_path) == set()


def test_requests_are_being_seen(browser: Browser, tmp_path: Path) -> None:
    """Guards the emptiness above: a page that asks for a picture must be caught."""
    page = tmp_path / "asking.html"
    page.write_text('<img src="http://a2pipe.invalid/picture.png">')
    assert "http://a2pipe.invalid/picture.png" in requested(browser, page, tmp_path)


def requested(browser: Browser, page: Path, folder: Path) -> set[str]:
    """Addresses the page asked for, from the browser's network log; its own services have no
    origin there."""
    log = folder / f"{page.stem}.netlog.json"
    rules = "--host-resolver-rules=MAP * ~NOTFOUND"
    browser.run(page, f"--log-net-log={log}", rules, "--dump-dom")
    events = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    asked = [each for each in events if each.get("initiator", "not an origin") != "not an origin"]
    return {str(each["url"]) for each in asked if "url" in each}


def test_a_phone_needs_no_sideways_scrolling(
    browser: Browser, changed: Changed, gallery: list[GalleryItem], tmp_path: Path
) -> None:
    """The right margin of a narrow window stays blank, also with seven long columns."""
    matrix = wide(changed)
    page = saved(matrix, gallery, tmp_path / "wide.html")
    pixels = np.asarray(browser.picture(page, tmp_path / "phone.png", "390,2400"))
    assert (pixels[:, -8:] == pixels[0, 0]).all()


def wide(changed: Changed) -> Matrix:
    columns = tuple(f"dinov2_vit{size}14_reg_with_a_long_name" for size in "abcdefg")
    cells = tuple(
        replace(each, column=column) for column in columns for each in changed().cells[:8]
    )
    return changed(columns=columns, cells=cells)


def test_dark_mode_is_dark_and_light_mode_light(
    browser: Browser, page: Path, tmp_path: Path
) -> None:
    light = browser.picture(page, tmp_path / "light.png", "1200,900")
    dark = browser.picture(page, tmp_path / "dark.png", "1200,900", DARK)
    assert np.asarray(light).mean() > 215
    assert np.asarray(dark).mean() < 60
