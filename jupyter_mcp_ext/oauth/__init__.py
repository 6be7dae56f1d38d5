"""The OAuth login: this server lets MCP clients in after a person has agreed in a browser."""
