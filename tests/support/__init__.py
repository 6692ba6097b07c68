"""What tests and benchmarks share: made-up media, scenes, cameras and weights."""
