"""A channel fetches the statements of what was shown in its app."""
