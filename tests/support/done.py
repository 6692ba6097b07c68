"""The inside of a job's process that has done its job at once."""

import json

from streamer.processes.parent import Parent


def serve(parent: Parent) -> None:
    parent.receive()
    parent.send(json.dumps({"ended": {}}).encode())
