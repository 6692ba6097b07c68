"""A camera made of GStreamer's RTSP server, to see that ours is not only right by our own standards.

    /usr/bin/python3 gstreamer.py gstreamer CLIP PORT

Run by the system's Python, which has GStreamer's bindings. It sends a test pattern with telephone sound, not the clip.
"""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PIPELINE = (
    "( videotestsrc is-live=true ! video/x-raw,width=128,height=96,framerate=25/1"
    " ! x264enc tune=zerolatency key-int-max=25 ! rtph264pay name=pay0 pt=96"
    " audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay1 pt=8 )"
)


def main() -> None:
    Gst.init(None)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(PIPELINE)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[3])
    server.get_mount_points().add_factory("/1", factory)
    server.attach(None)
    loop = GLib.MainLoop()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.quit())).start()
    print("up", flush=True)
    loop.run()


if __name__ == "__main__":
    main()
