"""Where the files of the checkout are."""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
GOLDEN = ROOT / "tests" / "golden"
STREET = ROOT / "sample_videos" / "street.mp4"
PEOPLE = ROOT / "sample_videos" / "people.mp4"
"""Two people, near: the parser sees somebody in each of its pictures, at any size, which `STREET` is not for."""
