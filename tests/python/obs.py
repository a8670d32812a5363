# SPDX-License-Identifier: MIT OR Apache-2.0
"""OBS Studio under a virtual display, with settings of its own, driven by its WebSocket."""

from __future__ import annotations

import base64
import contextlib
import json
import pathlib
import socket
from collections.abc import Iterator
from typing import Any

import onair
import pictures

SCENES = onair.ROOT / "pipelines/obs/scenes.json"
# What software rendering on two cores manages at 25 pictures a second.
WIDTH, HEIGHT = 640, 360
# What the scenes are laid out for.
LAYOUT_WIDTH = 1920


class Obs:
    """A running OBS, and the display that its window is on."""

    display = ""

    def __init__(self, port: int) -> None:
        import websocket  # python3-websocket, which only this test needs

        tcp = socket.create_connection(("127.0.0.1", port), onair.PATIENCE_SECONDS)
        try:
            self.socket = websocket.create_connection(f"ws://127.0.0.1:{port}", socket=tcp)
        except BaseException:
            tcp.close()
            raise
        self.number = 0
        json.loads(self.socket.recv())
        self.socket.send(json.dumps({"op": 1, "d": {"rpcVersion": 1, "eventSubscriptions": 0}}))
        json.loads(self.socket.recv())

    def request(self, kind: str, **data: object) -> dict[str, Any]:
        """One request of obs-websocket 5."""
        self.number += 1
        wanted = {"requestType": kind, "requestId": str(self.number), "requestData": data}
        self.socket.send(json.dumps({"op": 6, "d": wanted}))
        while True:
            reply = json.loads(self.socket.recv())["d"]
            if reply.get("requestId") == str(self.number):
                assert reply["requestStatus"]["result"], f"{kind}: {reply['requestStatus']}"
                return reply.get("responseData", {})

    def png(self, source: str) -> bytes:
        """A scene or a source as OBS shows it now."""
        reply = self.request("GetSourceScreenshot", sourceName=source, imageFormat="png")
        return base64.b64decode(reply["imageData"].split(",")[1])

    def picture(self, source: str) -> pictures.Picture:
        """The same, decoded."""
        return pictures.decode(self.png(source))


def scenes(replacements: dict[str, str]) -> str:
    """The scene collection of the scenario, laid out for the small picture and with the test's addresses."""
    text = SCENES.read_text()
    for old, new in replacements.items():
        assert old in text, f"{SCENES} does not name {old}"
        text = text.replace(old, new)
    collection = json.loads(text)
    scale = WIDTH / LAYOUT_WIDTH
    for source in collection["sources"]:
        for item in source["settings"].get("items", []):
            for place in (item["pos"], item["bounds"]):
                place.update({axis: value * scale for axis, value in place.items()})
    return json.dumps(collection)


def write_settings(home: pathlib.Path, port: int, collection: str) -> None:
    """Settings that ask no questions at the first start."""
    folder = home / ".config/obs-studio"
    for path, text in {
        "global.ini": "[General]\nFirstRun=true\nLastVersion=486539266\nEnableAutoUpdates=false\n"
        "[Basic]\nProfile=test\nProfileDir=test\nSceneCollection=test\nSceneCollectionFile=test\n"
        f"[OBSWebSocket]\nFirstLoad=false\nServerEnabled=true\nServerPort={port}\nAuthRequired=false\n",
        "basic/profiles/test/basic.ini": f"[General]\nName=test\n[Video]\nBaseCX={WIDTH}\nBaseCY={HEIGHT}\n"
        f"OutputCX={WIDTH}\nOutputCY={HEIGHT}\nFPSType=0\nFPSCommon=25 PAL\n",
        "basic/scenes/test.json": collection,
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


@contextlib.contextmanager
def running(home: pathlib.Path, collection: str) -> Iterator[Obs]:
    """OBS with that scene collection, until the test has ended."""
    port = onair.free_port()
    write_settings(home, port, collection)
    runtime = home / "run"
    runtime.mkdir(mode=0o700)
    # The server says which display it has taken.
    display = home / "display"
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(
            onair.running(
                "sh", "-c", f"exec Xvfb -displayfd 3 -screen 0 1280x800x24 +extension GLX -nolisten tcp 3>{display}"
            )
        )
        onair.wait_for("display", lambda: display.exists() and display.read_text().endswith("\n"), server)
        name = f":{display.read_text().strip()}"
        obs = stack.enter_context(
            onair.running(
                *("dbus-run-session", "--", "obs", "--multi", "--profile", "test", "--collection", "test"),
                *("--disable-updater", "--disable-shutdown-check"),
                HOME=str(home),
                XDG_CONFIG_HOME=str(home / ".config"),
                XDG_RUNTIME_DIR=str(runtime),
                DISPLAY=name,
                QT_QPA_PLATFORM="xcb",
                LIBGL_ALWAYS_SOFTWARE="1",
                GST_REGISTRY=str(home / "registry.bin"),
            )
        )

        def connect() -> Obs | None:
            try:
                return Obs(port)
            except OSError:
                return None

        client = onair.wait_for("WebSocket of OBS", connect, obs)
        stack.callback(client.socket.close)
        onair.wait_for("start of OBS", lambda: ready(client), obs)
        client.display = name
        yield client


def ready(client: Obs) -> bool:
    """Whether OBS has loaded its scenes: it refuses requests before."""
    try:
        return bool(client.request("GetSceneList")["scenes"])
    except AssertionError:
        return False
