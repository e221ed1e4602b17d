"""The commands `import-torch` and `export-torch`."""

from p2p_jax.cli import compilation_cache, libraries
from p2p_jax.cli.options import ExportTorchOptions, ImportTorchOptions
from p2p_jax.cli.parsing import parse
from p2p_jax.errors import PROGRAM
from p2p_jax.files.names import printable


def import_torch(argv: list[str]) -> int:
    """`p2p-jax import-torch FILE.pth… --workdir DIR`."""
    options = parse(ImportTorchOptions, argv, f"{PROGRAM} import-torch")
    libraries.load("p2p_jax.pytorch.workdirs")
    compilation_cache.turn_on()
    from p2p_jax.pytorch import workdirs

    done = workdirs.import_torch(
        list(options.files),
        options.workdir,
        direction=options.direction,
        image_size=options.image_size,
        dropout=options.dropout,
        overwrite=options.overwrite,
    )
    print(printable(done))
    return 0


def export_torch(argv: list[str]) -> int:
    """`p2p-jax export-torch WORKDIR --output DIR`."""
    options = parse(ExportTorchOptions, argv, f"{PROGRAM} export-torch")
    libraries.load("p2p_jax.pytorch.workdirs")
    compilation_cache.turn_on()
    from p2p_jax.pytorch import workdirs

    written = workdirs.export_torch(
        options.workdir,
        options.output,
        checkpoint_step=options.checkpoint,
        trust=options.trust,
        overwrite=options.overwrite,
    )
    for path in written:
        print(printable(f"written: {path}"))
    return 0
