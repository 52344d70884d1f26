"""Serve the page on this computer: python examples/web/serve.py

Browsers only allow a page to use several threads if its server sends the two
headers below. Without them, the page uses one thread.
"""

import argparse
import contextlib
import functools
import http.server
import pathlib
import threading

HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files with `HEADERS`, and prints nothing."""

    def end_headers(self):
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *args):
        pass


def make_server(folder, port=0, handler=Handler):
    """Returns a server of a folder that only this computer can reach."""
    handler = functools.partial(handler, directory=folder)
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)


@contextlib.contextmanager
def serving(folder, handler=Handler):
    """Serves a folder while the context is open. Yields the address."""
    with make_server(folder, handler=handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8000)
    port = parser.parse_args().port
    with make_server(pathlib.Path(__file__).parent, port) as server:
        print(f"http://localhost:{port} (stop with Ctrl-C)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
