"""How the bundled network is made: from a pack of labelled pictures to a network file. Needs the extra `train`."""
