"""Partners: who carries the card inside an app of their own, what they are told, and how the books are compared."""
