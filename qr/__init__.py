"""Show and take the dynamic QR code: the codes themselves, their pictures, and what an offline terminal does."""
