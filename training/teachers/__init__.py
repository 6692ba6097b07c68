"""Networks of other makers whose answers labels are made of; none of their weights is in the bundled network."""
