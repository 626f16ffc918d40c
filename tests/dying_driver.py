"""A command whose process dies in the middle of a line of the journal: `dying_driver.py WRITES SCRIPT ARGUMENTS`.

After so many writes the next one is half done when the process is killed, as no signal from outside can be timed.
"""

import json
import os
import runpy
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from sweeps.store.journal_file import JournalFile

left, script, *arguments = sys.argv[1:]
writes_left = int(left)
whole = JournalFile.append_logs


def append_logs(self, logs):
    global writes_left
    if self._held is not None:
        return whole(self, logs)
    if writes_left == 0:
        with self.path.open("ab") as journal:
            journal.write("\n".join(json.dumps(log, default=asdict) for log in logs).encode()[:-20])
        os.kill(os.getpid(), signal.SIGKILL)
    writes_left -= 1
    return whole(self, logs)


JournalFile.append_logs = append_logs
sys.argv = [script, *arguments]
sys.path.insert(0, str(Path(script).parent))
runpy.run_path(script, run_name="__main__")
