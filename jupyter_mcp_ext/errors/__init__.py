"""The errors that a caller can act on.

MCPExtensionError                  base, never raised itself
├── NotFound (LookupError)
│   ├── NotebookNotFound
│   ├── DirectoryNotFound
│   ├── CellNotFound
│   ├── ResourceNotFound
│   ├── KernelNotFound
│   ├── KernelGone                 it ran once
│   ├── EnvironmentNotFound
│   ├── CheckpointNotFound
│   ├── FileMissing
│   └── ExecutionNotFound
├── Conflict
│   ├── SourceConflict             somebody else changed the cell since it was read
│   ├── BeingTyped                 a person's next keystrokes would be lost
│   ├── WrongCellType
│   ├── BrokenCell                 somebody wrote into it what no cell has
│   ├── AgreementOutdated          it is not as the person agreed to any more
│   ├── TextNotFound
│   ├── AmbiguousMatch
│   ├── NotANotebook
│   ├── NotAFile                   it is a notebook or a directory
│   ├── NotText
│   ├── FileExists
│   ├── FileRefused
│   ├── FileTooLarge
│   ├── NotebookExists
│   ├── KernelExists
│   ├── StillOpen
│   ├── StillRunning
│   ├── ReadOnlyNotebook
│   ├── UndoRefused
│   ├── CheckpointRefused
│   └── RemovalNotConfirmed
├── InvalidRequest (ValueError)    arguments that name nothing that could exist
├── KernelProblem
│   ├── KernelStartFailed
│   ├── KernelSilent               it runs, and does not answer
│   ├── KernelEnded                it was another program's
│   ├── EnvironmentUnusable
│   ├── InterruptFailed
│   └── NoSubshells
├── NotPermitted
├── SensitiveFile
├── Declined                       the person said no
├── NobodyToAsk                    the person has to be asked, and cannot be
├── NotRun                         a cell was written, and not run to its end
├── BrokenOff                      a run ended with a bug of ours
├── ServerStopping
├── OtherCollaboration             another package than jupyter-collaboration has the notebooks
└── Unavailable                    something the server needs for this is off

Each class takes facts and writes its own sentence and hint. The text reaches the model as a
tool error, so it names the subject and the next step. Anything that is not in this tree is a
bug: it is logged with its traceback and answered without detail.
"""

from __future__ import annotations

from .base import *
from .files import *
from .kernels import *
from .notebooks import *
from .service import *
