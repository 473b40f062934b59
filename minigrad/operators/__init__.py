"""The operators, by kind: each a forward on arrays with its rules right under it."""
