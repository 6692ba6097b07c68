"""A child process that sends back all it gets."""

from streamer.processes.parent import Parent


def serve(parent: Parent) -> None:
    while True:
        parent.send(parent.receive())
