"""JupyterLab on loopback and a Chromium that looks at it."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from places import ARTEFACTS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
SETTINGS = {"notebook-extension/tracker": '{"windowingMode": "none"}',  # every cell stays in the page, also outside of the window
            "apputils-extension/notification": '{"fetchNews": "false", "checkForUpdates": false}'}


def missing(*modules):
    "What the browser tests lack here, in words; an empty string if nothing."
    lacking = [] if CHROMIUM else ["Chromium (Debian: apt-get install chromium)"]
    for module in modules or ("playwright", "jupyterlab"):
        try:
            __import__(module)
        except ImportError:
            lacking.append(f"the Python package {module}")
    return ", ".join(lacking)


@contextmanager
def jupyter(folder):
    "A JupyterLab that serves `folder`; yields its address with `{}` for the path of a page."
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token, home = secrets.token_hex(8), Path(folder) / ".jupyter"
    env = os.environ | {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    env |= {"JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces")}
    for name, text in SETTINGS.items():
        settings = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(text)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", f"--IdentityProvider.token={token}",
               f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True",
               "--LabApp.extension_manager=readonly", "--LabApp.news_url=", "--ServerApp.port_retries=0",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with open(Path(folder) / "jupyter.log", "w") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
        try:
            address = f"http://127.0.0.1:{port}"
            wait(lambda: answers(f"{address}/api/status?token={token}"), 60, "JupyterLab does not answer; see jupyter.log")
            yield f"{address}/{{}}?token={token}"
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def answers(address):
    try:
        return urllib.request.urlopen(address, timeout=5).status == 200
    except OSError:
        return False


def wait(condition, seconds, message):
    "Wait until `condition()` is true and return it."
    end = time.time() + seconds
    while time.time() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(message)


@contextmanager
def chromium():
    "A page of a fresh Chromium."
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport=dict(width=1250, height=1250))
        try:
            yield page
        finally:
            browser.close()


class Notebook:
    "A notebook that is open in a page of JupyterLab or Notebook 7."
    def __init__(self, page, address):
        self.page = page
        page.goto(address)
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60000)
        page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=90000)

    def run_all(self, seconds):
        "Run all cells and wait until every one has its number."
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.ready")
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        self.page.wait_for_function("""() => [...document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputArea-prompt')]
            .every(prompt => /\\d/.test(prompt.textContent))""", timeout=seconds * 1000)

    def ask(self, code):
        "Run code in the notebook's kernel, below the last cell, and return what it prints as JSON."
        script = """async code => {
            const panel = window.jupyterapp.shell.currentWidget, future = panel.sessionContext.session.kernel.requestExecute({ code });
            let text = ''; future.onIOPub = m => { if (m.header.msg_type === 'stream') text += m.content.text; if (m.header.msg_type === 'error') text += m.content.traceback.join('\\n'); };
            await future.done; return text; }"""
        text = self.page.evaluate(script, f"import json\nprint(json.dumps({code}))")
        try:
            return json.loads(text.strip().splitlines()[-1])
        except (ValueError, IndexError) as error:
            raise AssertionError(f"the kernel answered {text!r}") from error

    def show(self, selector, name):
        "Scroll to an element and keep a screenshot of what is to be seen then."
        ARTEFACTS.mkdir(exist_ok=True)
        element = self.page.locator(selector).first
        element.scroll_into_view_if_needed()
        self.page.wait_for_timeout(200)
        self.page.screenshot(path=ARTEFACTS / f"{name}.png")
        return element
