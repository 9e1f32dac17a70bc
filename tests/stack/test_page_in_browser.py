"""The page as a person meets it: a login, the navigation, a real browser, two widths, two themes, the keyboard."""

import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, expect, sync_playwright

from embedded.config import USER
from include.perennial.partitions import Partition, Period
from tests.stack.conftest import Live

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
pytestmark = [
    pytest.mark.stack,
    pytest.mark.long,
    pytest.mark.timeout(300),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: install the package chromium"),
]

PIPELINE = "flight_delays"
WEEKS = [Partition.of_key("2013-01-07", Period.WEEK).shift(n).key for n in range(9)]
PAGES = {
    "overview": "/continuous-training/",
    "pipeline": f"/continuous-training/pipelines/{PIPELINE}",
    "decision": f"/continuous-training/decisions/{PIPELINE}/1",
}
IN_AIRFLOW = "Continuous training"


@pytest.fixture(scope="module")
def decided(live: Live) -> Live:
    """The example with at least one champion."""
    if live.ledger.champion(PIPELINE) is None:
        for step in ("ingest", "train"):
            live.airflow.unpause(f"{PIPELINE}.{step}")
        live.ingest(PIPELINE, WEEKS[0], WEEKS[-1])
        run_id = live.airflow.trigger(f"{PIPELINE}.train", {"partition": WEEKS[-1]})
        assert live.airflow.wait(f"{PIPELINE}.train", run_id)["state"] == "success"
    return live


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Containers have no user namespaces to put a sandbox in; all that is opened is our own page.
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def login(decided: Live, browser: Browser) -> dict:
    """The cookies of a user who has filled in Airflow's form."""
    context = browser.new_context(base_url=decided.stack.airflow_url)
    page = context.new_page()
    page.goto("/")
    page.wait_for_url("**/auth/login**", timeout=30_000)
    page.fill("input[name=username]", USER)
    page.fill("input[name=password]", decided.stack.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name=IN_AIRFLOW)).to_be_visible(timeout=30_000)
    state = context.storage_state()
    context.close()
    return state


def _context(
    decided: Live, browser: Browser, login: dict | None, width: int = 1280, scheme: str = "light"
) -> BrowserContext:
    return browser.new_context(
        base_url=decided.stack.airflow_url,
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        storage_state=login,
    )


def test_every_page_is_reached_from_airflows_navigation(decided: Live, browser: Browser, login: dict) -> None:
    page = _context(decided, browser, login).new_page()
    page.goto("/")
    page.get_by_role("link", name=IN_AIRFLOW).click()
    inside = _inside(page)

    inside.locator(f"a[href$='/pipelines/{PIPELINE}']").first.click()
    expect(inside.get_by_role("heading", name="Timeline")).to_be_visible()
    inside.get_by_role("region", name="Table of training runs").get_by_role("link").last.click()
    expect(inside.get_by_role("heading", name="Gate")).to_be_visible()
    inside.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="Continuous training").click()
    expect(inside.get_by_role("heading", level=1, name="Continuous training")).to_be_visible()


def _inside(page: Page) -> FrameLocator:
    return page.frame_locator("iframe")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_is_accessible_and_asks_no_other_host(
    decided: Live, browser: Browser, login: dict, name: str, width: int, scheme: str
) -> None:
    context = _context(decided, browser, login, width, scheme)
    page, hosts, errors = context.new_page(), set(), []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))

    reply = page.goto(PAGES[name])
    page.wait_for_load_state("networkidle")

    assert reply is not None
    assert reply.status == 200
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert hosts == {urlsplit(decided.stack.airflow_url).netloc}
    assert errors == []
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["help"]) for one in found if one["impact"] in ("serious", "critical")] == []
    context.close()


def test_the_keyboard_reaches_the_decision(decided: Live, browser: Browser, login: dict) -> None:
    page = _context(decided, browser, login).new_page()
    page.goto(PAGES["overview"])
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.href || ''").find("/decisions/") > 0:
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Gate")).to_be_visible()


@pytest.mark.parametrize("name", PAGES)
def test_a_stranger_is_sent_away(decided: Live, browser: Browser, name: str) -> None:
    page = _context(decided, browser, None).new_page()

    reply = page.goto(PAGES[name])

    assert reply is not None
    assert reply.status == 401 or "/auth/login" in page.url
    assert PIPELINE not in page.content()
