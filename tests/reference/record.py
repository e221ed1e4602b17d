"""Records PyTorch's results for the parity tests: `python tests/reference/record.py` writes the .npz files beside it.

It needs only PyTorch and NumPy and runs for a few seconds on a CPU. Run it again only if `torch_pix2pix.py`,
`tests/helpers/reference_values.py` or the recordings here change. Everything is computed in float64. Networks and steps are
computed in float32 too, to measure PyTorch's own rounding error, printed and stored as `noise`. Recorded with torch 2.13.0.
"""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
import torch_pix2pix as original
from helpers import reference_values as values
from torch import Tensor, nn
from torch.nn import functional

Arrays = dict[str, np.ndarray]
Shape = tuple[int, ...]


def tensor(name: str, *shape: int, **limits: float) -> Tensor:
    """Returns `values.uniform` as a float64 tensor."""
    return torch.from_numpy(values.uniform(name, *shape, **limits)).double()


def under(prefix: str, arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Returns the same arrays with a prefix before their names."""
    return {f"{prefix}/{name}": value for name, value in arrays.items()}


def with_gradients(fn: Callable[..., Tensor], name: str, **inputs: Tensor) -> Arrays:
    """Returns the value of `fn` and the gradients of all inputs, for a random cotangent if the value is no scalar."""
    inputs = {key: value.clone().requires_grad_() for key, value in inputs.items()}
    y = fn(**inputs)
    y.backward(tensor(f"{name}/cotangent", *y.shape) if y.ndim else None)
    return {"y": y.detach().numpy(), **{f"d_{key}": value.grad.numpy() for key, value in inputs.items()}}


# --------------------------------------------------------------------------------------------------------------------
# Operations


def record(name: str, fn: Callable[..., Tensor], **inputs: Tensor) -> Arrays:
    """Returns the value and the gradients of one operation, in float32, with its name before their names."""
    results = under(name, with_gradients(fn, name, **inputs))
    return {key: value.astype(np.float32) for key, value in results.items()}


def record_convolution(name: str, fn: Callable[..., Tensor], x: Shape, kernel: Shape, features: int) -> Arrays:
    """Records one convolution of arrays of these shapes."""
    shapes = {"x": x, "kernel": kernel, "bias": (features,)}
    inputs = {key: tensor(f"{name}/{key}", *shape) for key, shape in shapes.items()}
    return record(name, lambda x, kernel, bias: fn(x, kernel, bias), **inputs)


def record_convolutions() -> Arrays:
    """Records convolutions and transposed convolutions."""
    found: Arrays = {}
    for name, (h, w, kh, kw, channels, features, stride, padding) in values.CONVOLUTIONS.items():
        fn, kernel = partial(functional.conv2d, stride=stride, padding=padding), (features, channels, kh, kw)
        found |= record_convolution(f"conv2d/{name}", fn, (2, channels, h, w), kernel, features)
    for name, (h, w, kh, kw, channels, features, stride, padding, extra) in values.TRANSPOSED.items():
        fn = partial(functional.conv_transpose2d, stride=stride, padding=padding, output_padding=extra)
        kernel = (channels, features, kh, kw)
        found |= record_convolution(f"conv2d_transpose/{name}", fn, (2, channels, h, w), kernel, features)
    return found


def record_norms() -> Arrays:
    """Records batch norm with both kinds of statistics and with its updates of the running ones, and instance norm."""
    found: Arrays = {}
    for name, (shape, middle) in values.NORMALISED.items():
        norm = nn.BatchNorm2d(shape[1]).double()
        shapes = {key: tuple(value.shape) for key, value in norm.state_dict().items()}
        drawn = values.weights(f"batch_norm/{name}", shapes)
        x = tensor(f"normalised/{name}", *shape, low=middle - 2, high=middle + 1)
        inputs = {"input": x, **{key: torch.from_numpy(drawn[key]).double() for key in ("weight", "bias")}}
        for mode in ("train", "eval"):
            mean, var = (torch.from_numpy(drawn[f"running_{key}"]).double() for key in ("mean", "var"))
            fn = partial(functional.batch_norm, running_mean=mean, running_var=var, training=mode == "train")
            found |= record(f"batch_norm_{mode}/{name}", fn, **inputs)
            for calls in (1, 2) if mode == "train" else ():
                if calls == 2:
                    fn(inputs["input"] * 0.5)
                for key, value in (("mean", mean), ("var", var)):
                    found[f"batch_norm_train/{name}/{key}_{calls}"] = value.numpy().astype(np.float32)
        if shape[2:] != (1, 1):  # PyTorch refuses a single pixel
            found |= record(f"instance_norm/{name}", nn.InstanceNorm2d(shape[1]), input=x)
    return found


def record_ops() -> Arrays:
    """Records values and gradients of every operation and layer."""
    found = record_convolutions()
    for pad in (1, 3):
        found |= record(f"reflect_pad/{pad}", nn.ReflectionPad2d(pad), input=tensor(f"reflect_pad/{pad}/x", 2, 3, 5, 4))
    activations = {"relu": nn.ReLU(), "leaky_relu": nn.LeakyReLU(0.2), "tanh": nn.Tanh(), "sigmoid": nn.Sigmoid()}
    for name, fn in activations.items():
        found |= record(name, fn, input=torch.tensor(values.LOGITS, dtype=torch.float64))
    return found | record_norms()


# --------------------------------------------------------------------------------------------------------------------
# Losses, schedules, optimizer

ADVERSARIAL = {
    "bce": functional.binary_cross_entropy_with_logits,
    "least_squares": functional.mse_loss,
    "hinge": lambda x, target: functional.relu(1 - x if target[0] else 1 + x).mean(),
    "wasserstein": lambda x, target: -x.mean() if target[0] else x.mean(),
}


def record_losses() -> Arrays:
    """Records losses with gradients, the rate of every epoch by every policy, and Adam."""
    found: Arrays = {}
    logits = torch.tensor(values.LOGITS, dtype=torch.float64)
    one = torch.ones_like(logits)
    for name, loss in ADVERSARIAL.items():
        for side, target in (("real", one), ("fake", 0 * one)):
            found |= under(f"{name}/{side}", with_gradients(lambda x, f=loss, t=target: f(x, t), "loss", x=logits))
        generator = (lambda x: -x.mean()) if name == "hinge" else (lambda x, loss=loss: loss(x, one))
        found |= under(f"{name}/generator", with_gradients(generator, "loss", x=logits))
    for name in ("bce", "least_squares"):
        smooth = lambda x, name=name: ADVERSARIAL[name](x, 0.9 * one)
        found |= under(f"{name}/smooth", with_gradients(smooth, "loss", x=logits))

    fake, target = tensor("pictures/fake", 2, 3, 4, 5), tensor("pictures/target", 2, 3, 4, 5)
    target[0, 0] = fake[0, 0]  # here the gradient of l1 is a convention
    found |= under("l1", with_gradients(functional.l1_loss, "loss", input=fake, target=target))
    found |= under("l2", with_gradients(functional.mse_loss, "loss", input=fake, target=target))
    classes = lambda input: functional.cross_entropy(10 * input, target.argmax(1))
    found |= under("cross_entropy", with_gradients(classes, "loss", input=fake))
    found |= under("gradient_penalty", gradient_penalty())

    policies = {
        "linear": lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda e: 1 - max(0, e + 1 - 100) / 101),
        "step": lambda o: torch.optim.lr_scheduler.StepLR(o, 50, 0.1),
        "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, values.EPOCHS, eta_min=0),
    }
    for name, policy in policies.items():
        optimizer = torch.optim.SGD([torch.zeros(1)], 1.0)
        scheduler, rates = policy(optimizer), []
        for _ in range(values.EPOCHS):
            rates.append(scheduler.get_last_lr()[0])
            optimizer.step()
            scheduler.step()  # at the end of an epoch
        found[f"schedule/{name}"] = np.array(rates)

    found |= under("adam", adam(lambda epoch: 1.0))
    found |= under("adam_linear", adam(lambda epoch: 1 - max(0, epoch + 1 - 3) / 3))
    return found


def gradient_penalty() -> Arrays:
    """Records the paper's gradient penalty of a small PatchGAN, from the mean logit of each interpolation's patches."""
    net = original.PatchGan((3, 4), 4, "instance").double()
    shapes = fill(net, "gradient_penalty")
    input, real, fake = (tensor(f"gradient_penalty/{key}", 2, 2, 16, 12) for key in ("input", "real", "fake"))
    fraction = tensor("gradient_penalty/share", 2, 1, 1, 1, low=0)
    mixed = (fraction * real + (1 - fraction) * fake).requires_grad_()
    score = net(torch.cat([input, mixed], 1)).mean((1, 2, 3)).sum()
    (gradient,) = torch.autograd.grad(score, mixed, create_graph=True)
    value = 10 * ((gradient.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
    value.backward()
    # The gradient does not depend on the last bias, whose own gradient is then None in PyTorch.
    zeros = torch.zeros_like
    gradients = {key: (zeros(p) if p.grad is None else p.grad).numpy() for key, p in net.named_parameters()}
    return {"y": value.detach().numpy(), **shapes, **under("gradients", gradients)}


def adam(factor: Callable[[int], float]) -> Arrays:
    """Records ten steps, two per epoch, with gradients from large ones down to rounding errors and zero."""
    x = nn.Parameter(tensor("adam/x", 8))
    optimizer = original.adam(nn.ParameterList([x]))
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    found, before = {}, x.detach().clone()
    for step in range(10):
        x.grad = tensor(f"adam/{step}", 8) * torch.tensor(values.ADAM_SIZES, dtype=torch.float64)
        optimizer.step()
        if step % 2:
            scheduler.step()
        state = optimizer.state[x]
        found[f"moved_{step}"] = (x.detach() - before).numpy()
    return found | {"mu": state["exp_avg"].numpy(), "nu": state["exp_avg_sq"].numpy()}


# --------------------------------------------------------------------------------------------------------------------
# Networks and steps


def fill(net: nn.Module, name: str, **options: float) -> Arrays:
    """Sets a network's weights to those of a name, and returns its names and shapes for storage."""
    shapes = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    drawn = values.weights(name, shapes, **options)
    net.load_state_dict({key: torch.from_numpy(value) for key, value in drawn.items()})
    return {f"shapes/{key}": np.array(shape, np.float32) for key, shape in shapes.items()}


def statistics(net: nn.Module) -> Arrays:
    """Returns the running statistics of a network."""
    return {key: value.clone().numpy() for key, value in net.state_dict().items() if "running" in key}


def run_network(name: str, dtype: torch.dtype) -> tuple[Arrays, Arrays, Arrays]:
    """Returns shapes, results of the forward passes, and gradients."""
    kind, norm, _, shape, options = values.NETWORKS[name]
    net = original.fix_dropout(getattr(original, kind)(norm=norm, **options)).to(dtype)
    shapes = fill(net, name, gain=values.GAINS[kind])
    x = tensor(f"{name}/x", *shape).to(dtype).requires_grad_()
    forward = {"eval": net.eval()(x).detach().numpy()}
    y = net.train()(x)
    (y * tensor(f"{name}/cotangent", *y.shape).to(dtype)).sum().backward()
    forward |= {"train": y.detach().numpy(), **statistics(net)}
    gradients = {key: parameter.grad.numpy() for key, parameter in net.named_parameters()}
    return shapes, forward, {"x": x.grad.numpy(), **gradients}


def record_networks() -> Arrays:
    """Records every small network, and the large U-Net."""
    found: Arrays = {}
    for name, (_, _, dtype, *_) in values.NETWORKS.items():
        shapes, *exact = run_network(name, torch.float64)
        _, *rough = run_network(name, torch.float32)
        noise = [max(values.differences(a, b).values()) for a, b in zip(rough, exact, strict=True)]
        print(f"{name:20} PyTorch's float32 differs from its float64 by {noise[0]:.1e}, gradients by {noise[1]:.1e}")
        found |= under(name, {**shapes, "noise": np.array(noise)})
        for part, arrays in zip(("forward", "gradients"), exact, strict=True):
            found |= under(f"{name}/{part}", {key: values.digest(value).astype(dtype) for key, value in arrays.items()})

    results = {}
    for dtype in (torch.float64, torch.float32):
        net = original.Unet(dropout=0.0).to(dtype)
        shapes = fill(net, "unet_256_whole", spread=0.02)
        x = tensor("unet_256_whole/x", 1, 3, 256, 256).to(dtype)
        with torch.no_grad():
            results[dtype] = {"train": net.train()(x).numpy(), **statistics(net)}
    noise = max(values.differences(results[torch.float32], results[torch.float64]).values())
    print(f"unet_256_whole       PyTorch's float32 differs from its float64 by {noise:.1e}")
    kept = {key: values.digest(value, 128).astype(np.float32) for key, value in results[torch.float64].items()}
    return found | under("unet_256_whole", {**shapes, "noise": np.array(noise), **under("forward", kept)})


def run_steps(norm: str, dtype: torch.dtype, count: int = 10) -> Arrays:
    """Returns shapes, the losses of all steps, and everything that a step changes after the first and the last step."""
    nets = {
        "generator": original.fix_dropout(original.Unet(values.STEP_WIDTHS, norm=norm)).to(dtype),
        "discriminator": original.PatchGan(values.STEP_JUDGE_WIDTHS, norm=norm).to(dtype),
    }
    found: Arrays = {}
    for name, net in nets.items():
        found |= under(name, fill(net, f"steps_{norm}/{name}"))
    before = {name: {k: p.detach().double().clone() for k, p in net.named_parameters()} for name, net in nets.items()}
    optimizers = {name: original.adam(net) for name, net in nets.items()}
    losses = []
    for step in range(1, count + 1):
        shape = (values.STEPS[norm], 3, values.STEP_SIZE, values.STEP_SIZE)
        batch = [tensor(f"steps_{norm}/{key}/{step}", *shape).to(dtype) for key in ("input", "target")]
        result = original.train_step(*nets.values(), *optimizers.values(), *batch)
        losses.append([value.item() for value in result.values()])
        for name, net in nets.items() if step in (1, count) else ():
            kept = {f"statistics/{key}": value for key, value in statistics(net).items()}
            for key, parameter in net.named_parameters():
                state = optimizers[name].state[parameter]
                kept[f"gradients/{key}"] = parameter.grad.numpy().copy()
                kept[f"mu/{key}"], kept[f"nu/{key}"] = (state[m].numpy().copy() for m in ("exp_avg", "exp_avg_sq"))
                kept[f"moved/{key}"] = (parameter.detach().double() - before[name][key]).numpy()
            found |= under(f"{step}/{name}", kept)
    return found | {"losses": np.array(losses)}


def record_steps() -> Arrays:
    """Records ten training steps with every norm."""
    found: Arrays = {}
    for norm in values.STEPS:
        exact, rough = (run_steps(norm, dtype) for dtype in (torch.float64, torch.float32))
        compared = [values.summary(norm, run, exact) for run in (rough, exact)]
        for kind in compared[1]:
            noise = max(values.differences(compared[0][kind], compared[1][kind]).values())
            print(f"steps, {norm:8} {kind:12} PyTorch's float32 differs from its float64 by {noise:.1e}")
            found[f"{norm}/noise/{kind}"] = np.array(noise)
        found |= under(norm, exact)
    return found


def main() -> None:
    """Writes all files."""
    torch.use_deterministic_algorithms(True)
    recorders = {"ops": record_ops, "losses": record_losses, "networks": record_networks, "steps": record_steps}
    for name, recorder in recorders.items():
        print(f"{name}.npz: {values.save(name, recorder()):,} bytes")


if __name__ == "__main__":
    main()
