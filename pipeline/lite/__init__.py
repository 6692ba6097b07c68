"""The bundled parser: its network file, and how to read what the network says."""
