"""The names of what estimates age and gender, and what its estimates are worth."""

FACE_MODELS = ("hse", "cydral")
WORTH = (
    "age and gender are guesses from appearance: of 540 faces a tenth to a fifth of the genders and a sixth to a"
    " quarter of the ages were clearly wrong, of children and the old more; decide nothing about a person by them"
)
"""To be said once to whoever asks for estimates."""
