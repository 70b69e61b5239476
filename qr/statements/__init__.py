"""What an institution redeemed or a channel showed on one day, as a signed file; its comparison with their records."""
