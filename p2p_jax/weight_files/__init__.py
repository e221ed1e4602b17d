"""Files of weights that others have made: pickles, which are read without running them, and files of torch.save."""
