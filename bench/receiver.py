"""A partner's server that takes all news: ``python -m bench.receiver PORT``."""

import http.server
import sys


class Receiver(http.server.BaseHTTPRequestHandler):
    """Says yes to whatever is posted, and keeps the connection for what comes next."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read it to its end and take it."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


def main() -> None:
    """Serve until ended."""
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()


if __name__ == "__main__":
    main()
