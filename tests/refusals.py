"""What the tests of things that are looked for share: nothing to download from, and a refusal in one line."""

import pytest

from sweeps.core.errors import BadInput


def no_network(*arguments):
    raise OSError("no route to host")


def refused(find, *arguments):
    with pytest.raises(BadInput) as caught:
        find(*arguments)
    text = str(caught.value)
    assert "\n" not in text
    return text
