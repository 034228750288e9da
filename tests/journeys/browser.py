"""Chromium as a person uses it: typed keys and clicks over its own debugging protocol, and what it complains of."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
from websockets.sync.client import connect

from services.processes import die_with_parent

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECONDS = 60.0
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-quic",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
T = TypeVar("T")


class Browser:
    """One page of one browser with a profile of its own."""

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None
        command = [CHROMIUM, *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent
        )
        port = waited(lambda: _port(profile))
        pages = waited(lambda: [one for one in _targets(port) if one["type"] == "page"])
        self._held = ExitStack()
        self._line = self._held.enter_context(connect(pages[0]["webSocketDebuggerUrl"], max_size=None))
        self._number = 0
        self.complaints: list[str] = []
        for domain in ("Page", "Log", "Runtime", "Accessibility"):
            self.tell(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command to its answer; entries of the browser's log on the way are kept as complaints."""
        self._number += 1
        self._line.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._line.recv(timeout=SECONDS))
            if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.complaints.append(message["params"]["entry"]["text"])
            if message.get("id") == self._number:
                assert "error" not in message, message
                found: dict[str, Any] = message["result"]
                return found

    def go(self, url: str) -> None:
        self.tell("Page.navigate", url=url)
        self.settled()

    def settled(self) -> None:
        """Wait until the page that is shown is whole."""
        time.sleep(0.1)
        waited(lambda: self.ask("document.readyState") == "complete")

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page: the test's eye, which the page's policy does not bind."""
        return self.tell("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def press(self, key: str) -> None:
        code = {"Tab": 9, "Enter": 13, " ": 32}[key]
        text = {"Enter": "\r", " ": " "}.get(key)
        pressed = {"key": key, "windowsVirtualKeyCode": code, **({"text": text} if text else {})}
        self.tell("Input.dispatchKeyEvent", type="keyDown", **pressed)
        self.tell("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        self.tell("Input.insertText", text=text)

    def tab_to(self, words: str, most: int = 80) -> None:
        """Walk with the Tab key to the element that is called so."""
        for _ in range(most):
            self.press("Tab")
            if words in (self.ask(FOCUSED) or ""):
                return
        raise AssertionError(f"the keyboard does not reach {words!r}")

    def enter(self) -> None:
        """Follow what has the focus."""
        before = self.ask("performance.timeOrigin")
        self.press("Enter")
        waited(lambda: self.ask("performance.timeOrigin") != before)
        self.settled()

    def nameless(self) -> list[str]:
        """What a screen reader would meet without being told what it is."""
        nodes = self.tell("Accessibility.getFullAXTree")["nodes"]
        wanted = {"link", "button", "textbox", "searchbox", "combobox", "checkbox", "radio", "navigation", "region"}
        return [
            node["role"]["value"]
            for node in nodes
            if not node["ignored"] and node["role"]["value"] in wanted and not node["name"].get("value")
        ]


FOCUSED = """(() => {
  const at = document.activeElement;
  if (!at) return '';
  return ((at.labels && at.labels[0] || at).innerText || '') + ' ' + (at.id || '');
})()"""


def waited(ask: Callable[[], T]) -> T:
    """What is asked for, once it is there."""
    deadline = time.monotonic() + SECONDS
    while not (found := _asked(ask)):
        assert time.monotonic() < deadline, "the browser did not come to it"
        time.sleep(0.05)
    return found


def _asked(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except (OSError, httpx.HTTPError):
        return None


def _port(profile: Path) -> int | None:
    lines = (profile / "DevToolsActivePort").read_text().split()
    return int(lines[0]) if lines else None


def _targets(port: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"http://127.0.0.1:{port}/json", timeout=10).json()
    return found
