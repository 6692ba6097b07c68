"""What is said in JSON of a face that was taken for an age and a gender."""

from typing import Any

from pipeline.types import Estimate


def facts(estimate: Estimate) -> dict[str, Any]:
    """`age` and `age_range` in years, `p_male`, `gender` (male, female, unsure, or None) and `looks`."""
    return {
        "age": round(estimate.age_years, 1),
        "age_range": [round(each, 1) for each in estimate.age_range],
        "p_male": round(estimate.p_male, 3),
        "gender": estimate.gender,
        "looks": estimate.looks,
    }
