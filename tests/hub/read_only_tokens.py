"""Makes tokens read-only that have a scope of that name."""

from jupyterhub.singleuser.extension import JupyterHubAuthorizer


class ReadOnlyTokens(JupyterHubAuthorizer):
    def is_authorized(self, handler, user, action, resource):
        if not super().is_authorized(handler, user, action, resource):
            return False
        is_reader = "custom:mcp:read-only" in user.hub_user["scopes"]
        return not is_reader or action == "read" or resource == "api"
