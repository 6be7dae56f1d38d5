"""Which files are kept from agents."""

from __future__ import annotations

from pathlib import Path

import pytest
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

from jupyter_mcp_ext.collaboration import Collaboration
from jupyter_mcp_ext.contents import Contents, clean_path
from jupyter_mcp_ext.errors import FileMissing, InvalidRequest, SensitiveFile
from jupyter_mcp_ext.files import Files
from jupyter_mcp_ext.settings import SENSITIVE
from jupyter_mcp_ext.text_rooms import TextRooms

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("path", "clean"), [("..a/b", "..a/b"), ("/a/../...", "..."), ("a//./b/", "a/b"), ("/", "")]
)
def test_a_path_has_one_spelling(path: str, clean: str) -> None:
    assert clean_path(path) == clean


@pytest.mark.parametrize("path", ["..", "../a", "a/../../b", "a\0"])
def test_no_path_leads_out_of_the_root(path: str) -> None:
    with pytest.raises(InvalidRequest, match="leads out"):
        clean_path(path)


KEPT = (
    ".ipynb_checkpoints/secrets-checkpoint.json",
    ".env-checkpoint",
    "server.key.old",
    "server.key.old~",
    "Server.KEY.bak",
    ".git/config.orig",
    "ssh_host_rsa_key",
    "token.json",
    "client_secret_1.apps.json",
    "terraform.tfstate",
    "terraform.tfstate.backup",
    ".env~",
    ".envrc",
    ".bash_history",
    ".python_history",
    ".jupyter/jupyter_server_config.py",
    ".dockercfg",
    ".vault-token",
)
PLAIN = ("analysis-checkpoint.py", "notes.old", "notes~", "tokens.py", "history.csv", "~", "a.bak")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """The files of an empty directory where hidden ones are allowed."""
    manager = AsyncLargeFileManager(root_dir=str(tmp_path), allow_hidden=True)
    settings = {"contents_manager": manager}
    contents = Contents(settings)
    return Files(contents, TextRooms(Collaboration(settings)), SENSITIVE, 1000)


@pytest.mark.parametrize("path", KEPT)
async def test_files_with_secrets_and_their_copies_are_kept(files: Files, path: str) -> None:
    with pytest.raises(SensitiveFile):
        await files.read(path)


@pytest.mark.parametrize("path", PLAIN)
async def test_other_files_and_their_copies_are_not(files: Files, path: str) -> None:
    with pytest.raises(FileMissing):
        await files.read(path)
