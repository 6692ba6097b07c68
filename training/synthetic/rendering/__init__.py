"""From meshes, materials and light to pixels."""
