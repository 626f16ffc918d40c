"""A command whose process dies in the middle of a line of the journal: `dying_driver.py LINES SCRIPT ARGUMENTS`.

After so many writes the next one is half done when the process is killed, as no signal from outside can be timed.
"""

import json
import os
import runpy
import signal
import sys
from pathlib import Path

from optuna.storages.journal import JournalFileBackend

left, script, *arguments = sys.argv[1:]
writes_left = int(left)
whole = JournalFileBackend.append_logs


def append_logs(self, logs):
    global writes_left
    if writes_left == 0:
        with Path(self._file_path).open("ab") as journal:
            journal.write(json.dumps(logs[0]).encode()[:-20])
        os.kill(os.getpid(), signal.SIGKILL)
    writes_left -= 1
    whole(self, logs)


JournalFileBackend.append_logs = append_logs
sys.argv = [script, *arguments]
sys.path.insert(0, str(Path(script).parent))
runpy.run_path(script, run_name="__main__")
