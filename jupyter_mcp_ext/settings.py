"""What can be configured, as `c.MCPExtension`."""

from __future__ import annotations

from traitlets import Bool, Enum, Float, HasTraits, Int, List, Unicode

TOOLSETS = (
    *("notebooks", "cells", "execution", "kernels", "files", "history", "external"),
    "checkpoints",
)
"""The names of all toolsets; the tools themselves are loaded with the SDK."""

OFF_BY_DEFAULT = ("files", "external", "checkpoints")
"""Toolsets that agents have only where somebody chose them."""

CHANGING_TOOLS = (
    *("open_notebook", "close_notebook", "insert_cell", "edit_cell", "overwrite_cell"),
    *("delete_cells", "move_cell", "clear_outputs", "execute_cell", "execute_cells"),
    *("execute_code", "interrupt_kernel", "start_kernel", "restart_kernel", "shutdown_kernel"),
    *("write_file", "edit_file", "upload_file", "undo", "connect_kernel", "disconnect_kernel"),
    *("create_checkpoint", "restore_checkpoint"),
)
"""The names of the tools that change or run anything."""


SENSITIVE = [
    *(".env", ".env.*", "*.env", ".netrc", "_netrc", ".pgpass", ".pypirc", ".npmrc", ".htpasswd"),
    *(".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".config/gcloud", ".config/gh"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.pem", "*.key", "*.p12", "*.pfx"),
    *("*.kdbx", "*.jks", "*.keystore", "credentials", "credentials.*", "secrets.*"),
    *(".git/config", ".git-credentials", ".git/credentials", "*service_account*.json"),
    *("kernel-*.json", "jpserver-*.json", "jupyter_*config.json", "jupyter_cookie_secret"),
    *("jupyter_*config.py", ".envrc", ".*_history", ".dockercfg", ".vault-token", "*.tfstate"),
    *("ssh_host_*_key", "token.json", "client_secret*.json"),
]
"""Names of files and directories that hold secrets, in lower case."""


class Settings(HasTraits):
    """The settings of `MCPExtension`, under whose name they are configured."""

    toolsets = List(
        Enum(TOOLSETS),
        [name for name in TOOLSETS if name not in OFF_BY_DEFAULT],
        config=True,
        help="The groups of tools that agents are offered.",
    )
    read_only = Bool(
        False,
        config=True,
        help="Whether agents are offered only the tools that change nothing: they can read "
        "notebooks, outputs and variables, but neither edit nor run.",
    )
    ask_before = List(
        Enum(CHANGING_TOOLS),
        [],
        config=True,
        help="Tools that do their work only after the person at the MCP client has agreed, such as "
        "delete_cells, restart_kernel, shutdown_kernel or restore_checkpoint. One that runs code "
        "stands for execute=true of other tools as well. Clients that cannot ask (MCP's "
        "elicitation) are refused.",
    )
    automatic_checkpoints = Bool(
        True,
        config=True,
        help="Whether a notebook is kept as it is before an agent's first edit of it, and before "
        "the first one after an hour: as Jupyter's checkpoint of the file, and among the last 20 "
        "checkpoints of the notebook in Jupyter's data directory.",
    )
    provenance = Bool(
        False,
        config=True,
        help="Whether a cell that an agent writes says so in its metadata, under jupyter_mcp_ext: "
        "which agent wrote it last, and when. What people type later does not change that.",
    )
    environment_directories = List(
        Unicode(),
        ["~/envs", "~/.virtualenvs", "~/miniconda3/envs", "~/miniforge3/envs", "~/anaconda3/envs"],
        config=True,
        help="Where the environments are looked up that start_kernel and open_notebook are given "
        "by name.",
    )
    environment_overlay = Bool(
        False,
        config=True,
        help="Whether start_kernel also starts environments without ipykernel: it is installed in "
        "a directory of this server, by uv or by the environment's pip, and laid over the "
        "environment, which itself stays as it is.",
    )
    connection_directories = List(
        Unicode(),
        [],
        config=True,
        help="Where the connection files may be that connect_kernel takes, besides Jupyter's "
        "runtime directory. The toolset `external` must be on. JUPYTER_MCP_CONNECTION_FILE in the "
        "server's environment names the file for a call that names none.",
    )
    wait_seconds = Float(
        45.0,
        min=0,
        config=True,
        help="How many seconds a call waits for the end of a run, unless it says so itself. The "
        "run goes on afterwards. Keep it below the time-out of your MCP clients.",
    )
    kernel_start_timeout = Float(
        60.0,
        min=0,
        config=True,
        help="How many seconds a kernel may take until it answers.",
    )
    agent_kernel_idle_timeout = Float(
        86_400.0,
        min=0,
        config=True,
        help="After how many idle seconds a kernel is shut down that an agent started, if no "
        "person has run anything on it and no browser has it open. 0 is never. "
        "MappingKernelManager.cull_idle_timeout is for all kernels.",
    )
    recorded_days = Float(
        7.0,
        config=True,
        help="How many days code that agents ran on a kernel with a name is kept in Jupyter's data "
        "directory after its last run, to offer it when the kernel is lost. 0 keeps none.",
    )
    unauthenticated_status = Enum(
        [403, 401],
        403,
        config=True,
        help="The HTTP status of an answer to a request without a login. Many clients take 401 as "
        "an invitation to an OAuth login, which this server offers with `oauth_login` only, and "
        "then it is always 401.",
    )
    oauth_login = Bool(
        False,
        config=True,
        help="Whether MCP clients can log in by OAuth: they need the address only, and open a "
        "browser in which the person logs in to Jupyter and agrees.",
    )
    max_output_chars = Int(
        3600,
        config=True,
        help="How many characters of output an answer has at most, unless the call's max_chars "
        "says otherwise.",
    )
    max_document_output_bytes = Int(
        32_000_000,
        config=True,
        help="About how many bytes of output of one run the notebook keeps, where each output "
        "counts 1,000 besides what it holds; what comes after that is dropped, with a note in the "
        "notebook.",
    )
    sensitive_files = List(
        Unicode(),
        SENSITIVE,
        config=True,
        help="Names of files and directories, with wildcards, that the tools for files keep from "
        "agents, and their copies (`~`, `.old`, `.bak`, `-checkpoint`); a name with a slash is "
        "looked for anywhere in a path. [] allows all.",
    )
    max_upload_bytes = Int(
        3_000_000,
        config=True,
        help="How many bytes a file may have that an agent uploads or downloads at once. A request "
        "has at most 4 MiB, and an answer less than 1 MB, both in base64.",
    )
    allow_images = Bool(True, config=True, help="Whether agents are sent images.")
    max_image_bytes = Int(
        60_000,
        config=True,
        help="How many bytes an image may have as it is sent to an agent, base64-encoded. Larger "
        "ones are scaled.",
    )
