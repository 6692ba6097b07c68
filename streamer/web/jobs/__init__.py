"""Videos as jobs: accepted once, kept in a database, done one at a time by processes of their own."""
