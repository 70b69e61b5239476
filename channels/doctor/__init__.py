"""The signature doctor: why a partner's signed request is refused, told so that its developer can mend it."""
