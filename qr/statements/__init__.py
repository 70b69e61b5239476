"""What an institution redeemed on one day, as a signed file, and its comparison with the institution's own records."""
