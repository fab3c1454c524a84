"""A headless Chromium through the WebDriver protocol (w3.org/TR/webdriver2), with nothing but the standard library."""
import base64
import http.client
import json
import os
import re
import shutil
import subprocess
import tempfile

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's key of an element's id


def missing():
    """Why no browser can be driven here; empty when one can."""
    for program in ["chromedriver", "chromium"]:
        if not shutil.which(program):
            return f"no {program} (Debian: chromium, chromium-driver)"
    return ""


class Browser:
    def __init__(self, width=1280, height=900):
        self.profile = tempfile.TemporaryDirectory(prefix="brinkmap-browser-")
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True,
                                       env=os.environ | {"HOME": self.profile.name})
        for line in self.driver.stdout:
            if found := re.search(r"successfully on port (\d+)", line):
                break
        self.http = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=120)
        options = {"binary": shutil.which("chromium"),
                   "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                            f"--user-data-dir={self.profile.name}/profile", f"--window-size={width},{height}"]}
        session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.base = f"/session/{session['sessionId']}"

    def close(self):
        try:
            self.call("DELETE", self.base)
        finally:
            self.http.close()
            self.driver.terminate()
            self.driver.wait(20)
            self.driver.stdout.close()
            self.profile.cleanup()

    def call(self, method, path, body=None):
        self.http.request(method, path, json.dumps(body) if body is not None else None,
                          {"Content-Type": "application/json"})
        value = json.loads(self.http.getresponse().read())["value"]
        if isinstance(value, dict) and "error" in value:
            raise RuntimeError(f"{method} {path}: {value['error']}: {value['message']}")
        return value

    def post(self, path, **body):
        return self.call("POST", self.base + path, body)

    def open(self, path):
        self.post("/url", url=path.as_uri())

    def run(self, script, *arguments):
        return self.post("/execute/sync", script=script, args=list(arguments))

    def find(self, selector):
        return self.post("/element", using="css selector", value=selector)

    def click(self, selector):
        self.post(f"/element/{self.find(selector)[ELEMENT]}/click")

    def type(self, selector, text):
        self.post(f"/element/{self.find(selector)[ELEMENT]}/value", text=text)

    def frames(self):
        """Waits until the page has been told of a scroll, which happens with the next frame."""
        self.run("return new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(r))))")

    def hover(self, selector):
        self.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center', inline: 'center'})", selector)
        self.frames()
        self.post("/actions", actions=[{"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"},
                                        "actions": [{"type": "pointerMove", "duration": 0, "x": 0, "y": 0,
                                                     "origin": self.find(selector)}]}])

    def press(self, *keys):
        """Unicode code points of the protocol for keys without a character, e.g. ARROW_RIGHT."""
        strokes = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.post("/actions", actions=[{"type": "key", "id": "keys", "actions": strokes}])

    def resize(self, width, height):
        # A window is never narrower than 500 px; emulation is.
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                      mobile=False)

    def colour_scheme(self, name):
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def devtools(self, command, **parameters):
        return self.post("/goog/cdp/execute", cmd=command, params=parameters)

    def pdf(self):
        return base64.b64decode(self.devtools("Page.printToPDF", printBackground=True, landscape=True)["data"])

    def screenshot(self):
        return base64.b64decode(self.call("GET", self.base + "/screenshot"))

    def console(self):
        return [e for e in self.post("/se/log", type="browser") if e["level"] in ("SEVERE", "WARNING")]


ARROW_LEFT, ARROW_RIGHT = "\ue012", "\ue014"
