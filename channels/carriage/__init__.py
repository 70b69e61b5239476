"""The card inside a partner's app: signed there, shown there, paused and ended there (channels.md)."""
