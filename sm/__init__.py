"""National cryptography: SM2, SM3, SM4, key rings, key stores, certificates. Knows no web and no database."""
