"""PyAV's containers and their streams refer to each other: left so, an encoder and its threads stay until Python
looks for circles, which after a few recordings are dozens of threads."""

import gc

from av.container import InputContainer, OutputContainer


def break_circle(container: InputContainer | OutputContainer) -> None:
    """Has a container forget its streams; for one that is closed, or that is written no more. Streams and what is
    encoded by them go on as long as somebody holds them."""
    for held in gc.get_referents(container.streams):
        if isinstance(held, list):
            held.clear()
