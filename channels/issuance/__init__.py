"""Electronic cards that a bank assures: asked for by its app, vouched for by its core, issued at level L2."""
