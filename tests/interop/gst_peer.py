"""A GStreamer webrtcbin as WHIP publisher or WHEP viewer, for Debian's own Python (its bindings live there).

`gst_peer.py publish|watch URL [TOKEN]`: prints `answered`, then as a viewer `frames N` for each ten decoded frames.
"""

from __future__ import annotations

import sys
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402  versions come first

HTTP_S = 20
PUBLISH = """
webrtcbin name=peer bundle-policy=max-bundle
videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=15/1
 ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=300
 ! video/x-h264,profile=constrained-baseline
 ! rtph264pay config-interval=-1 ! application/x-rtp,media=video,encoding-name=H264,payload=96 ! peer.
audiotestsrc is-live=true wave=silence ! opusenc ! rtpopuspay
 ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! peer.
"""
VIDEO = (
    "application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000,packetization-mode=(string)1,"
    "profile-level-id=(string)42e01f,rtcp-fb-nack-pli=(boolean)true"
)
AUDIO = "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,encoding-params=(string)2"


class Peer:
    def __init__(self, role: str, url: str, token: str) -> None:
        self.url, self.token = url, token
        self.frames = 0
        self.posted = False
        if role == "publish":
            self.pipe = Gst.parse_launch(PUBLISH)
            self.webrtc = self.pipe.get_by_name("peer")
        else:
            self.pipe = Gst.Pipeline()
            self.webrtc = Gst.ElementFactory.make("webrtcbin", "peer")
            self.webrtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
            self.pipe.add(self.webrtc)
            for caps in (AUDIO, VIDEO):
                direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
                self.webrtc.emit("add-transceiver", direction, Gst.Caps.from_string(caps))
            self.webrtc.connect("pad-added", self.on_pad)
        self.webrtc.connect("on-negotiation-needed", self.on_negotiation)
        self.webrtc.connect("notify::ice-gathering-state", self.on_gathering)
        bus = self.pipe.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.on_error)

    def on_negotiation(self, _element: object) -> None:
        self.webrtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer, None))

    def on_offer(self, promise: Gst.Promise, _data: object) -> None:
        promise.wait()
        reply = promise.get_reply()
        self.offer = reply["offer"]
        done = Gst.Promise.new()
        self.webrtc.emit("set-local-description", self.offer, done)
        done.interrupt()

    def on_gathering(self, _element: object, _property: object) -> None:
        if self.webrtc.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self.post)

    def post(self) -> bool:
        if self.posted:
            return False
        self.posted = True
        headers = {"Content-Type": "application/sdp"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        body = self.webrtc.get_property("local-description").sdp.as_text().encode()
        request = urllib.request.Request(self.url, data=body, headers=headers, method="POST")
        with urllib.request.urlopen(request, timeout=HTTP_S) as response:
            text = response.read()
        _, message = GstSdp.SDPMessage.new()
        GstSdp.sdp_message_parse_buffer(text, message)
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.webrtc.emit("set-remote-description", answer, Gst.Promise.new())
        print("answered", flush=True)
        return False

    def on_pad(self, _element: object, pad: Gst.Pad) -> None:
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        decode = Gst.ElementFactory.make("decodebin", None)
        decode.connect("pad-added", self.on_decoded)
        self.pipe.add(decode)
        decode.sync_state_with_parent()
        pad.link(decode.get_static_pad("sink"))

    def on_decoded(self, _element: object, pad: Gst.Pad) -> None:
        sink = Gst.ElementFactory.make("fakesink", None)
        sink.set_property("sync", False)
        if pad.get_current_caps().get_structure(0).get_name().startswith("video/"):
            sink.set_property("signal-handoffs", True)
            sink.connect("handoff", self.on_frame)
        self.pipe.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))

    def on_frame(self, *_: object) -> None:
        self.frames += 1
        if self.frames % 10 == 0:
            print(f"frames {self.frames}", flush=True)

    def on_error(self, _bus: object, message: Gst.Message) -> None:
        sys.exit(f"gst_peer: {message.parse_error()}")


def main() -> None:
    Gst.init(None)
    role, url, *rest = sys.argv[1:]
    peer = Peer(role, url, rest[0] if rest else "")
    peer.pipe.set_state(Gst.State.PLAYING)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
