"""A parsing as data for other programs: parts with boxes, areas and masks, run lengths, polygons, COCO."""
