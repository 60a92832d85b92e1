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
from stylekit.masks import Segmentation

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="there is no Chromium"),
]

LIMITS = Limits(upload_bytes=300_000, pixels=1_000_000, side=128, steps=400, jobs=2, runs_each=4)
PHONE = (390, 844)
PATIENCE = 120


class Serving:
    """A server in a thread."""

    def __init__(
        self, networks, root_path="", before=lambda app: app, limits=LIMITS, segmenter=None
    ):
        self.app = application(Answers(networks, limits, segmenter), root_path)
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

    def __init__(self, url, downloads, size=(1280, 1300)):
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in ("--headless=new", "--no-sandbox", f"--window-size={size[0]},{size[1]}"):
            options.add_argument(argument)
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1}
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", metrics | {"mobile": size == PHONE}
        )
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

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def click(self, selector):
        field = self(selector)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", field)
        field.click()

    def board(self):
        """Return the canvas in the photo, once it is there."""
        board = self.until(
            lambda: self("#board canvas").size["width"] > 50 and self("#board canvas")
        )
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", board)
        return board

    def drag(self, start, end):
        """Drag in the photo between two points, relative to its width and height."""
        board = self.board()
        width, height = board.size["width"], board.size["height"]
        moves = ActionChains(self.driver)
        moves.move_to_element_with_offset(
            board, int((start[0] - 0.5) * width), int((start[1] - 0.5) * height)
        )
        moves.click_and_hold()
        moves.move_by_offset(int((end[0] - start[0]) * width), int((end[1] - start[1]) * height))
        moves.release().perform()

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

    page.choose("#where", "Subject in a box")
    page.drag((0.2, 0.05), (0.8, 0.95))
    page.note("#board", "The region covers (1|2)[0-9]%")

    page("#paint").click()
    page.note("#painting", "Step [1-9]")
    seen = set()
    page.until(lambda: seen.add(page("#painting img").get_attribute("src")) or len(seen) > 2)
    page.until(lambda: page("#stop").is_enabled())
    page("#stop").click()
    page.note("#painting", "Stopped: .* is kept")
    page.until(lambda: page("#painting .compare").is_displayed())
    assert page("#painting img").get_attribute("src").startswith(f"{serving.url}/pictures/")
    page.click("#details button")
    page.until(lambda: page("#details canvas, #details svg").is_displayed())

    for name in ("picture", "settings"):
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
            page.note("#photo", "The limit is 0.3 MB")
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
            page.note("#painting", "Step [1-9]" if page is first else "1 run is ahead of yours")
        second.until(lambda: second("#stop").is_enabled())
        second("#stop").click()
        second.note("#painting", "The run left the queue")
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


def covered(page):
    """Return the covered share of the photo in percent, once it is there."""
    found = page.until(lambda: re.search("covers ([0-9]+)%", page("#board .note").text))
    return int(found.group(1))


def test_the_gallery_marks_what_is_chosen(visit):
    page = visit()
    assert len(page.all("#style-1 [data-example] img")) == 9
    page.click("#style-1 [data-example=waves]")
    page.note("#style-1", "128 x 128 pixels")
    chosen = page.all("#style-1 [aria-pressed=true]")
    assert [one.get_attribute("data-example") for one in chosen] == ["waves"]


def test_an_error_names_what_is_missing_and_goes_with_its_cause(visit):
    page = visit()
    page.click("#paint")
    page.note("#painting", "Choose a photo and a style first")
    page.click("#photo [data-example=cat]")
    page.note("#painting", "^Choose a style first")
    page.click("#style-1 [data-example=ink]")
    page.until(lambda: page("#painting .note").text == "")
    page.choose("#where", "Box")
    page.click("#paint")
    page.note("#painting", "There is no region yet")
    page.drag((0.1, 0.1), (0.6, 0.6))
    page.until(lambda: page("#painting .note").text == "")


def test_progress_starts_empty_and_tells_the_remaining_time(visit, picture_file):
    page = visit()
    ready(page, picture_file)
    assert not page("#painting .bar").is_displayed()
    page.driver.execute_script(
        """window.seen = [];
        new MutationObserver(() => {
            const bar = document.querySelector("#painting .bar");
            const note = document.querySelector("#painting .note");
            const fill = bar.firstElementChild.getBoundingClientRect().width;
            seen.push([bar.ariaValueNow, fill, note.textContent]);
        }).observe(document.querySelector("#painting"), {subtree: true, childList: true,
            characterData: true, attributes: true});"""
    )
    page.click("#paint")
    page.note("#painting", "Step [0-9]+ of 400, about [0-9]+ (s|min) left")
    page.click("#stop")
    page.note("#painting", "Stopped")
    seen = page.driver.execute_script("return seen")
    (first, *_) = [one for one in seen if "Preparing" in one[2]]
    assert first[:2] == ["0", 0]
    assert not page("#painting .bar").is_displayed()


def test_before_and_after(visit, picture_file):
    page = visit()
    ready(page, picture_file, 3)
    page.click("#paint")
    page.note("#painting", "Done")
    before = page.until(lambda: page("#painting .before"))

    def clip():
        return page.driver.execute_script("return arguments[0].style.clipPath", before)

    assert clip() == "inset(0px 100% 0px 0px)"
    assert before.get_attribute("src") != page("#painting .after").get_attribute("src")
    page("#painting .compare input").send_keys(*["\ue014"] * 30)  # the right arrow key
    assert clip() == "inset(0px 70% 0px 0px)"
    frame = page("#painting .frame")
    ActionChains(page.driver).move_to_element(frame).click().perform()
    page.until(lambda: clip() == "inset(0px 50% 0px 0px)")


def test_the_last_results_and_the_same_larger(visit, picture_file):
    page = visit()
    ready(page, picture_file, 3)
    page.fill("#size input[type=number]", 64)
    for strength in (0.2, 0.9):
        page.fill("#strength input[type=number]", strength)
        page.click("#paint")
        words = f"strength {strength:g}"
        page.until(lambda words=words: words in page("#results button").text)
    first, second = page("#results button:nth-child(2)"), page("#results button")
    assert "64 px, 3 steps, strength 0.2, compact" in first.text
    newest = page("#painting .after").get_attribute("src")
    first.click()
    page.until(lambda: page("#painting .after").get_attribute("src") != newest)
    page.until(lambda: page("#results button:nth-child(2)").get_attribute("aria-pressed") == "true")
    assert second.get_attribute("aria-pressed") == "false"
    assert page("#larger").text == "The same, larger (128 pixels)"
    page.click("#larger")
    page.until(lambda: "128 px, 3 steps, strength 0.2" in page("#results button").text)
    page.until(lambda: not page.all("#larger") or not page("#larger").is_displayed())


def test_a_preset_replaces_the_settings_that_it_does_not_have(visit, picture_file):
    page = visit()
    ready(page, picture_file, 3)
    page.click("#networks > button")
    page.until(lambda: page("#preset input").is_displayed())
    page.click("#preset input")
    option = page.until(
        lambda: next(o for o in page.all("[role=option]") if "transfer-pytorch" in o.text)
    )
    option.click()
    page.until(lambda: not page.all("#own") or not page("#own").is_displayed())
    page.until(lambda: page("#steps input[type=number]").get_attribute("value") == "400")
    page.fill("#steps input[type=number]", 4)
    page.click("#paint")
    page.note("#painting", "Done: 4 steps")
    assert "style-transfer-pytorch" in page("#results button").text


def test_drawing_and_undoing(visit, picture_file):
    page = visit()
    ready(page, picture_file)
    page.choose("#where", "Brush")
    page.drag((0.2, 0.2), (0.4, 0.2))
    one = covered(page)
    page.drag((0.2, 0.8), (0.8, 0.8))
    page.until(lambda: covered(page) > one)
    page.click("#board [data-do=undo]")
    page.until(lambda: covered(page) == one)
    page.click("#board [data-do=undo]")
    page.until(lambda: page("#board .note").text == "")
    page.choose("#where", "Box")
    page.until(lambda: not page("#board [data-do=undo]").is_displayed())
    page.drag((0.25, 0.25), (0.75, 0.75))
    page.until(lambda: 24 <= covered(page) <= 26)
    page.click("#board [data-do=clear]")
    page.until(lambda: page("#board .note").text == "")


def test_tapping_the_subject(visit, picture_file):
    page = visit()
    ready(page, picture_file)
    page.choose("#where", "Tap the subject")
    page.until(lambda: "start the page with a segmentation model" in page("#board").text)
    page.drag((0.5, 0.5), (0.5, 0.5))
    page.note("#board", "Found by its colours. The region covers (1|2)[0-9]%")


def test_tapping_a_class(visit, networks, picture_file):
    def halves(picture):
        labels = np.zeros(picture.shape[:2], np.int32)
        labels[:, picture.shape[1] // 2 :] = 1
        return Segmentation(labels, ["background", "sky"])

    with Serving(networks, segmenter=halves) as serving:
        page = visit(serving.url)
        ready(page, picture_file)
        page.choose("#where", "Tap the subject")
        page.until(lambda: "All objects of its class" in page("#board").text)
        page.drag((0.9, 0.5), (0.9, 0.5))
        page.note("#board", "Found: sky. The region covers [45][0-9]%")


def test_on_a_phone_the_button_and_the_picture_are_in_reach(visit, picture_file):
    page = visit(size=PHONE)

    def inside(selector):
        box = page.driver.execute_script(
            "const b = document.querySelector(arguments[0]).getBoundingClientRect();"
            "return [b.left, b.top, b.right, b.bottom]",
            selector,
        )
        left, top, right, bottom = box
        return left >= 0 and top >= 0 and right <= PHONE[0] and bottom <= PHONE[1]

    assert inside("#paint")
    assert inside("#painting .frame")
    assert page.driver.execute_script("return document.documentElement.scrollWidth") <= PHONE[0]
    for example in page.all("#photo [data-example], #style-1 [data-example]"):
        assert min(example.size.values()) >= 40  # large enough for a finger
    ready(page, picture_file, 3)
    page.driver.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    assert inside("#paint")
    page("#paint").click()
    page.until(lambda: inside("#painting .frame"))
    page.note("#painting", "Done")


def test_the_first_picture_is_small_and_comes_early(visit, serving, picture_file):
    page = visit()
    page.click("#photo [data-example=rocket]")
    page.note("#photo", "128 x 85 pixels")
    page.click("#style-1 [data-example=waves]")
    page.note("#style-1", "pixels")
    page.click("#paint")
    page.note("#painting", "Step [1-9]")
    width = page.driver.execute_script(
        "return document.querySelector('#painting .after').naturalWidth"
    )
    assert width == 64
    page.note("#painting", "Done")
