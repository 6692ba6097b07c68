"""Where the files of the checkout are."""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
GOLDEN = ROOT / "tests" / "golden"
STREET = ROOT / "sample_videos" / "street.mp4"
