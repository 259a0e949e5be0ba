"""What a case is, what it is given, and how its outcome is reported.

A case is a function with one argument, the `Workspace` of its client, and a docstring that says what it shows. It
passes when it returns; whatever it raises is its failure. Every outcome is one line of JSON on standard output.
"""

import json
import os
import sys
import threading
import time
import traceback
from urllib.parse import urlsplit

import requests

#: Seconds after which a case counts as hanging; the process ends then, for native code cannot be interrupted.
LIMIT = 180

CASES = []


def case(*clients):
    """Marks a function as a case of these clients."""

    def register(function):
        for client in clients:
            CASES.append((client, function.__name__, function))
        return function

    return register


class Workspace:
    """The workspace under test, as one client reaches it."""

    def __init__(self, client, number=0):
        self.client = client
        self.url = os.environ["CLIENTS_URL"]
        self.token = os.environ["CLIENTS_TOKEN"]
        self.warehouse = os.environ["CLIENTS_WAREHOUSE"]
        self.client_id = os.environ.get("CLIENTS_CLIENT_ID", "not-configured")
        self.client_secret = os.environ.get("CLIENTS_CLIENT_SECRET", "not-configured")
        #: A schema of this case's own, made when it is first asked for.
        self._schema = f"case_{client}_{number}"
        self._made = False

    # -- the clients ------------------------------------------------------------------------------------------

    def sdk(self, **config):
        """A `WorkspaceClient`: with the token unless the caller brings other credentials."""
        from databricks.sdk import WorkspaceClient

        if not config:
            config = {"token": self.token}
        return WorkspaceClient(host=self.url, **config)

    def connect(self, **options):
        """A connection of databricks-sql-connector, over the backend this client is named for."""
        from databricks import sql

        if not {"oauth_client_id", "credentials_provider"} & options.keys():
            options.setdefault("access_token", self.token)
        options.setdefault("http_path", f"/sql/1.0/warehouses/{self.warehouse}")
        if self.client == "kernel":
            return sql.connect(server_hostname=self.url, use_kernel=True, **options)
        parts = urlsplit(self.url)
        host = f"{parts.scheme}://{parts.hostname}"
        return sql.connect(server_hostname=host, _port=parts.port, use_sea=True, **options)

    # -- another door, to check what a client says --------------------------------------------------------------

    def http(self, method, path, **request):
        """A plain request with the token."""
        headers = {"Authorization": f"Bearer {self.token}", **request.pop("headers", {})}
        return requests.request(method, self.url + path, headers=headers, timeout=60, **request)

    def sql(self, statement):
        """Runs a statement without any client's code and gives its rows, every value as text."""
        body = {"warehouse_id": self.warehouse, "statement": statement, "wait_timeout": "50s"}
        answer = self.http("POST", "/api/2.0/sql/statements", json=body).json()
        assert answer["status"]["state"] == "SUCCEEDED", answer
        return answer.get("result", {}).get("data_array", [])

    @property
    def schema(self):
        """`main.` and a schema of this case's own."""
        if not self._made:
            self.sql(f"CREATE SCHEMA main.{self._schema}")
            self._made = True
        return f"main.{self._schema}"

    def volume(self, name="files"):
        """The path of a new volume in the case's schema."""
        self.sql(f"CREATE VOLUME {self.schema}.{name}")
        return f"/Volumes/main/{self._schema}/{name}"


def equal(found, expected):
    """Fails, showing both, unless they are equal."""
    if found != expected:
        raise AssertionError(f"expected {expected!r}, found {found!r}")


def contains(text, *parts):
    """Fails unless the text of a value holds every part."""
    for part in parts:
        if part not in str(text):
            raise AssertionError(f"expected {part!r} in {str(text)!r}")


def raises(kind, action):
    """Runs an action that must fail this way and gives what it raised."""
    try:
        result = action()
    except kind as error:
        return error
    raise AssertionError(f"expected {getattr(kind, '__name__', kind)}, found the result {result!r}")


def wait_until(condition, seconds=30):
    """Waits until a condition is true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not true after {seconds} s")
        time.sleep(0.02)


def run(client, only):
    """Runs the cases of a client, in the order they are written; `only` picks those whose name holds it."""
    chosen = [(name, function) for of, name, function in CASES if of == client and only in name]
    if not chosen:
        sys.exit(f"no case of {client} has '{only}' in its name")
    for number, (name, function) in enumerate(chosen):
        report(client, name, function, number)


def report(client, name, function, number):
    """Runs one case and prints its outcome."""
    about = " ".join((function.__doc__ or "").split())
    line = {"client": client, "case": name, "about": about}
    watchdog = threading.Timer(LIMIT, give_up, [line])
    watchdog.daemon = True
    watchdog.start()
    started = time.monotonic()
    try:
        function(Workspace(client, number))
        line |= {"result": "pass", "detail": ""}
    except BaseException as error:  # a panic in a client's native code is no Exception
        if isinstance(error, KeyboardInterrupt):
            raise
        traceback.print_exc(file=sys.stderr)
        line |= {"result": "fail", "detail": first_line(error)}
    finally:
        watchdog.cancel()
    say(line | {"seconds": round(time.monotonic() - started, 2)})


def give_up(line):
    """Reports a case that hangs and ends the process."""
    say(line | {"result": "fail", "detail": f"no end after {LIMIT} s", "seconds": LIMIT})
    os._exit(1)


def first_line(error):
    """An exception in one line of a bearable length."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= 400 else text[:400] + " …"


def say(line):
    print(json.dumps(line, ensure_ascii=False), flush=True)
