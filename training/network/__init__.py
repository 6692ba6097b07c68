"""The bundled network in torch: its layers, its weights, and its way to a network file."""
