"""The page in a real browser: drop, progress, result, cancel, reload, wrong file, too much, token."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scanning import films
from tests.service.conftest import SCRIPT, TOKEN, Service

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: apt install chromium"),
]
Photographs = dict[str, Path]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, service: Service) -> Iterator[Any]:
    """A page without complaints in its console."""
    made = browser.new_page()
    complaints: list[str] = []
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.goto(service.address)
    yield made
    made.close()
    assert not complaints


def _choose(page: Any, *files: Path) -> None:
    page.set_input_files("#files", [str(file) for file in files])
    page.locator("#state", has_text="Done").wait_for(timeout=60_000)


def test_photographs_are_sent_scanned_and_shown_and_outlive_a_reload(page: Any, photographs: Photographs) -> None:
    _choose(page, photographs["face"], photographs["text"])
    results = page.locator("#results > li")
    assert results.count() == 2
    assert "No sign of forgery" in results.nth(0).inner_text()
    assert "Not a supported picture" in results.nth(1).inner_text()
    page.reload()
    page.locator("#state", has_text="Done: 2 of 2 files").wait_for()
    assert page.locator("#results > li").count() == 2


def test_a_file_is_dropped(page: Any, photographs: Photographs) -> None:
    content = list(photographs["jpeg"].read_bytes())
    data = page.evaluate_handle(
        """(bytes) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "dropped.jpg", { type: "image/jpeg" }));
            return transfer;
        }""",
        content,
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": data})
    page.locator("#state", has_text="Done").wait_for(timeout=60_000)
    assert "dropped.jpg" in page.locator("#results > li").inner_text()


def test_a_photograph_is_looked_at_by_keyboard_with_its_map(page: Any, photographs: Photographs) -> None:
    _choose(page, photographs["face"])
    page.locator("#results button").focus()
    page.keyboard.press("Enter")
    page.locator("#boxes").wait_for(state="attached")
    assert page.locator("#viewer-title").inner_text() == "face.png"
    assert page.locator("#faces tbody tr").count() == 1
    page.locator("#show-map").uncheck()
    assert page.locator("#map").is_hidden()
    page.locator("#beside").check()
    assert page.locator("#plain img").is_visible()
    page.locator("#pixels").click()
    assert page.locator("#marked").bounding_box()["width"] == 512
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()


def test_a_scan_is_cancelled_and_deleted(page: Any, photographs: Photographs) -> None:
    page.set_input_files("#files", [str(photographs["face"])] * 5)
    page.locator("#cancel").click()
    page.locator("#state", has_text="Cancelled").wait_for()
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("#delete").click()
    page.locator("#scan").wait_for(state="hidden")


def test_too_much_is_said(page: Any, photographs: Photographs) -> None:
    page.set_input_files("#files", [str(photographs["none"])] * 6)
    page.locator("#problem", has_text="may hold 5 files").wait_for()


def test_the_token_is_asked_for(browser: Any, guarded: Service) -> None:
    page = browser.new_page()
    page.goto(guarded.address)
    page.locator("#token").fill("wrong-" + TOKEN)
    page.get_by_role("button", name="Open").click()
    page.locator("#login-problem", has_text="token").wait_for()
    page.locator("#token").fill(TOKEN)
    page.get_by_role("button", name="Open").click()
    page.locator("#drop").wait_for()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_keeps_people_out(
    browser: Any, service: Service, photographs: Photographs, scheme: str, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)
    page = context.new_page()
    page.goto(service.address)
    _choose(page, photographs["face"])
    found = Axe().run(page).response["violations"]
    page.locator("#results button").click()
    page.locator("#boxes").wait_for(state="attached")
    found += Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
    context.close()


def test_a_video_is_played_from_where_its_timeline_is_pressed(page: Any, tmp_path: Path) -> None:
    _choose(page, films.film(tmp_path / "film.mp4", seconds=3))
    page.locator("#results button").click()
    page.locator("#viewer video").wait_for(state="attached")
    assert "real clips" in page.locator("#statement").inner_text()
    page.wait_for_function("document.querySelector('#viewer video').readyState >= 1")
    drawing = page.locator("#timelines svg").first
    box = drawing.bounding_box()
    drawing.click(position={"x": box["width"] / 2, "y": 10})
    assert page.evaluate("document.querySelector('#viewer video').currentTime") == pytest.approx(1.5, abs=0.2)
    assert page.locator("#tracks tbody tr").count() == page.locator("#timelines svg").count()
    assert not page.locator("#tools").is_visible()


def test_scripts_in_names_and_metadata_are_text(browser: Any, service: Service, scripted: Path) -> None:
    page = browser.new_page()
    alarms: list[str] = []
    page.on("dialog", lambda dialog: alarms.append(dialog.message))
    page.on("pageerror", lambda error: alarms.append(str(error)))
    page.goto(service.address)
    page.set_input_files("#files", str(scripted))
    page.locator("#state", has_text="Done").wait_for(timeout=60_000)
    page.locator("#results button").click()
    page.locator("#boxes").wait_for(state="attached")
    assert page.locator("#viewer-title").inner_text() == scripted.name
    assert SCRIPT.split("<script>", maxsplit=1)[0] in page.locator("#viewer").text_content()
    assert page.locator("#viewer img[onerror], #results img[onerror], #viewer script").count() == 0
    with page.expect_download():
        page.keyboard.press("Escape")
        page.locator("#report").click()
    assert not alarms
    page.close()
