"""HDR video as an ordinary display shows it, and colours of an ordinary display as HDR video has them.

Coded values are R'G'B' from 0 to 1; light is linear, in candela a square metre (nits). Sources: ITU-R BT.2100-2 (PQ and
HLG), BT.2390-10 section 5.4.1 (the roll-off), BT.2408-7 (diffuse white at 203 nits), BT.2087 (the primaries).
"""

import numpy as np
from numpy.typing import NDArray

Colours = NDArray[np.float64]
"""(..., 3): red, green, blue."""

PQ, HLG = 16, 18
"""H.273's numbers of transfer characteristics."""
HDR = frozenset({PQ, HLG})
WHITE_NITS = 203.0
"""A white wall of HDR video; what is brighter are lamps and reflections."""
USUAL_PEAK_NITS = 1000.0
MAX_NITS = 10_000.0

_DISPLAY_GAMMA = 2.4
_HLG_GAMMA = 1.2
_M1, _M2 = 2610 / 16384, 128 * 2523 / 4096
_C1, _C2, _C3 = 3424 / 4096, 32 * 2413 / 4096, 32 * 2392 / 4096
_A = 0.17883277
_B, _C = 1 - 4 * _A, 0.5 - _A * np.log(4 * _A)
_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593])
_TO_709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]]
)
_TO_2020 = np.linalg.inv(_TO_709)


def to_sdr(coded: Colours, transfer: int, peak_nits: float = USUAL_PEAK_NITS) -> Colours:
    """Coded values of HDR with BT.2020 primaries as coded values of BT.709 that look alike.

    Args:
        transfer: PQ or HLG.
        peak_nits: the brightest that there is.
    """
    nits = _pq_nits(coded) if transfer == PQ else _hlg_nits(coded)
    brightest = nits.max(axis=-1, keepdims=True)
    # All three by the same factor, so that hues stay.
    scale = _rolled_off(brightest, max(peak_nits, WHITE_NITS)) / np.maximum(brightest, 1e-9)
    linear = np.clip((nits * scale / WHITE_NITS) @ _TO_709.T, 0, 1)
    return np.asarray(linear ** (1 / _DISPLAY_GAMMA))


def from_sdr(coded: Colours, transfer: int) -> Colours:
    """Coded values of BT.709 as coded values of HDR with BT.2020 primaries; white has 203 nits.

    Args:
        transfer: PQ or HLG.
    """
    nits = (np.clip(coded, 0, 1) ** _DISPLAY_GAMMA * WHITE_NITS) @ _TO_2020.T
    return _pq_coded(nits) if transfer == PQ else _hlg_coded(nits)


def _pq_nits(coded: Colours) -> Colours:
    power = np.clip(coded, 0, 1) ** (1 / _M2)
    return np.asarray(MAX_NITS * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1))


def _pq_coded(nits: Colours) -> Colours:
    power = np.clip(nits / MAX_NITS, 0, 1) ** _M1
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


def _hlg_nits(coded: Colours) -> Colours:
    coded = np.clip(coded, 0, 1)
    scene = np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - _C) / _A) + _B) / 12)
    return np.asarray(USUAL_PEAK_NITS * (scene @ _LUMA_2020)[..., None] ** (_HLG_GAMMA - 1) * scene)


def _hlg_coded(nits: Colours) -> Colours:
    shown = np.clip(nits / USUAL_PEAK_NITS, 0, 1)
    luma = np.maximum(shown @ _LUMA_2020, 1e-9)[..., None]
    scene = np.clip(shown * luma ** (1 / _HLG_GAMMA - 1), 0, 1)
    high = _A * np.log(np.maximum(12 * scene - _B, 1e-9)) + _C
    return np.asarray(np.where(scene <= 1 / 12, np.sqrt(3 * scene), high))


def _rolled_off(nits: Colours, peak_nits: float) -> Colours:
    """BT.2390's curve: dark and middle light as it is, what is bright compressed to `WHITE_NITS`."""
    (top,) = _pq_coded(np.array([peak_nits]))
    (white,) = _pq_coded(np.array([WHITE_NITS]))
    limit = white / top
    knee = 1.5 * limit - 0.5
    value = np.clip(_pq_coded(nits) / top, 0, 1)
    t = np.clip((value - knee) / max(1 - knee, 1e-9), 0, 1)
    bent = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * limit
    return _pq_nits(np.where(value < knee, value, bent) * top)
