"""A small server on loopback that speaks the layouts of Hugging Face, GitHub releases and a package index."""
import hashlib
import io
import os
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, body):
        hub, path = self.server.hub, self.path.split("?")[0]
        hub.requests.append((self.command, path))
        if hub.wait:
            hub.wait.wait(10)
        data, headers = hub.files.get(path, (None, {}))
        self.send_response(200 if data is not None else 404)
        if data is None:
            headers = {"X-Error-Code": "EntryNotFound"} if "/resolve/" in path else {}
        for key, value in headers.items():
            self.send_header(key, value)
        data = data or b""
        self.send_header("Content-Length", str(len(data)))
        if hub.cut is not None and body:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        if body:
            self.wfile.write(data if hub.cut is None or path.endswith("/") else data[: hub.cut])


class Hub:
    """Serve files on 127.0.0.1 while the `with` block runs.

    `env` points the real clients here; `requests` lists what they asked for; `cut` ends each body after that many
    bytes although the header announces all; `wait` (a `threading.Event`) holds answers back until it is set.
    """

    def __init__(self):
        self.files, self.requests, self.cut, self.wait = {}, [], None, None

    def __enter__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads, self._server.hub = True, self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()

    @property
    def env(self):
        return {
            "HF_ENDPOINT": self.url, "MEXCA_VIDEO_GITHUB": self.url, "PIP_INDEX_URL": f"{self.url}/simple",
            "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1",
            "PIP_RETRIES": "0", "PIP_RESUME_RETRIES": "0", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1",
        }

    def add_hub_file(self, repository, file, data, etag=None):
        "A large file of a Hugging Face repository; its etag is its SHA-256, as on the hub."
        etag = etag or hashlib.sha256(data).hexdigest()
        headers = {"ETag": f'"{etag}"', "X-Linked-Etag": f'"{etag}"', "X-Repo-Commit": COMMIT,
                   "X-Linked-Size": str(len(data))}
        for revision in ("main", COMMIT):
            self.files[f"/{repository}/resolve/{revision}/{file}"] = (data, headers)

    def add_release(self, address, data):
        "A file of a GitHub release, by its https://github.com address."
        self.files[address.removeprefix("https://github.com")] = (data, {"Content-Type": "application/octet-stream"})

    def add_wheel(self, name, version, members):
        "A wheel on the package index, with `members` (path -> bytes) in it."
        wheel, packed = f"{name}-{version}-py3-none-any.whl", io.BytesIO()
        about = f"{name}-{version}.dist-info"
        members = members | {
            f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
            f"{about}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{about}/RECORD": b"",
        }
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, data in members.items():
                archive.writestr(path, data)
        page = f'<!DOCTYPE html><html><body><a href="/wheels/{wheel}">{wheel}</a></body></html>'
        self.files[f"/simple/{name}/"] = (page.encode(), {"Content-Type": "text/html"})
        self.files[f"/wheels/{wheel}"] = (packed.getvalue(), {"Content-Type": "application/octet-stream"})
