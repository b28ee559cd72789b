"""Headless Chromium, driven by its own protocol over a pipe: enough to open a page, move a pointer and look.

https://chromedevtools.github.io/devtools-protocol has the commands. No package is needed, only the program.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "headless_shell")


def find() -> str | None:
    """Return the program, if there is one: SERIATIM_CHROMIUM, or one of its names on PATH."""
    named = os.environ.get("SERIATIM_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """A browser with one page; what the page complains of is in ``complaints``.

    Parameters
    ----------
    program : str
        Chromium's.
    width, height : int
        Of the page.
    touch : bool
        Whether it has a finger rather than a mouse: a phone.
    dark : bool
        Whether pages are asked to be dark.
    """

    def __init__(self, program: str, width: int = 1100, height: int = 800, touch: bool = False, dark: bool = False):
        self.touch, self.complaints = touch, []
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()

        def place() -> None:
            # The program reads commands from 3 and writes answers to 4.
            given, taken = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(given, 3)
            os.dup2(taken, 4)

        self._process = subprocess.Popen(
            [
                program, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
                "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars", "--disable-background-networking",
                f"--user-data-dir={self._folder.name}", "about:blank",
            ],
            preexec_fn=place, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._number, self._rest, self._session = 0, b"", None
        page = self._until(lambda: next((t for t in self._targets() if t["type"] == "page"), None), "a page")
        self._session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=2 if touch else 1, mobile=touch,
        )  # fmt: skip
        self.call("Emulation.setTouchEmulationEnabled", enabled=touch)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
        self._folder.cleanup()

    def call(self, method: str, **given: Any) -> dict[str, Any]:
        """Give a command and return what the browser answers."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": given}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']['message']}"
                found: dict[str, Any] = answer["result"]
                return found
            self._note(answer)

    def open(self, address: str, ready: str) -> None:
        """Open a page and wait until an expression of JavaScript is true."""
        self.call("Page.navigate", url=address)
        self.wait(ready)

    def look(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript, which may be a promise."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until an expression of JavaScript is true; while a page is coming it may fail."""
        asked = f"(() => {{ try {{ return !!({expression}) }} catch {{ return false }} }})()"
        self._until(lambda: self.look(asked), f"{expression}; the page says {self.complaints}")

    def stroke(self, points: list[tuple[float, float]]) -> None:
        """Draw from point to point of the page, with the mouse or a finger."""
        if self.touch:
            kinds = ["touchStart", *["touchMove"] * (len(points) - 1)]
            for kind, (x, y) in zip(kinds, points, strict=True):
                self.call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y}])
            self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        else:
            kinds = ["mousePressed", *["mouseMoved"] * (len(points) - 1), "mouseReleased"]
            for kind, (x, y) in zip(kinds, [*points, points[-1]], strict=True):
                self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def key(self, name: str) -> None:
        """Press a key."""
        text = {"text": "\r"} if name == "Enter" else {}
        code = {"Enter": 13, "Escape": 27}[name]
        self.call("Input.dispatchKeyEvent", type="keyDown", key=name, windowsVirtualKeyCode=code, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name, windowsVirtualKeyCode=code)

    def picture(self, path: Path) -> None:
        """Write what the page shows to a file of PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _targets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("Target.getTargets")["targetInfos"]
        return found

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], 60)
            more = os.read(self._in, 1 << 20) if ready else b""
            assert more, "the browser is gone, or says nothing for a minute"
            self._rest += more
        message, self._rest = self._rest.split(b"\0", 1)
        found: dict[str, Any] = json.loads(message)
        return found

    def _note(self, event: dict[str, Any]) -> None:
        given = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(given["exceptionDetails"].get("exception", {}).get("description", given))
        elif event.get("method") == "Runtime.consoleAPICalled" and given["type"] in ("error", "warning", "assert"):
            self.complaints.append([part.get("value", part.get("description")) for part in given["args"]])
        elif event.get("method") == "Log.entryAdded" and given["entry"]["level"] in ("error", "warning"):
            self.complaints.append(given["entry"]["text"])

    def _until(self, ask: Callable[[], Any], what: str) -> Any:
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            if found := ask():
                return found
            time.sleep(0.02)
        raise AssertionError(f"a minute's wait for {what}")
