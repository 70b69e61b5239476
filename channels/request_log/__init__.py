"""The log of a channel's own requests: what its developer can look up by the request id that every answer bears."""
