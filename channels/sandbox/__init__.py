"""The sandbox: what a channel that is not live yet may try, apart from every holder and every live channel."""
