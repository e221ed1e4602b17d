"""Options of the PyTorch original, and the options that replace them here."""

ANSWERS = {
    "--dataroot": "give --data.path FOLDER",
    "--name": "give --workdir DIR",
    "--checkpoints_dir": "give --workdir DIR",
    "--model": "omit it; this is pix2pix",
    "--dataset_mode": "omit it; the layout of the pictures is detected automatically",
    "--gpu_ids": "omit it; all devices are used; --distributed.devices 0 1 uses some of them, --device cpu the CPU",
    "--direction": "give --data.direction AtoB or BtoA",
    "--niter": "give --epochs N (the total length; the learning rate falls over the second half)",
    "--niter_decay": "give --epochs N (the total length; the learning rate falls over the second half)",
    "--n_epochs": "give --epochs N (the total length; the learning rate falls over the second half)",
    "--n_epochs_decay": "give --epochs N (the total length; the learning rate falls over the second half)",
    "--epoch_count": "omit it; the same command resumes a stopped run",
    "--continue_train": "omit it; the same command resumes a stopped run",
    "--load_iter": "omit it; the same command resumes the run; translate has --checkpoint STEP",
    "--lr": "give --optimizer.learning-rate NUMBER",
    "--lr_policy": "give --optimizer.schedule linear, step, cosine or constant",
    "--lr_decay_iters": "give --optimizer.schedule step",
    "--beta1": "give --optimizer.beta1 NUMBER",
    "--netG": "give --generator.architecture unet or resnet (--generator.num-blocks 6 or 9)",
    "--netD": "give --discriminator.architecture patchgan or pixelgan",
    "--n_layers_D": "give --discriminator.num-layers N",
    "--ngf": "give --generator.width N",
    "--ndf": "give --discriminator.width N",
    "--norm": "give --generator.norm and --discriminator.norm",
    "--no_dropout": "give --generator.dropout 0",
    "--init_type": "omit it; weights are drawn from a normal distribution of standard deviation 0.02",
    "--init_gain": "omit it; weights are drawn from a normal distribution of standard deviation 0.02",
    "--gan_mode": "give --loss.adversarial bce (vanilla), least_squares (lsgan) or wasserstein (wgangp)",
    "--lambda_L1": "give --loss.reconstruction-weight NUMBER",
    "--pool_size": "omit it; pix2pix has no image pool",
    "--input_nc": "give --data.input.channels N",
    "--output_nc": "give --data.target.channels N",
    "--load_size": "give --data.load-size N",
    "--loadSize": "give --data.load-size N",
    "--crop_size": "give --image-size N",
    "--fineSize": "give --image-size N",
    "--batchSize": "give --batch-size N",
    "--preprocess": "give --data.preprocess",
    "--no_flip": "give --augment.no-flip",
    "--num_threads": "give --data.threads N",
    "--nThreads": "give --data.threads N",
    "--serial_batches": "omit it; the order of the pairs follows from --seed",
    "--max_dataset_size": "omit it; give a folder or list of fewer pairs",
    "--display_freq": "give --sample-every STEPS",
    "--print_freq": "give --log-every STEPS",
    "--save_latest_freq": "give --checkpoint-every STEPS",
    "--save_epoch_freq": "give --checkpoint-every STEPS",
    "--use_wandb": "give --track wandb",
    "--phase": "omit it; train uses the training pairs, and evaluate has --split",
    "--results_dir": "give translate --output DIR",
    "--aspect_ratio": "omit it; translate keeps the size of each picture",
    "--num_test": "omit it; translate translates all pictures that you name",
    "--eval": "give --mode running",
    "--epoch": "give --checkpoint latest, best or a step number",
}


def answer_foreign_option(word: str) -> str | None:
    """A sentence that says what replaces an option of the PyTorch original, or None for any other word."""
    name = word.split("=")[0]
    for known in (name, name.replace("-", "_").replace("__", "--", 1)):
        if known in ANSWERS:
            return f"{name} is an option of the PyTorch original: {ANSWERS[known]}."
    return None
