"""What runs beside a reader: APDU, TLV, files, sessions, the virtual card. Imports nothing of the server."""
