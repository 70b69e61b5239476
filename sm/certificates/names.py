"""The object identifiers that a certificate may hold, and those that are ours."""

SM2_WITH_SM3 = "1.2.156.10197.1.501"  # GM/T 0006
SM2_CURVE = "1.2.156.10197.1.301"  # GM/T 0006
EC_PUBLIC_KEY = "1.2.840.10045.2.1"  # RFC 5480, 2.1.1

COMMON_NAME = "2.5.4.3"  # ITU-T X.520
SERIAL_NUMBER = "2.5.4.5"

# RFC 5280, 4.2.1, 5.2 and 5.3
SUBJECT_KEY_ID = "2.5.29.14"
KEY_USAGE = "2.5.29.15"
BASIC_CONSTRAINTS = "2.5.29.19"
CRL_NUMBER = "2.5.29.20"
CRL_REASON = "2.5.29.21"
AUTHORITY_KEY_ID = "2.5.29.35"
EXTENDED_KEY_USAGE = "2.5.29.37"

# What a leaf is for, as extended key usage. The arc 2.25 needs no registration: each number is a random UUID (X.667).
CARD_PURPOSE = "2.25.18188380028184961910178141342106440129"
TERMINAL_PURPOSE = "2.25.318672370768945974578534584144265264314"
PARTNER_PURPOSE = "2.25.80622953064976529633079046571994210932"
PLATFORM_PURPOSE = "2.25.216496411078038850163260663630861635375"

# RFC 5280, 4.2.1.3: bit by bit from the left
KEY_USAGE_BITS = (
    "digital_signature",
    "non_repudiation",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
