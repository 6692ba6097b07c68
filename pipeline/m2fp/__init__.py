"""M2FP: Mask2Former for human parsing ("Deep Learning Technique for Human Parsing", arXiv 2301.00394)."""
