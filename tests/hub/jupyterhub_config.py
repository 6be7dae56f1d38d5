"""The Hub of the tests; what differs from one run to the next comes from the environment."""

import json
import os
import sys
from pathlib import Path

c = get_config()  # noqa: F821
here = Path(os.environ["TEST_HUB_DIRECTORY"])
ports = json.loads(os.environ["TEST_HUB_PORTS"])

c.JupyterHub.bind_url = f"http://127.0.0.1:{ports['public']}/"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{ports['hub']}"
c.JupyterHub.db_url = f"sqlite:///{here}/hub.sqlite"
c.JupyterHub.cookie_secret_file = f"{here}/cookie_secret"
# A restart of the Hub leaves servers and proxy alone.
c.JupyterHub.cleanup_servers = False
c.JupyterHub.cleanup_proxy = False
c.ConfigurableHTTPProxy.command = json.loads(os.environ["TEST_HUB_PROXY"])
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{ports['proxy']}"
c.ConfigurableHTTPProxy.pid_file = f"{here}/proxy.pid"

c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = f"{here}/home/{{username}}"
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.args = [
    "--allow-root",
    "--ServerApp.authorizer_class=read_only_tokens.ReadOnlyTokens",
    # Five minutes otherwise, each: how long a revoked token lives on, and how old the Hub's
    # knowledge of what goes on is.
    "--HubOAuth.cache_max_age=1",
]
c.Spawner.environment = {
    "JUPYTERHUB_ACTIVITY_INTERVAL": "5",
    "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
}


def let_clients_log_in(spawner):
    """Carol and Dan have the OAuth login; Alice and Bob have tokens."""
    if spawner.user.name in ("carol", "dan"):
        spawner.args = [*spawner.args, "--MCPExtension.oauth_login=True"]


c.Spawner.pre_spawn_hook = let_clients_log_in

c.JupyterHub.services = [{"name": "operator", "api_token": os.environ["TEST_HUB_OPERATOR"]}]
operator = ["admin:users", "admin:servers", "tokens", "access:servers", "custom:mcp:read-only"]
c.JupyterHub.load_roles = [
    {"name": "operator", "services": ["operator"], "scopes": operator},
    # Who makes a token can give it only what they have themselves.
    {"name": "user", "scopes": ["self", "custom:mcp:read-only"]},
]
c.JupyterHub.custom_scopes = {
    "custom:mcp:read-only": {"description": "A token with this reads, and changes nothing."}
}
