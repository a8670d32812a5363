# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the package says without GStreamer: `unittest`, so that the distribution's Python runs it as it is."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gst_portrait import __main__ as program  # noqa: E402
from gst_portrait import _plugin, doctor, packages  # noqa: E402


class Packages(unittest.TestCase):
    def on(self, text: str) -> str | None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "os-release"
            file.write_text(text, encoding="utf-8")
            return packages.distribution(file)

    def test_a_distribution_that_is_like_another_has_its_packages(self) -> None:
        self.assertEqual(self.on("ID=debian\n"), "debian")
        self.assertEqual(self.on('ID=ubuntu\nID_LIKE="debian"\n'), "debian")
        self.assertEqual(self.on('ID="rocky"\nID_LIKE="rhel centos fedora"\n'), "fedora")
        self.assertIsNone(self.on("ID=plan9\n"))

    def test_what_is_missing_is_named_with_the_command_that_brings_it(self) -> None:
        self.assertEqual(
            packages.install_line("avenc_aac", "debian"),
            "install gstreamer1.0-libav (`sudo apt-get install gstreamer1.0-libav`)",
        )
        self.assertIn("sudo dnf install gstreamer1-plugins-ugly", packages.install_line("x264enc", "fedora"))
        self.assertEqual(
            packages.install_line("x264enc", "plan9"), "install what Debian has as gstreamer1.0-plugins-ugly"
        )

    def test_all_that_is_looked_for_has_a_package(self) -> None:
        for thing in (*doctor.FILM, *doctor.HEAD, *doctor.USES, *doctor.BINDINGS, "gi", "libheif.so.1"):
            for name in ("debian", "fedora", "arch"):
                self.assertTrue(packages.package(thing, name), thing)


class Plugin(unittest.TestCase):
    def test_the_plugin_that_came_along_goes_first_once(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            plugins = Path(folder) / "lib" / "gstreamer-1.0"
            plugins.mkdir(parents=True)
            (plugins / "libgstportrait.so").touch()
            with (
                mock.patch.object(_plugin, "_HERE", Path(folder)),
                mock.patch.dict(os.environ, {"GST_PLUGIN_PATH": "/other"}),
                mock.patch.dict(sys.modules),
            ):
                sys.modules.pop("gi.repository.Gst", None)
                self.assertEqual(_plugin.setup(), plugins)
                self.assertEqual(_plugin.setup(), plugins)
                self.assertEqual(os.environ["GST_PLUGIN_PATH"], f"{plugins}:/other")

    def test_without_one_nothing_is_set(self) -> None:
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(_plugin, "_HERE", Path(folder)):
            before = os.environ.get("GST_PLUGIN_PATH")
            self.assertIsNone(_plugin.setup())
            self.assertIsNone(_plugin.program())
            self.assertEqual(os.environ.get("GST_PLUGIN_PATH"), before)


class Doctor(unittest.TestCase):
    def test_a_processor_that_is_too_old_or_slow_is_told(self) -> None:
        with mock.patch.object(doctor.platform, "machine", return_value="x86_64"):
            self.assertIs(doctor._processor("flags\t: sse sse4_1 avx2\n").there, True)
            self.assertIsNone(doctor._processor("flags\t: sse sse4_1\n").there)
            self.assertIs(doctor._processor("flags\t: sse\n").there, False)
            self.assertIs(doctor._processor("").there, True)
        with mock.patch.object(doctor.platform, "machine", return_value="aarch64"):
            self.assertIs(doctor._processor("").there, False)

    def test_a_pack_is_found_where_the_plugin_finds_it(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            plugin = types.SimpleNamespace(get_filename=lambda: str(folder / "lib" / "gstreamer-1.0" / "libgstportrait.so"))
            registry = types.SimpleNamespace(find_plugin=lambda _: plugin)
            gst = types.SimpleNamespace(
                ElementFactory=types.SimpleNamespace(make=lambda *_: object()),
                Registry=types.SimpleNamespace(get=lambda: registry),
            )
            for root in (folder / "share" / "gst-portrait" / "packs", folder / "mine"):
                with mock.patch.dict(os.environ, {"GST_PORTRAIT_PACK_PATH": f"/no/such:{folder / 'mine'}"}):
                    if root.name == "packs":
                        absent = doctor._pack(gst)
                        self.assertIsNone(absent.there)
                        self.assertIn("GST_PORTRAIT_PACK_PATH", absent.detail)
                    (root / "lite").mkdir(parents=True)
                    (root / "lite" / "pack.toml").touch()
                    self.assertEqual(doctor._pack(gst), doctor.Finding("model pack", True, str(root / "lite")))

    def test_a_browser_needs_more_than_webrtcbin(self) -> None:
        def require(namespace: str, _: str) -> None:
            raise ValueError(f"Namespace {namespace} not available")

        with mock.patch.dict(sys.modules, {"gi": types.SimpleNamespace(require_version=require)}):
            line = doctor._bindings("GstWebRTC", doctor.BINDINGS["GstWebRTC"]).line()
        self.assertRegex(line, r"^absent   GstWebRTC for Python \(live in a browser\): install ")
        self.assertIn("nicesink", doctor.USES)

    def test_without_bindings_it_says_how_to_have_them(self) -> None:
        out = io.StringIO()
        with (
            mock.patch.object(doctor, "gstreamer", side_effect=_plugin.MissingError("no gi: install python3-gi")),
            contextlib.redirect_stdout(out),
        ):
            self.assertEqual(doctor.run(), 1)
        self.assertIn("MISSING  GStreamer for Python: no gi: install python3-gi", out.getvalue())

    def test_commands_that_are_none_are_told(self) -> None:
        error = io.StringIO()
        with contextlib.redirect_stderr(error):
            self.assertEqual(program.main(["docter"]), 2)
        self.assertIn("doctor", error.getvalue())


if __name__ == "__main__":
    unittest.main()
