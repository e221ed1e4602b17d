"""Pickles of arrays: read without running them; everything else is refused."""

import os
import pickle

import numpy as np
import pytest

from p2p_jax.weight_files.numpy_pickle import COUNT, read_arrays
from p2p_jax.weight_files.torch_objects import Refused

ARRAYS = {
    "net": {"conv": {"kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "bias": np.zeros(0, np.float32)}},
    "head": np.float32([[1.5]]),
}


class Malicious:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", [3, 4])
def test_arrays_are_read_by_their_joined_keys(protocol):
    found = read_arrays(pickle.dumps(ARRAYS, protocol))
    assert list(found) == ["net/conv/kernel", "net/conv/bias", "head"]
    np.testing.assert_array_equal(found["net/conv/kernel"], ARRAYS["net"]["conv"]["kernel"])
    assert found["net/conv/bias"].shape == (0,)
    assert found["head"].dtype == np.float32


def test_the_module_names_of_old_and_new_numpy_are_read():
    content = pickle.dumps(ARRAYS, 3)
    old = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert old != content
    assert list(read_arrays(old)) == list(read_arrays(content))


def test_a_malicious_pickle_is_refused_by_name_and_not_run(tmp_path):
    content = pickle.dumps({"a": ARRAYS["head"], "b": Malicious(tmp_path / "made")}, 3)
    with pytest.raises(Refused, match=r"asks for \w+.mkdir, which is not needed for arrays of numbers: it was not run"):
        read_arrays(content)
    assert not (tmp_path / "made").exists()


def test_a_state_that_names_a_function_is_refused():
    content = pickle.dumps({"a": np.zeros(1, np.float32)}, 3)
    for part, other in ((b"numpy\nndarray", b"builtins\neval"), (b"numpy\ndtype", b"os\nsystem")):
        assert part in content
        with pytest.raises(Refused, match=r"asks for (builtins.eval|os.system)"):
            read_arrays(content.replace(part, other))


@pytest.mark.parametrize(
    "value",
    [
        {"a": np.zeros(2)},
        {"a": np.zeros(2, ">f4")},
        {"a": np.array(["x"], object)},
        {"a": np.asfortranarray(np.zeros((2, 3), np.float32))},
        {"a": [np.zeros(2, np.float32)]},
        {"a": 1.0},
        {"a": {}},
        {1: np.zeros(2, np.float32)},
        {"a": {"a": {"a": {"a": {"a": np.zeros(2, np.float32)}}}}},
        np.zeros(2, np.float32),
        {},
        None,
    ],
)
def test_other_values_are_refused(value):
    with pytest.raises(Refused):
        read_arrays(pickle.dumps(value, 3))


def test_a_cut_off_pickle_and_one_with_too_few_numbers_are_refused():
    content = pickle.dumps({"a": np.arange(300, dtype=np.float32)}, 3)
    with pytest.raises(Refused, match="cut off or damaged"):
        read_arrays(content[:-900])
    with pytest.raises(Refused, match="cut off or damaged"):
        read_arrays(content.replace(b"M\x2c\x01\x85", b"M\x2d\x01\x85"))  # the shape (300,) becomes (301,)


def test_dicts_that_hold_themselves_or_one_dict_many_times_are_refused():
    inside = {}
    inside["a"] = inside
    with pytest.raises(Refused, match="at most 4 dicts"):
        read_arrays(pickle.dumps(inside, 3))
    many = {str(i): ARRAYS["head"] for i in range(100)}
    with pytest.raises(Refused, match=f"over {COUNT} arrays"):
        read_arrays(pickle.dumps({str(i): many for i in range(100)}, 3))
