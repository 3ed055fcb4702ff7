# ContextForge before the bench hub: a database of its own (SQLite), the hub registered in it, one worker. Switched off, so
# that it does no more than the others: authentication, rate limits, plugins, admin pages, health checks, metrics.
# Started with: python contextforge.py SCRATCH
#
# The hub is registered while it listens on another port, so that whoever finds it on its own one finds the tools there.
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

HUB = "http://127.0.0.1:18400/mcp"
PORT = 18406
PORT_BEFORE = 18416
READY_MAX_S = 120

folder = os.path.join(sys.argv[1], "contextforge")
os.makedirs(folder, exist_ok=True)
database = os.path.join(folder, "bench.db")
if os.path.exists(database):
    os.remove(database)
off = [
    "AUTH_REQUIRED",
    "RATE_LIMITING_ENABLED",
    "PLUGINS_ENABLED",
    "MCPGATEWAY_UI_ENABLED",
    "MCPGATEWAY_ADMIN_API_ENABLED",
    "OBSERVABILITY_ENABLED",
    "STRUCTURED_LOGGING_ENABLED",
    "DB_METRICS_RECORDING_ENABLED",
    "MCPGATEWAY_CATALOG_ENABLED",
    "MCPGATEWAY_A2A_ENABLED",
]
settings = {name: "false" for name in off} | {
    "ALLOW_UNAUTHENTICATED_ADMIN": "true",
    "DATABASE_URL": f"sqlite:///{database}",
    "CACHE_TYPE": "memory",
    "ENVIRONMENT": "development",
    "HEALTH_CHECK_INTERVAL": "3600",
    "JSON_RESPONSE_ENABLED": "true",
    "USE_STATEFUL_SESSIONS": "true",
    "LOG_LEVEL": "ERROR",
    "SSRF_ALLOW_LOCALHOST": "true",
    "SSRF_ALLOW_PRIVATE_NETWORKS": "true",
    "TOOL_RATE_LIMIT": "1000000000",
    # Nobody can reach it but this machine, for minutes.
    "JWT_SECRET_KEY": os.urandom(32).hex(),
    "AUTH_ENCRYPTION_SECRET": os.urandom(32).hex(),
    "PLATFORM_ADMIN_PASSWORD": os.urandom(16).hex() + "Aa1!",
    "BASIC_AUTH_PASSWORD": os.urandom(16).hex() + "Aa1!",
}
os.environ.update(settings)
os.chdir(folder)


def serve(port):
    return [
        *[sys.executable, "-m", "uvicorn", "mcpgateway.main:app", "--host", "127.0.0.1", "--port", str(port)],
        *["--workers", "1", "--no-access-log", "--log-level", "error"],
    ]


def register():
    body = json.dumps({"name": "bench", "url": HUB, "transport": "STREAMABLEHTTP", "visibility": "public"}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT_BEFORE}/gateways",
        data=body,
        headers={"Content-Type": "application/json"},
    )
    deadline = time.monotonic() + READY_MAX_S
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return print(answer.read().decode()[:500])
        except urllib.error.HTTPError as error:
            sys.exit(f"registering the hub: {error} {error.read().decode()[:500]}")
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"registering the hub: {error}")
            time.sleep(0.2)


# It must not outlive this program.
before = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *serve(PORT_BEFORE)])
try:
    register()
finally:
    before.terminate()
    before.wait()
os.execv(sys.executable, serve(PORT))
