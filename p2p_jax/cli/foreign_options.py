"""Options of the PyTorch original, and what to give here instead."""

ANSWERS = {
    "--dataroot": "give --data.path FOLDER",
    "--name": "give --workdir DIR",
    "--checkpoints_dir": "give --workdir DIR",
    "--model": "leave it out; this is pix2pix",
    "--dataset_mode": "leave it out; the layout of the pictures is found by itself",
    "--gpu_ids": "leave it out; all devices are used, and --distributed.devices names some of them, --device cpu none",
    "--direction": "give --data.direction AtoB or BtoA",
    "--niter": "give --epochs N (the whole length; the learning rate falls over the second half)",
    "--niter_decay": "give --epochs N (the whole length; the learning rate falls over the second half)",
    "--n_epochs": "give --epochs N (the whole length; the learning rate falls over the second half)",
    "--n_epochs_decay": "give --epochs N (the whole length; the learning rate falls over the second half)",
    "--epoch_count": "leave it out; the same command resumes where the run stopped",
    "--continue_train": "leave it out; the same command resumes where the run stopped",
    "--load_iter": "leave it out; the same command resumes, and translate takes --checkpoint STEP",
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
    "--init_type": "leave it out; weights are drawn from N(0, 0.02), its default",
    "--init_gain": "leave it out; weights are drawn from N(0, 0.02), its default",
    "--gan_mode": "give --loss.adversarial bce (vanilla), least_squares (lsgan) or wasserstein (wgangp)",
    "--lambda_L1": "give --loss.reconstruction-weight NUMBER",
    "--pool_size": "leave it out; pix2pix has no image pool",
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
    "--serial_batches": "leave it out; the order of the pairs follows from --seed",
    "--max_dataset_size": "leave it out, and give a folder or list of fewer pairs",
    "--display_freq": "give --sample-every STEPS",
    "--print_freq": "give --log-every STEPS",
    "--save_latest_freq": "give --checkpoint-every STEPS",
    "--save_epoch_freq": "give --checkpoint-every STEPS",
    "--use_wandb": "leave it out; metrics.jsonl holds all metrics, and --tensorboard writes them for TensorBoard",
    "--phase": "leave it out; train trains, evaluate takes --split",
    "--results_dir": "give translate --output DIR",
    "--aspect_ratio": "leave it out; translate keeps the size of each picture",
    "--num_test": "leave it out; translate takes the pictures that are named",
    "--eval": "give --mode running",
    "--epoch": "give --checkpoint latest, best or a step number",
}


def answer_foreign_option(word: str) -> str | None:
    """What to give in place of an option of the PyTorch original, or None for any other word."""
    name = word.split("=")[0]
    for known in (name, name.replace("-", "_").replace("__", "--", 1)):
        if known in ANSWERS:
            return f"{name} is an option of the PyTorch original: {ANSWERS[known]}."
    return None
