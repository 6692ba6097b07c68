"""From labelled photos to what is trained on: cut out, put together, in other light."""
