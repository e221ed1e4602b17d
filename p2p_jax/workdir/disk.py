"""Messages for errors of the disk."""

import errno
import os
import re

TRY_AGAIN = "then start the same command again; saved checkpoints are kept."


SENTENCES = {
    errno.ENOSPC: f"there is no space left on the disk: free some space, {TRY_AGAIN}",
    getattr(errno, "EDQUOT", None): f"your disk quota is exceeded: free some space, {TRY_AGAIN}",
    errno.EFBIG: (
        f"a file is larger than the file system or ulimit -f allows: use another disk or raise the limit, {TRY_AGAIN}"
    ),
    errno.EMFILE: f"too many files are open: raise the limit with ulimit -n, {TRY_AGAIN}",
    errno.EIO: f"the disk failed (input/output error): check that it is connected and undamaged, {TRY_AGAIN}",
}
"""The sentence for each error number."""


def explain(error: BaseException) -> str | None:
    """Explains an error of the disk. Causes are searched too, because libraries wrap such errors.

    Returns:
        one sentence that says what to do, or None for every other error.
    """
    seen: BaseException | None = error
    while seen is not None:
        code = re.search(r"os_error_code='(\d+)'", str(seen))  # as tensorstore writes it
        number = int(code[1]) if code else getattr(seen, "errno", None)
        for each, sentence in SENTENCES.items():
            if each is not None and (number == each or os.strerror(each) in str(seen)):
                return sentence
        seen = seen.__cause__ or seen.__context__
    return None
