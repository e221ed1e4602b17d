"""Fuzz: tampers with the files that strangers hand over, reads them, and counts what goes wrong.

    python -m experiments.checks.fuzz                             # 100,000 cases in two processes, about half an hour
    python -m experiments.checks.fuzz --first 1234 --cases 1      # repeats case 1234

Each case tampers with one file, calls the package's own reader in this process's workers, and expects a result or a
`UserError`:

- a record, experiment.json, with a stranger's code beside it;
- rows, metrics.jsonl;
- the metadata of a checkpoint;
- an archive: tar.gz of pictures, NPZ, or a file of torch.save in either format;
- a picture in any format that is read.

A case counts as wrong if the reader raises another error, takes too long, takes more memory than the limit or ends its
process, if code of the stranger runs, or if a file appears outside of the case's own folder. The choice of a case depends
only on the seed and on its number. The exit code is 1 if anything went wrong.
"""
