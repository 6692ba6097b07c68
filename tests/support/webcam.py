"""The path of a camera that `fake_camera.c` makes up."""

DEVICE = "/dev/video97"
