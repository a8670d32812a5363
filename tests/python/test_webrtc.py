# SPDX-License-Identifier: MIT OR Apache-2.0
"""A real browser shows the live head of `pipelines/webrtc`, and its slider changes the element.

Run: GST_PLUGIN_PATH=target/debug /usr/bin/python3 -m unittest discover --start-directory tests/python
SCREENSHOT=FILE.png keeps what the browser showed.
"""

from __future__ import annotations

import base64
import json
import os
import pathlib
import shutil
import tempfile
import unittest
import urllib.error
import urllib.request
from typing import Any

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

import onair  # noqa: E402
import pictures  # noqa: E402

# No connections to anybody but this machine; as root there is no sandbox.
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync --disable-dev-shm-usage --window-size=1100,760"
).split()
# Where the mouth is in the bundled photo's crop.
MOUTH = (0.38, 0.60, 0.62, 0.76)
ARROW_LEFT = "\ue012"
ARROW_RIGHT = "\ue014"


def call(method: str, url: str, body: object = None, kind: str = "application/json") -> Any:
    """A request with JSON on both ways."""
    data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, method=method, data=data, headers={"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


class Browser:
    """Chromium, driven by the WebDriver protocol."""

    def __init__(self, port: int, profile: str) -> None:
        options = {"binary": shutil.which("chromium"), "args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        base = f"http://127.0.0.1:{port}/session"
        self.session = f"{base}/{call('POST', base, wanted)['value']['sessionId']}"

    def open(self, url: str) -> None:
        call("POST", f"{self.session}/url", {"url": url})

    def evaluate(self, script: str) -> Any:
        return call("POST", f"{self.session}/execute/sync", {"script": script, "args": []})["value"]

    def type_into(self, element_id: str, keys: str) -> None:
        found = call("POST", f"{self.session}/element", {"using": "css selector", "value": f"#{element_id}"})
        element = next(iter(found["value"].values()))
        call("POST", f"{self.session}/element/{element}/value", {"text": keys})

    def screenshot(self) -> bytes:
        return base64.b64decode(call("GET", f"{self.session}/screenshot")["value"])

    def picture(self) -> pictures.Picture:
        """What the video element shows now."""
        png = self.evaluate(
            "const v = document.getElementById('head'), c = document.createElement('canvas');"
            "c.width = v.videoWidth; c.height = v.videoHeight; c.getContext('2d').drawImage(v, 0, 0);"
            "return c.toDataURL('image/png').split(',')[1]"
        )
        return pictures.decode(base64.b64decode(png))

    def frames(self) -> int:
        """How many pictures the video element has shown."""
        return self.evaluate("return document.getElementById('head').getVideoPlaybackQuality().totalVideoFrames")


class WebRtc(unittest.TestCase):
    """One server and one browser for all."""

    @classmethod
    def setUpClass(cls) -> None:
        onair.need_programs("chromium", "chromedriver")
        onair.need_element("nicesink")
        onair.need_element("webrtcbin")
        Gst.init(None)
        cls.port = onair.free_port()
        cls.server = cls.enterClassContext(onair.running(onair.script("webrtc"), PORT=str(cls.port)))
        onair.wait_for("server", lambda: "open http://" in cls.server.said(), cls.server)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def property(self, name: str) -> Any:
        return next(p["value"] for p in call("GET", self.url("/properties")) if p["name"] == name)

    def test_a_browser_shows_the_head_and_steers_it(self) -> None:
        port = onair.free_port()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, onair.running(
            "chromedriver", f"--port={port}"
        ) as driver:
            onair.wait_for("WebDriver", lambda: self.ready(port), driver)
            browser = Browser(port, profile)
            browser.open(self.url("/"))
            onair.wait_for("pictures in the browser", lambda: browser.frames() > 10, self.server)
            seen = []
            for _ in range(8):
                before = browser.frames()
                seen.append(browser.picture())
                onair.wait_for("next pictures", lambda before=before: browser.frames() > before + 3, self.server)
            self.assertEqual((512, 512), (seen[0].width, seen[0].height))
            moved = max(pictures.difference(seen[0], other, MOUTH) for other in seen[1:])
            self.assertGreater(moved, 4, "the mouth does not move")

            # The slider under the user's own keys, then the list.
            self.assertEqual(1, self.property("emotion-intensity"))
            browser.type_into("emotion-intensity", ARROW_LEFT * 5)
            onair.wait_for("change", lambda: abs(self.property("emotion-intensity") - 0.95) < 1e-3, self.server)
            browser.type_into("emotion", "happy")
            onair.wait_for("change", lambda: self.property("emotion") == "happy", self.server)

            for name in ("gaze-yaw", "yaw"):
                browser.type_into(name, ARROW_RIGHT * 5)
                onair.wait_for("change", lambda name=name: self.property(name) > 2.5, self.server)

            # Every control that the server names is on the page.
            names = {control["name"] for control in call("GET", self.url("/properties"))}
            shown = browser.evaluate("return [...document.querySelectorAll('form [id]')].map(e => e.id)")
            self.assertEqual(names, set(shown))
            self.assertIn("emotion-intensity", names)
            if "SCREENSHOT" in os.environ:
                pathlib.Path(os.environ["SCREENSHOT"]).write_bytes(browser.screenshot())

            # A viewer that goes away and comes back is served again.
            browser.open("about:blank")
            browser.open(self.url("/"))
            onair.wait_for("pictures after coming back", lambda: browser.frames() > 5, self.server)
            call("DELETE", browser.session)

    def ready(self, port: int) -> bool:
        try:
            return call("GET", f"http://127.0.0.1:{port}/status")["value"]["ready"]
        except OSError:
            return False

    def test_what_cannot_be_set_is_refused_with_a_reason(self) -> None:
        for body, said in (
            ({"name": "emotion-intensity", "value": 3}, "is beyond its range, 0 to 1"),
            ({"name": "emotion", "value": "cross"}, "takes one of neutral"),
            ({"name": "portrait", "value": "/etc/passwd"}, "no control"),
            ({"value": 1}, "name"),
        ):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                call("POST", self.url("/properties"), body)
            self.assertEqual(400, caught.exception.code)
            self.assertIn(said, json.load(caught.exception)["error"])

    def test_an_offer_that_is_none_is_refused(self) -> None:
        for offer, kind, status in (("hello", "application/sdp", 400), ("v=0", "text/plain", 415)):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                call("POST", self.url("/whep"), offer, kind)
            self.assertEqual(status, caught.exception.code)
            caught.exception.close()
