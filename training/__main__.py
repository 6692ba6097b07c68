"""python -m training COMMAND: makes the bundled network, its labels, its figures, and pictures to train on."""

import importlib
import sys

COMMANDS = {
    "train": "from a pack of labelled pictures to a network file",
    "label": "a part of a pack from pictures, labelled by networks that have to agree",
    "relabel": "a pack with labels corrected by a pose and by a network that was trained on it",
    "synthesize": "a part of a pack: synthetic people with exact labels",
    "mix": "the mean of networks' weights, as a network file",
    "measure": "scores of network files, side by side",
}


def main() -> int:
    name, rest = (sys.argv[1] if sys.argv[1:] else "--help"), sys.argv[2:]
    if name in COMMANDS:
        return int(importlib.import_module(f"training.commands.{name}").main(rest))
    lines = [f"  {command:10} {text}" for command, text in COMMANDS.items()]
    usage = "\n".join(["usage: python -m training COMMAND ...; COMMAND --help tells its options", *lines])
    if name in ("-h", "--help"):
        print(usage)
        return 0
    print(f"no command {name!r}\n{usage}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
