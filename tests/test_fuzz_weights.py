"""Whatever file a person gives as weights: it is refused in one sentence or fits, and nothing in it is executed."""

from __future__ import annotations

import io
import os
import pickle
import struct
import warnings
import zipfile
from collections import OrderedDict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import CHANGES, TEXTS, TINY, TinyBackbone, contents, examples, mutated, refusal
from refusals import no_network
from sweeps.inputs import weights


@pytest.fixture(scope="module", autouse=True)
def outside(tmp_path_factory):
    """An empty folder, which is the current one and the home; nobody is reached from it."""
    folder = tmp_path_factory.mktemp("outside")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HOME", str(folder))
        patch.delenv("MEDMNIST_ROOT", raising=False)
        patch.setattr(weights, "_imagenet_weights", no_network)
        patch.setattr(weights, "random_backbone", lambda name: TINY)
        patch.setattr(weights, "empty_backbone", lambda name: TINY)
        yield folder
    assert contents(folder) == {}


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def check_weights(path):
    found, why = refusal(weights.find_weights, str(path), ["alexnet"])
    if not why:
        state = found[0]["alexnet"].state
        assert {name: (each.shape, each.dtype) for name, each in state.items()} == {
            name: (each.shape, each.dtype) for name, each in TINY.state_dict().items()
        }
        assert all(each.isfinite().all() for each in state.values())
        TinyBackbone().load_state_dict(state)
    return why


def saved(state, **how):
    content = io.BytesIO()
    torch.save(state, content, **how)
    return content.getvalue()


@examples(300)
@given(zipped=st.booleans(), changes=CHANGES)
def test_mutated_bytes_of_weights(tmp_path, zipped, changes):
    path = tmp_path / "mine.pth"
    path.write_bytes(mutated(saved(TINY.state_dict(), _use_new_zipfile_serialization=zipped), changes))
    check_weights(path)


def with_attribute(name):
    """A tensor whose method of this name is none."""

    def change(tensor):
        parameter = torch.nn.Parameter(tensor.clone())
        setattr(parameter, name, 3)
        return parameter

    return change


def nested(tensor):
    with warnings.catch_warnings(action="ignore"):
        return torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])


OTHER_TENSORS = {
    "half": lambda tensor: tensor.half(),
    "double": lambda tensor: tensor.double(),
    "float8": lambda tensor: tensor.to(torch.float8_e4m3fn),
    "float4": lambda tensor: torch.zeros(tensor.shape, dtype=torch.uint8).view(torch.float4_e2m1fn_x2),
    "integers": lambda tensor: tensor.long(),
    "complex": lambda tensor: tensor.to(torch.complex64),
    "negated": torch._neg_view,
    "nan": lambda tensor: torch.full_like(tensor, torch.nan),
    "too_great": lambda tensor: torch.full(tensor.shape, 1e300, dtype=torch.float64),
    "one_for_all": lambda tensor: torch.zeros(1).expand(tensor.shape),
    "transposed": lambda tensor: tensor.mT.contiguous().mT if tensor.ndim > 1 else tensor,
    "sparse": lambda tensor: tensor.to_sparse(),
    "meta": lambda tensor: tensor.to("meta"),
    "nested": nested,
    "another_shape": lambda tensor: tensor[:1],
    "parameter": torch.nn.Parameter,
    "parameter_detach": with_attribute("detach"),
    "parameter_to": with_attribute("is_floating_point"),
    "empty": lambda tensor: tensor[:0],
    "list": lambda tensor: tensor.tolist(),
    "text": lambda tensor: "tensor",
    "none": lambda tensor: None,
}
WRAPPED = {
    "as it is": lambda state: state,
    "nested": lambda state: {"state_dict": state, "epoch": 3},
    "nested twice": lambda state: {"state_dict": {"state_dict": state}},
    "ordered": OrderedDict,
    "list": lambda state: list(state.values()),
    "pairs": lambda state: list(state.items()),
}
PARTS = list(TINY.state_dict())
# But for the number of batches, which nobody reads.
READ = [name for name in PARTS if not name.endswith("tracked")]


@examples(250)
@given(
    changes=st.dictionaries(st.sampled_from(READ), st.sampled_from(sorted(OTHER_TENSORS)), max_size=2),
    left_out=st.sets(st.sampled_from(PARTS), max_size=1),
    added=st.dictionaries(
        TEXTS | st.integers() | st.none() | st.tuples(st.text()), st.just(torch.zeros(1)), max_size=1
    ),
    wrapped=st.sampled_from(sorted(WRAPPED)),
    attribute=st.none() | st.sampled_from(["get", "items", "keys", "values", "__contains__"]),
)
def test_other_tensors_as_weights(tmp_path, changes, left_out, added, wrapped, attribute):
    state = {
        key: OTHER_TENSORS[changes[key]](tensor) if key in changes else tensor
        for key, tensor in TINY.state_dict().items()
    }
    state = WRAPPED[wrapped]({key: tensor for key, tensor in state.items() if key not in left_out} | added)
    if isinstance(state, OrderedDict) and attribute:
        setattr(state, attribute, 3)
    path = tmp_path / "mine.pth"
    try:
        path.write_bytes(saved(state))
    except TypeError:
        # Torch looks at the items itself.
        return
    check_weights(path)


GLOBALS = [
    b"cos\nsystem\n", b"cos\nmkdir\n", b"cbuiltins\neval\n", b"cbuiltins\ngetattr\n", b"ctorch\nload\n", b"c\n\n",
    b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch._utils\n_rebuild_parameter\n",
    b"ctorch\nFloatStorage\n", b"ctorch\nSize\n", b"ccollections\nCounter\n",
]  # fmt: skip
OPCODES = st.one_of(
    st.sampled_from(GLOBALS),
    st.sampled_from([bytes([each]) for each in b"})](tusaeRb\x81Q0N\x85\x86\x87."]),
    st.integers(0, 255).map(lambda value: b"K" + bytes([value])),
    st.integers(0, 3).map(lambda value: b"q" + bytes([value])),
    st.integers(0, 3).map(lambda value: b"h" + bytes([value])),
    st.sampled_from(["storage", "MARKER", "cpu", "0", "state_dict", *PARTS]).map(
        lambda text: b"X" + struct.pack("<I", len(text)) + text.encode()
    ),
    st.just(b"X\xff\xff\xff\xff"),
    st.binary(min_size=1, max_size=4),
)


@examples(300)
@given(zipped=st.booleans(), opcodes=st.lists(OPCODES, max_size=25))
def test_made_up_pickles_as_weights(outside, tmp_path, zipped, opcodes):
    program = b"\x80\x02" + b"".join(opcodes) + b"."
    path = tmp_path / "mine.pth"
    if zipped:
        content = io.BytesIO(saved(TINY.state_dict()))
        with zipfile.ZipFile(content) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                new.writestr(name, program if name.endswith("data.pkl") else old.read(name))
    else:
        path.write_bytes(program)
    check_weights(path)
    assert contents(outside) == {}


@pytest.mark.parametrize("where", ["whole", "state", "key", "attribute", "module"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_hostile_pickle_is_not_executed_wherever_it_is(tmp_path, where, zipped):
    hostile = Hostile(tmp_path / "executed")
    state, module = OrderedDict(TINY.state_dict()), TinyBackbone()
    state.hidden = module.hidden = hostile
    plain = TINY.state_dict()
    simple = {"whole": hostile, "state": {**plain, "x": hostile}, "key": {**plain, (hostile, 1): 3}}
    content = {**simple, "attribute": state, "module": module}[where]
    path = tmp_path / "mine.pth"
    path.write_bytes(saved(content, _use_new_zipfile_serialization=zipped))
    assert check_weights(path)
    path.write_bytes(pickle.dumps(content))
    assert check_weights(path)
    assert not (tmp_path / "executed").exists()
