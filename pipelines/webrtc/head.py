# SPDX-License-Identifier: MIT OR Apache-2.0
"""The pipeline of the live head, and a branch with a webrtcbin for each viewer."""

from __future__ import annotations

import pathlib
import re
import sys
import threading
from collections.abc import Callable

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import playing  # noqa: E402

GATHERING_SECONDS = 10
#: A browser that has not connected by then does not come any more: its page was closed, and nothing tells so.
CONNECTING_SECONDS = 30
QUEUE = "max-size-time=5000000000 max-size-bytes=0 max-size-buffers=0"
# Both are encoded once, for all viewers; fakesinks keep the pipeline going while there is none.
HEAD = f"""
    tee name=t
    t. ! queue ! talkinghead name=head ! queue ! videoconvert ! video/x-raw,format=I420
       ! vp8enc deadline=1 cpu-used=8 threads=2 target-bitrate=2000000 end-usage=cbr keyframe-max-dist=250
       ! tee name=video ! queue ! fakesink async=false
    t. ! queue {QUEUE} ! audioconvert ! audioresample ! audio/x-raw,rate=48000 ! opusenc
       ! tee name=audio ! queue ! fakesink async=false
"""
# The encoding's name in SDP, and what packs it.
MEDIA = {"video": ("VP8/90000", "rtpvp8pay", "picture-id-mode=15-bit"), "audio": ("opus/48000/2", "rtpopuspay", "")}


class Head:
    """One head for all viewers."""

    def __init__(self, voice: list[str], portrait: str, failed: Callable[[str], None]) -> None:
        self.pipeline = Gst.parse_launchv([*voice, "!", *HEAD.split()])
        self.element = self.pipeline.get_by_name("head")
        self.element.set_property("portrait", portrait)
        playing.watch(self.pipeline, lambda problem: failed(problem or "the voice has ended"), {})

    def play(self) -> None:
        """Starts the head; what goes wrong is told to `failed`."""
        self.pipeline.set_state(Gst.State.PLAYING)

    def stop(self) -> None:
        """Ends the head and all viewers."""
        self.pipeline.set_state(Gst.State.NULL)


class Viewer:
    """What one browser gets: a branch of the pipeline that ends with its connection."""

    def __init__(self, head: Head) -> None:
        self.pipeline = head.pipeline
        self.webrtc = Gst.ElementFactory.make("webrtcbin")
        self.webrtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.webrtc.connect("notify::connection-state", self._connection_changed)
        self.branches: list[tuple[Gst.Element, Gst.Pad, Gst.Bin]] = []
        self.left = False
        self.lock = threading.Lock()

    def answer(self, offer: str) -> str:
        """Takes a browser's offer to watch and returns the answer, with all candidates in it."""
        result, message = GstSdp.SDPMessage.new_from_text(offer)
        if result != GstSdp.SDPResult.OK or not offer.startswith("v=0"):
            raise ValueError("the offer is no SDP")
        # The browser chooses the numbers of the formats.
        types = {}
        for kind, (encoding, _, _) in MEDIA.items():
            found = re.search(rf"^a=rtpmap:(\d+) {encoding}\s*$", offer, re.MULTILINE | re.IGNORECASE)
            if found:
                types[kind] = int(found[1])
                if types[kind] > 127:
                    raise ValueError(f"the offer gives {encoding} the number {found[1]}, where 127 is the largest")
        if "video" not in types:
            raise ValueError("the browser does not offer to receive VP8")
        self.pipeline.add(self.webrtc)
        self.webrtc.sync_state_with_parent()
        for kind, number in types.items():
            self._branch(kind, number)

        gathered = threading.Event()
        self.webrtc.connect(
            "notify::ice-gathering-state",
            lambda webrtc, _: webrtc.props.ice_gathering_state == GstWebRTC.WebRTCICEGatheringState.COMPLETE
            and gathered.set(),
        )
        self._ask("set-remote-description", self._description("OFFER", message))
        reply = self._ask("create-answer", None)
        answer = reply.get_value("answer") if reply else None
        if answer is None:
            raise ValueError(f"no answer to this offer: {reply.get_value('error').message if reply else 'refused'}")
        self._ask("set-local-description", answer)
        if not gathered.wait(GATHERING_SECONDS):
            raise TimeoutError("no address was found where the browser could connect")
        GLib.timeout_add_seconds(CONNECTING_SECONDS, self._give_up)
        return self.webrtc.props.local_description.sdp.as_text()

    @staticmethod
    def _description(kind: str, message: GstSdp.SDPMessage) -> GstWebRTC.WebRTCSessionDescription:
        return GstWebRTC.WebRTCSessionDescription.new(getattr(GstWebRTC.WebRTCSDPType, kind), message)

    def _ask(self, signal: str, argument: object) -> Gst.Structure | None:
        promise = Gst.Promise.new()
        self.webrtc.emit(signal, argument, promise)
        promise.wait()
        return promise.get_reply()

    def _branch(self, kind: str, number: int) -> None:
        encoding, payloader, settings = MEDIA[kind]
        # A viewer that does not keep up loses packets; the others do not wait for it.
        part = Gst.parse_bin_from_description(
            f"queue leaky=downstream max-size-time=1000000000 max-size-bytes=0 max-size-buffers=0"
            f" ! {payloader} pt={number} {settings} ! capsfilter caps=application/x-rtp,media={kind},"
            f"payload={number},encoding-name={encoding.split('/')[0].upper()}",
            True,
        )
        self.pipeline.add(part)
        to = self.webrtc.request_pad_simple("sink_%u")
        part.get_static_pad("src").link(to)
        to.get_property("transceiver").set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
        part.sync_state_with_parent()
        tee = self.pipeline.get_by_name(kind)
        pad = tee.request_pad_simple("src_%u")
        pad.link(part.get_static_pad("sink"))
        self.branches.append((tee, pad, part))

    def _connection_changed(self, webrtc: Gst.Element, _: object) -> None:
        states = GstWebRTC.WebRTCPeerConnectionState
        if webrtc.props.connection_state in (states.FAILED, states.CLOSED, states.DISCONNECTED):
            # Not here: an element cannot be stopped by its own thread.
            GLib.idle_add(self.leave)

    def _give_up(self) -> bool:
        if self.webrtc.props.connection_state != GstWebRTC.WebRTCPeerConnectionState.CONNECTED:
            self.leave()
        return GLib.SOURCE_REMOVE

    def leave(self) -> bool:
        """Takes the viewer out of the pipeline, which goes on. May be called more than once."""
        with self.lock:
            if self.left:
                return GLib.SOURCE_REMOVE
            self.left = True
        for tee, pad, part in self.branches:
            unlinked = threading.Event()

            def unlink(pad: Gst.Pad, _: Gst.PadProbeInfo, part: Gst.Bin = part, done: object = unlinked) -> object:
                pad.unlink(part.get_static_pad("sink"))
                done.set()
                return Gst.PadProbeReturn.REMOVE

            pad.add_probe(Gst.PadProbeType.IDLE, unlink)
            unlinked.wait(5)
            tee.release_request_pad(pad)
        for element in [self.webrtc, *(part for _, _, part in self.branches)]:
            element.set_state(Gst.State.NULL)
            self.pipeline.remove(element)
        return GLib.SOURCE_REMOVE
