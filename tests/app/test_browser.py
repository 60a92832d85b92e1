"""The page in a browser, from an upload to a download; the server is in this process."""

import dataclasses
import json
import re
import shutil
import threading
import time

import numpy as np
import pytest
from uploading import FILES, encoded

pytest.importorskip("gradio", reason="the page needs Gradio")
pytest.importorskip("selenium", reason="a browser needs Selenium")

import uvicorn
from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from stylekit.app.address import listen
from stylekit.app.answers import Answers
from stylekit.app.limits import Limits
from stylekit.app.server import application, configuration

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="there is no Chromium"),
]

LIMITS = Limits(upload_bytes=300_000, pixels=1_000_000, side=128, steps=400, jobs=2, runs_each=4)
PATIENCE = 120


class Serving:
    """A server in a thread."""

    def __init__(self, networks, root_path="", before=lambda app: app, limits=LIMITS):
        self.app = application(Answers(networks, limits), root_path)
        self.socket = listen(port=0)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        config = configuration(self.app)
        config.app = before(self.app)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(30)
        self.socket.close()

    @property
    def visitors(self):
        return list(self.app.visitors._visitors.values())


@pytest.fixture(scope="module")
def serving(networks):
    with Serving(networks) as one:
        yield one


class Page:
    """The page in a browser of its own."""

    def __init__(self, url, downloads, width=1280):
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in ("--headless=new", "--no-sandbox", f"--window-size={width},1300"):
            options.add_argument(argument)
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
        self.driver.get(url)
        self.until(lambda: self("#photo input"))

    def __call__(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def until(self, holds):
        wait = WebDriverWait(self.driver, PATIENCE, 0.1, [Exception])
        return wait.until(lambda _: holds())

    def note(self, place, words):
        """Wait for a note with these words."""

        def said():
            return self(f"{place} .note").text

        try:
            return self.until(lambda: re.search(words, said()))
        except TimeoutException:
            notes = [one.text for one in self.driver.find_elements(By.CSS_SELECTOR, ".note")]
            raise AssertionError(f"{place} does not say {words!r}: {notes}") from None

    def fill(self, selector, value):
        field = self(selector)
        self.driver.execute_script("arguments[0].select()", field)
        field.send_keys(str(value), "\t")

    def choose(self, group, name):
        labels = self.driver.find_elements(By.CSS_SELECTOR, f"{group} label")
        next(one for one in labels if one.text == name).click()

    def urls(self):
        """Return what the browser has asked for."""
        messages = (
            json.loads(one["message"])["message"] for one in self.driver.get_log("performance")
        )
        return {
            one["params"]["request"]["url"]
            for one in messages
            if one["method"] == "Network.requestWillBeSent"
        }


@pytest.fixture
def visit(serving, tmp_path):
    """Open the page, as often as wanted."""
    pages = []

    def opened(url=serving.url, **options):
        pages.append(Page(url, tmp_path, **options))
        return pages[-1]

    yield opened
    for one in pages:
        one.driver.quit()


@pytest.fixture
def picture_file(photo, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(photo))
    return path


def ready(page, picture_file, steps=400):
    page("#photo input").send_keys(str(picture_file))
    page.note("#photo", "64 x 48 pixels")
    page("#style-1 [data-example=night]").click()
    page.note("#style-1", "pixels")
    page.fill("#size input[type=number]", 96)
    page.fill("#steps input[type=number]", steps)


def test_from_upload_to_download(visit, serving, picture_file, tmp_path):
    page = visit()
    ready(page, picture_file)

    page.choose("#where", "In a box")
    board = page.until(lambda: page("#board canvas").size["width"] > 50 and page("#board canvas"))
    width, height = board.size["width"], board.size["height"]
    drag = ActionChains(page.driver)
    drag.move_to_element_with_offset(board, int(-0.3 * width), int(-0.45 * height))
    drag.click_and_hold().move_by_offset(int(0.6 * width), int(0.9 * height)).release().perform()
    page.note("#board", "The region covers (1|2)[0-9]%")

    page("#paint").click()
    page.note("#painting", "Step [1-9]")
    seen = set()
    page.until(lambda: seen.add(page("#painting img").get_attribute("src")) or len(seen) > 2)
    page.until(lambda: page("#stop").is_enabled())
    page("#stop").click()
    page.note("#painting", "Stopped: .* is kept")
    assert page("#painting img").get_attribute("src").startswith(f"{serving.url}/pictures/")
    assert page("#curve canvas, #curve svg").is_displayed()

    for name in ("picture", "manifest"):
        page(f"#files [data-file={name}]").click()
    page.until(lambda: {"stylekit.png", "stylekit.json"} <= {p.name for p in tmp_path.iterdir()})
    manifest = json.loads((tmp_path / "stylekit.json").read_text())
    assert manifest["stopped_by"] == "Job"
    assert manifest["size"] == [72, 96]
    with Image.open(tmp_path / "stylekit.png") as picture:
        assert picture.size == (96, 72)
        assert json.loads(picture.text["stylekit"]) == manifest
        painted = np.asarray(picture)
    page.until(lambda: not page("#stop").is_enabled())

    assert {
        url for url in page.urls() if not url.startswith((serving.url, "data:", "blob:"))
    } == set()
    severe = [one for one in page.driver.get_log("browser") if one["level"] == "SEVERE"]
    assert severe == []
    assert painted.std() > 10


def test_files_that_nobody_should_send(visit, tmp_path):
    page = visit()
    for number, (name, (content, words)) in enumerate(FILES.items()):
        path = tmp_path / name.replace("/", "_")
        path.write_bytes(content)
        page("#photo input").send_keys(str(path))
        if words is None:
            page.note("#photo", "50 x 40 pixels")
        elif name == "heavy.png":  # is not sent at all
            page.note("#photo", "at most 0.3 MB")
        else:
            page.note("#photo", words)
        # In between a picture, so that no earlier note is taken for the next one.
        page(f"#photo [data-example={('cat', 'rocket')[number % 2]}]").click()
        page.note("#photo", "128 x 8[56] pixels")


def test_two_visitors_at_once(visit, serving, picture_file):
    pages = [visit(), visit()]
    for page, style in zip(pages, ("night", "meadow"), strict=True):
        ready(page, picture_file, 12)
        page(f"#style-1 [data-example={style}]").click()
        page.note("#style-1", "128 x 128")
    time.sleep(1)
    for page in pages:
        page("#paint").click()
    for page in pages:
        page.note("#painting", "Done: 12 steps")
    shown = [painted(page) for page in pages]
    assert shown[0] != shown[1]
    pages[0]("#paint").click()
    pages[0].until(lambda: "Done" not in pages[0]("#painting .note").text)
    pages[0].note("#painting", "Done: 12 steps")
    assert painted(pages[0]) == shown[0]


def painted(page):
    """The picture that is shown, as text."""
    return page.driver.execute_async_script(
        """const [image, done] = arguments;
        fetch(image.src).then((answer) => answer.arrayBuffer())
            .then((bytes) => done(Array.from(new Uint8Array(bytes)).join()));""",
        page("#painting img"),
    )


def test_who_waits_is_told_and_may_give_it_up(visit, networks, picture_file):
    with Serving(networks, limits=dataclasses.replace(LIMITS, jobs=1)) as serving:
        first, second = visit(serving.url), visit(serving.url)
        for page in (first, second):
            ready(page, picture_file)
            page("#paint").click()
            page.note("#painting", "Step [1-9]" if page is first else "1 run is before yours")
        second.until(lambda: second("#stop").is_enabled())
        second("#stop").click()
        second.note("#painting", "Given up before it began")
        first.until(lambda: first("#stop").is_enabled())
        first("#stop").click()
        first.note("#painting", "Stopped: ")


def test_nothing_is_kept_of_a_visitor_who_leaves(visit, serving, picture_file):
    page = visit()
    ready(page, picture_file)
    page("#paint").click()
    page.note("#painting", "Step [1-9]")
    (visitor,) = [one for one in serving.visitors if one.job is not None and not one.job.done]
    job = visitor.job
    page.driver.get("about:blank")
    limit = time.monotonic() + PATIENCE
    while visitor in serving.visitors or not job.done:
        assert time.monotonic() < limit
        time.sleep(0.1)
    assert visitor.photo is visitor.job is None
    assert job.result.stopped_by == "Job"


def test_behind_a_proxy(networks, visit, picture_file):
    with Serving(networks, "/paint", taking_off("/paint")) as serving:
        page = visit(f"{serving.url}/paint/")
        ready(page, picture_file, 3)
        page("#paint").click()
        page.note("#painting", "Done: 3 steps")


def taking_off(root_path):
    """A proxy before an application, which takes a path off, as the documentation has it."""

    def before(app):
        async def proxy(scope, receive, send):
            if scope["type"] == "http":
                assert scope["path"].startswith(f"{root_path}/")
                scope = scope | {"path": scope["path"].removeprefix(root_path)}
            await app(scope, receive, send)

        return proxy

    return before
