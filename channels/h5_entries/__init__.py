"""The H5 entry: a partner's server asks for a page address, its app opens it in a web view."""
