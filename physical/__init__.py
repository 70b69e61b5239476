"""The chip card: what runs beside a reader, and the issuer's side of it."""
