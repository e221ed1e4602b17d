"""Zip files with too many members are refused before they are opened."""

import io
import zipfile

import pytest

from p2p_jax.limits import budget, zip_members
from p2p_jax.limits.budget import OverBudget
from p2p_jax.limits.zip_members import check_zip


@pytest.mark.parametrize("members", [3, 40])
def test_members_are_counted_before_a_zip_file_is_opened(monkeypatch, members):
    monkeypatch.setattr(budget, "MEMBERS", 10)
    monkeypatch.setattr(zip_members, "MEMBERS", 1)
    monkeypatch.setattr(zip_members, "MIB", 50)  # so that marks lie across the borders of the pieces
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for index in range(members):
            archive.writestr(f"{index}", b"")
    if members == 3:
        check_zip(file, len(file.getvalue()))
        assert file.tell() == 0
    else:
        with pytest.raises(OverBudget, match="holds more than 10 members"):
            check_zip(file, len(file.getvalue()))
