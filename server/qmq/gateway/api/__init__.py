"""The JSON API: a table of operations, what routes and checks by it, and what each of them does."""
