"""How smooth the page of 10,000 studies is: `python -m tests.browser.smoothness`, after `make web`.

Scrolls through all of them by wheel, from the first to the last, then searches by typing, while
Chromium traces. A frame's time is its whole way through the pipeline, from its beginning to the
picture on the screen, as the trace has it; fails if one took longer than 100 ms.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from dicom_router.database import Database
from tests.support.browser import ADMIN, chromium, missing, sitting_at
from tests.support.many import add_studies
from tests.support.router import EMBEDDED, running

LONGEST_FRAME_MS = 100.0
WHEEL_PX = 1200
CATEGORIES = ["benchmark", "cc", "toplevel", "devtools.timeline", "blink.user_timing"]
A_FRAME = "() => new Promise(done => requestAnimationFrame(done))"


@dataclass
class Smoothness:
    """The frames of one thing that was done, in milliseconds."""

    frames: list[float]
    tasks: list[float]  # of the page's main thread

    @property
    def longest(self) -> float:
        """The longest frame."""
        return max(self.frames, default=0.0)

    def __str__(self) -> str:
        """For a person."""
        ordered = sorted(self.frames)
        middle = ordered[len(ordered) // 2] if ordered else 0.0
        high = ordered[int(len(ordered) * 0.99)] if ordered else 0.0
        return (
            f"{len(ordered)} frames: median {middle:.1f} ms, 99th percentile {high:.1f} ms, "
            f"longest {self.longest:.1f} ms; longest task {max(self.tasks, default=0.0):.1f} ms"
        )


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.smoothness", description=__doc__)
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--trace", type=Path, help="a folder for the traces, for chrome://tracing")
    given = parser.parse_args()
    if reason := missing():
        sys.stderr.write(f"{reason}\n")
        return 1
    with (
        tempfile.TemporaryDirectory() as scratch,
        running(Path(scratch), EMBEDDED) as router,
        chromium() as browser,
        sitting_at(browser, router.url, ADMIN, viewport={"width": 1440, "height": 900}) as page,
    ):
        database = Database(f"sqlite:///{router.data / '.router.sqlite3'}")
        add_studies(database, given.studies, newest=datetime.now(UTC))
        database.close()
        measured = dict(measure(browser, page, given.studies, given.trace))
    for what, smoothness in measured.items():
        sys.stdout.write(f"{what}: {smoothness}\n")
    return int(any(each.longest > LONGEST_FRAME_MS for each in measured.values()))


def measure(
    browser: Browser, page: Page, studies: int, folder: Path | None = None
) -> Iterator[tuple[str, Smoothness]]:
    """Scroll through the newest so many studies and search them; a folder is for the traces."""
    page.goto("/studies")
    expect(page.get_by_role("row").filter(has_text="MUITOS 0000")).to_be_visible()
    for what, does in (("scrolling", _scroll), ("searching", _search)):
        found = Smoothness([], [])
        with _traced(browser, page, folder and folder / f"{what}.json", found):
            does(page, studies)
        yield what, found


def _scroll(page: Page, studies: int) -> None:
    """To the last study, page after page as they are loaded."""
    page.get_by_role("region", name="Studies; arrow keys move").hover()
    last = page.get_by_role("row").filter(has_text=f"MUITOS {studies - 1:04}")
    while not last.count():
        page.mouse.wheel(0, WHEEL_PX)
        page.evaluate(A_FRAME)


def _search(page: Page, _studies: int) -> None:
    """Key by key, with what is found drawn between them; then all of it again."""
    box = page.get_by_role("searchbox", name="Search")
    box.press_sequentially("muitos 07", delay=120)
    expect(page.get_by_role("row").filter(has_text="MUITOS 0700")).to_be_visible()
    box.fill("")
    expect(page.get_by_role("row").filter(has_text="MUITOS 0000")).to_be_visible()


@contextmanager
def _traced(browser: Browser, page: Page, path: Path | None, found: Smoothness) -> Iterator[None]:
    browser.start_tracing(page=page, categories=CATEGORIES)
    yield
    trace = browser.stop_tracing()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(trace)
    events = json.loads(trace)["traceEvents"]
    found.frames += _frames(events)
    found.tasks += _tasks(events)


def _frames(events: list[dict[str, Any]]) -> Iterator[float]:
    """From each frame's beginning until it was shown; those that changed nothing are left out."""
    begun: dict[tuple[int, str], float] = {}
    for each in events:
        if each["name"] != "PipelineReporter":
            continue
        key = (each["pid"], str(each.get("id2", each.get("id"))))
        if each["ph"] == "b":
            report = each["args"].get("chrome_frame_reporter") or each["args"].get("frame_reporter")
            if report and report["state"].startswith("STATE_PRESENTED"):
                begun[key] = each["ts"]
        elif each["ph"] == "e" and key in begun:
            yield (each["ts"] - begun.pop(key)) / 1000


def _tasks(events: list[dict[str, Any]]) -> Iterator[float]:
    """How long each task on a page's main thread took."""
    main = {
        (each["pid"], each["tid"])
        for each in events
        if each["name"] == "thread_name" and each["args"]["name"] == "CrRendererMain"
    }
    for each in events:
        if each["ph"] == "X" and (each["pid"], each["tid"]) in main and "RunTask" in each["name"]:
            yield each.get("dur", 0) / 1000


if __name__ == "__main__":
    sys.exit(main())
