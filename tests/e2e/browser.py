"""A real browser, Debian's Chromium, at the console of a server."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, async_playwright, expect

CHROMIUM = shutil.which("chromium")
WIDTHS = {"desktop": 1200, "phone": 390}
PATIENCE_MS = 60_000
"""For whatever a page does. A busy machine takes more than Playwright's five seconds."""
expect.set_options(timeout=PATIENCE_MS)

_DEVICES = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
"""A camera that shows a moving shape, and nobody to ask whether the page may use it."""

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="chromium is not installed; CI runs this test"
)


@asynccontextmanager
async def page_of_a_browser(
    width: str = "desktop",
    scheme: str = "light",
    *,
    insecure: bool = False,
    expected: tuple[str, ...] = (),
    scripts: bool = True,
    hears: Path | None = None,
) -> AsyncIterator[Page]:
    """An empty page. It fails at the end if the browser reported an error, such as what the policy of a page refuses.

    Args:
        width: Of ``WIDTHS``.
        scheme: light or dark.
        insecure: Whether certificates of any CA are trusted.
        expected: Parts of errors that the test causes, such as that of a server that is away.
        scripts: Whether the browser runs those of the page. Without them axe-core cannot look at it.
        hears: WAV file that its microphone hears, once; it has a camera then, too. None for neither.
    """
    assert CHROMIUM is not None, "chromium is not installed"
    async with async_playwright() as playwright:
        # Root may start Chromium only without its sandbox; it opens nothing here but our own pages.
        devices = [] if hears is None else [*_DEVICES, f"--use-file-for-fake-audio-capture={hears}%noloop"]
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *devices])
        size = {"width": WIDTHS[width], "height": 800}
        context = await browser.new_context(
            viewport=size,  # type: ignore[arg-type]
            color_scheme=scheme,  # type: ignore[arg-type]
            locale="en-US",
            ignore_https_errors=insecure,
            java_script_enabled=scripts,
        )
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        yield page
        await browser.close()
    unexpected = [problem for problem in problems if not any(part in problem for part in expected)]
    assert not unexpected, unexpected


async def assert_accessible(page: Page) -> None:
    """No rule of WCAG that axe-core knows is broken, and nothing reaches beyond the width of the page."""
    found = await Axe().run(page)
    assert not found.violations_count, found.generate_report()
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await page.evaluate(overflow) <= 0
