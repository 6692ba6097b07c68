"""Labels of ordinary pictures by networks that have to agree."""
