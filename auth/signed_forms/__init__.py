"""The forms in which a request may be signed: each is read strictly into one record, for one verifier."""
