"""Training steps as people write them: twenty of each, eager and compiled, give the same bits."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

import unspool as us
import unspool.nn.functional as F
from steps import Made, assert_same_bits, labels, numbers
from unspool import nn

MADE: dict[str, tuple[Callable[[], Made], list[tuple[Any, ...]]]] = {}
POINTS = [(numbers(6, 4, seed=i),) for i in range(3)]
CLASSED = [(numbers(6, 4, seed=i), labels(6, 3, seed=i)) for i in range(3)]
TEXTS = [(labels(20, 7, seed=i).reshape(4, 5), labels(20, 7, seed=i + 9).reshape(4, 5)) for i in range(3)]


def on(batches: list[tuple[Any, ...]]) -> Callable[[Callable[[], Made]], Callable[[], Made]]:
    def keep(make: Callable[[], Made]) -> Callable[[], Made]:
        MADE[make.__name__] = (make, batches)
        return make

    return keep


def mlp(*sizes: int) -> Any:
    layers: list[Any] = []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


@on(POINTS)
def adversarial_pair() -> Made:
    maker, judge = mlp(3, 8, 4), mlp(4, 8, 1)
    first = us.optim.Adam(maker.parameters(), lr=1e-2, betas=(0.5, 0.999))
    second = us.optim.Adam(judge.parameters(), lr=1e-2, betas=(0.5, 0.999))
    loss = nn.BCEWithLogitsLoss()

    def step(real: Any) -> Any:
        fake = maker(us.randn(len(real), 3))
        second.zero_grad()
        cost = loss(judge(real), us.ones(len(real), 1)) + loss(judge(fake.detach()), us.zeros(len(real), 1))
        cost.backward()
        second.step()
        first.zero_grad()
        fooled = loss(judge(fake), us.ones(len(real), 1))
        fooled.backward()
        first.step()
        return cost.detach(), fooled.detach()

    return [*maker.parameters(), *judge.parameters()], step


@on(POINTS)
def gradient_penalty() -> Made:
    maker, judge = mlp(3, 8, 4), mlp(4, 8, 1)
    optimizer = us.optim.RMSprop(judge.parameters(), lr=1e-2)

    def step(real: Any) -> Any:
        optimizer.zero_grad(set_to_none=True)
        with us.no_grad():
            fake = maker(us.randn(real.size(0), 3))
        share = us.rand(real.size(0), 1)
        mixed = (share * real + (1 - share) * fake).requires_grad_(True)
        score = judge(mixed)
        (slope,) = us.autograd.grad(score, mixed, grad_outputs=us.ones_like(score), create_graph=True)
        loss = judge(fake).mean() - judge(real).mean() + 10 * ((slope.norm(2, dim=1) - 1) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return list(judge.parameters()), step


@on(
    [
        (numbers(6, 4, seed=i), labels(6, 2, seed=i), numbers(6, seed=i), numbers(6, 4, seed=9 + i))
        for i in range(3)
    ]
)
def q_learning_with_a_target_network() -> Made:
    online, target = mlp(4, 8, 2), mlp(4, 8, 2)
    target.load_state_dict(online.state_dict())
    optimizer = us.optim.AdamW(online.parameters(), amsgrad=True)

    def step(state: Any, action: Any, reward: Any, following: Any) -> Any:
        value = online(state).gather(1, action.unsqueeze(1)).squeeze(1)
        with us.no_grad():
            best = target(following).max(1).values
        loss = F.smooth_l1_loss(value, reward + 0.9 * best)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(online.parameters(), 0.1)
        optimizer.step()
        with us.no_grad():
            for slow, fast in zip(target.parameters(), online.parameters(), strict=True):
                slow.data.mul_(0.9)
                slow.data.add_(0.1 * fast.data)
        return loss

    return [*online.parameters(), *target.parameters()], step


@on(POINTS)
def soft_update_by_lerp_and_hard_update_by_copy() -> Made:
    online, slow, last = mlp(4, 5, 4), mlp(4, 5, 4), mlp(4, 5, 4)
    optimizer = us.optim.SGD(online.parameters(), lr=0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = F.mse_loss(online(x), slow(x).detach() + last(x).detach())
        loss.backward()
        with us.no_grad():
            for a, b in zip(last.parameters(), online.parameters(), strict=True):
                a.copy_(b)
        optimizer.step()
        with us.no_grad():
            for a, b in zip(slow.parameters(), online.parameters(), strict=True):
                a.lerp_(b, 0.05)
        return loss

    return [*online.parameters(), *slow.parameters(), *last.parameters()], step


@on(
    [
        (numbers(8, 4, seed=i), labels(8, 3, seed=i), numbers(8, seed=i), numbers(8, seed=i + 5))
        for i in range(3)
    ]
)
def clipped_policy_loss() -> Made:
    body, policy, value = mlp(4, 8), nn.Linear(8, 3), nn.Linear(8, 1)
    parameters = [*body.parameters(), *policy.parameters(), *value.parameters()]
    optimizer = us.optim.Adam(parameters, lr=1e-2, eps=1e-5)

    def step(state: Any, action: Any, gain: Any, before: Any) -> Any:
        gain = (gain - gain.mean()) / (gain.std() + 1e-8)
        hidden = body(state)
        choices = us.distributions.Categorical(logits=policy(hidden))
        ratio = (choices.log_prob(action) - before).exp()
        clipped = us.clamp(ratio, 1 - 0.2, 1 + 0.2)
        loss = -us.min(ratio * gain, clipped * gain).mean()
        loss = loss + 0.5 * F.mse_loss(value(hidden).flatten(), gain) - 0.01 * choices.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(parameters, 0.5)
        optimizer.step()
        return loss, norm

    return parameters, step


@on(POINTS)
def variational_autoencoder() -> Made:
    encoder, decoder = nn.Linear(4, 6), mlp(3, 8, 4)
    optimizer = us.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-2)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        mean, log_variance = encoder(x).chunk(2, dim=-1)
        code = mean + us.randn_like(mean) * us.exp(0.5 * log_variance)
        rebuilt = F.binary_cross_entropy_with_logits(decoder(code), us.sigmoid(x), reduction="sum")
        distance = -0.5 * us.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
        loss = rebuilt + distance
        loss.backward()
        optimizer.step()
        return {"loss": loss, "parts": (rebuilt, distance)}["loss"]

    return [*encoder.parameters(), *decoder.parameters()], step


@on(CLASSED)
def mixup_with_label_smoothing() -> Made:
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8, momentum=None), nn.GELU(), nn.Linear(8, 3))
    optimizer = us.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1, weight=us.tensor([1.0, 2.0, 0.5]))

    def step(x: Any, y: Any) -> Any:
        share, order = us.rand(()), us.randperm(x.size(0))
        out = model(share * x + (1 - share) * x[order])
        loss = share * criterion(out, y) + (1 - share) * criterion(out, y[order])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss, (out.argmax(1) == y).float().mean()

    return [*model.parameters(), *model.buffers()], step


@on(TEXTS)
def recurrent_network_that_hands_its_state_on() -> Made:
    embed, cells, head = nn.Embedding(7, 4), nn.GRU(4, 6, batch_first=True), nn.Linear(6, 7)
    parameters = [*embed.parameters(), *cells.parameters(), *head.parameters()]
    optimizer = us.optim.Adam(parameters)
    compute_state = us.zeros(1, 4, 6)
    held = {"state": compute_state}

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        out, state = cells(embed(x), held["state"].detach())
        loss = F.cross_entropy(head(out).flatten(0, 1), y.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        held["state"].copy_(state.detach())
        return loss

    return [*parameters, compute_state], step


class Carrying(nn.Module):
    """Keeps its hidden state in a buffer that it writes in place."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.LSTMCell(4, 5), nn.Linear(5, 3)
        self.register_buffer("h", us.zeros(6, 5))
        self.register_buffer("c", us.zeros(6, 5))

    def forward(self, x: Any) -> Any:
        h, c = self.cell(x, (self.h.detach().clone(), self.c.detach().clone()))
        self.h.copy_(h.detach())
        self.c.copy_(c.detach())
        return self.head(h)


@on(CLASSED)
def state_in_a_buffer() -> Made:
    model = Carrying()
    optimizer = us.optim.RMSprop(model.parameters())

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return [*model.parameters(), *model.buffers()], step


@on([(numbers(6, 4, seed=i), labels(20, 6, seed=i).reshape(2, 10)) for i in range(3)])
def graph_convolution() -> Made:
    first, second = nn.Linear(4, 8), nn.Linear(8, 2)
    optimizer = us.optim.Adam([*first.parameters(), *second.parameters()])

    def gather(x: Any, edges: Any) -> Any:
        source, target = edges
        degree = us.zeros(x.size(0)).index_add(0, target, us.ones(target.size(0))).clamp(min=1)
        summed = us.zeros_like(x).index_add_(0, target, x[source])
        largest = us.zeros_like(x).scatter_reduce(
            0, target.unsqueeze(1).expand(-1, x.size(1)), x[source], "amax"
        )
        return summed / degree.unsqueeze(1) + largest

    def step(x: Any, edges: Any) -> Any:
        optimizer.zero_grad()
        hidden = first(gather(x, edges)).relu()
        hidden = us.zeros(6, 8).scatter_add(0, edges[1].unsqueeze(1).expand(-1, 8), hidden[edges[0]])
        loss = second(hidden).pow(2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return [*first.parameters(), *second.parameters()], step


@on(TEXTS)
def causal_attention_by_hand() -> Made:
    embed, mix, head = nn.Embedding(7, 8), nn.Linear(8, 24), nn.Linear(8, 7)
    places = nn.Parameter(us.zeros(5, 8))
    parameters = [*embed.parameters(), *mix.parameters(), *head.parameters(), places]
    optimizer = us.optim.AdamW(parameters)

    def step(x: Any, y: Any) -> Any:
        length = x.shape[1]
        q, k, v = mix(embed(x) + places[us.arange(length)]).chunk(3, -1)
        mask = us.triu(us.full((length, length), float("-inf")), diagonal=1)
        weights = F.softmax(q @ k.transpose(-2, -1) / 8**0.5 + mask, dim=-1)
        kept = us.tril(us.ones(length, length, dtype=us.bool))
        again = F.scaled_dot_product_attention(q, k, v, attn_mask=kept)
        loss = F.cross_entropy(
            head(F.dropout(weights, 0.1) @ v + again).view(-1, 7), y.view(-1), ignore_index=3
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return parameters, step


@on(POINTS)
def contrastive_with_masks() -> Made:
    model = mlp(4, 8, 5)
    optimizer = us.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        views = us.cat([x + 0.1 * us.randn_like(x), x + 0.1 * us.randn_like(x)])
        z = F.normalize(model(views), dim=1)
        count = x.size(0)
        near = (z @ z.T / 0.5).masked_fill(us.eye(2 * count, dtype=us.bool), float("-inf"))
        partner = us.cat([us.arange(count) + count, us.arange(count)])
        loss = F.cross_entropy(near, partner)
        loss = loss + F.triplet_margin_loss(z[:2], z[count : count + 2], z[[3, 4]])
        loss.backward()
        optimizer.step()
        return loss

    return list(model.parameters()), step


@on(CLASSED)
def hardest_triplets() -> Made:
    model = mlp(4, 8, 5)
    optimizer = us.optim.Adam(model.parameters())

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        z = model(x)
        apart = us.cdist(z, z)
        same = y[:, None] == y[None, :]
        far = us.where(same, apart, us.tensor(0.0)).max(1).values
        near = us.where(same, us.tensor(float("inf")), apart).min(1)[0].clamp(max=1e3)
        loss = F.relu(far - near + 0.3).mean()
        loss.backward()
        optimizer.step()
        return loss

    return list(model.parameters()), step


@on(POINTS)
def diffusion_noise_schedule() -> Made:
    model = mlp(5, 16, 4)
    optimizer = us.optim.Adam(model.parameters())
    kept = us.cumprod(1 - us.linspace(1e-4, 0.02, 50), dim=0)
    average = us.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=us.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    )

    def step(x: Any) -> Any:
        t = us.randint(0, 50, (x.shape[0],))
        noise = us.randn_like(x)
        level = kept[t][:, None]
        noisy = level.sqrt() * x + (1 - level).sqrt() * noise
        loss = F.mse_loss(model(us.cat([noisy, t[:, None] / 50], dim=1)), noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(model)
        return loss

    return [*model.parameters(), *average.parameters()], step


@on([(numbers(3, 5, 4, seed=i),) for i in range(3)])
def a_loop_over_time_that_fills_a_result() -> Made:
    cell, out = nn.GRUCell(4, 6), nn.Linear(6, 4)
    optimizer = us.optim.Adam([*cell.parameters(), *out.parameters()])

    def step(x: Any) -> Any:
        h = x.new_zeros(x.size(0), 6)
        made = us.empty(x.size(0), x.size(1), 4)
        previous = x.new_zeros(x.size(0), 4)
        for t in range(x.size(1)):
            h = cell(previous, h)
            frame = out(h)
            made[:, t] = frame
            previous = x[:, t] if t % 2 else frame.detach()
        loss = (made - x).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss, made.detach()

    return [*cell.parameters(), *out.parameters()], step


@on(POINTS)
def an_update_by_hand() -> Made:
    model, old = mlp(4, 8, 2), mlp(4, 8, 2)

    def step(x: Any) -> Any:
        loss = model(x).square().mean()
        with us.no_grad():
            for p, grad in zip(
                model.parameters(), us.autograd.grad(loss, list(model.parameters())), strict=True
            ):
                p -= 0.1 * grad
        for p in old.parameters():
            if p.grad is not None:
                p.grad.data.zero_()
        other = old(x).square().mean()
        other.backward()
        for p in old.parameters():
            p.data.add_(p.grad.data, alpha=-0.1)
            p.data.clamp_(-0.4, 0.4)
        return loss, other.data

    return [*model.parameters(), *old.parameters()], step


@on(POINTS)
def a_step_within_a_step() -> Made:
    model = mlp(4, 8, 2)
    optimizer = us.optim.Adam(model.parameters())

    def step(x: Any) -> Any:
        weights = dict(model.named_parameters())
        inner = us.func.functional_call(model, weights, (x[:3],)).square().mean()
        grads = us.autograd.grad(inner, list(weights.values()), create_graph=True)
        moved = {name: p - 0.1 * g for (name, p), g in zip(weights.items(), grads, strict=True)}
        outer = us.func.functional_call(model, moved, (x[3:],)).square().mean()
        optimizer.zero_grad()
        outer.backward()
        optimizer.step()
        return outer

    return list(model.parameters()), step


@on(CLASSED)
def several_losses_with_learned_weights() -> Made:
    body, left, right = mlp(4, 8), nn.Linear(8, 3), nn.Linear(8, 1)
    weights = nn.Parameter(us.zeros(2))
    parameters = [*body.parameters(), *left.parameters(), *right.parameters(), weights]
    optimizer = us.optim.Adam([{"params": parameters[:-1]}, {"params": [weights], "lr": 0.1}], lr=1e-2)

    def step(x: Any, y: Any) -> Any:
        hidden = body(x)
        losses = us.stack(
            [F.cross_entropy(left(hidden), y), F.mse_loss(right(hidden).squeeze(-1), x.mean(1))]
        )
        total = (us.exp(-weights) * losses + weights).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        return [total, *losses.detach()][0], losses

    return parameters, step


@on(CLASSED)
def accumulation_over_micro_batches() -> Made:
    model = mlp(4, 8, 3)
    optimizer = us.optim.AdamW(model.parameters())

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        total = us.tensor(0.0)
        for part, target in zip(x.split(2), y.split(2), strict=True):
            loss = F.cross_entropy(model(part), target) / 3
            loss.backward()
            total += loss.detach()
        optimizer.step()
        return total

    return list(model.parameters()), step


class Sign(us.autograd.Function):
    """The sign, with the gradient of a clamp."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x.sign()

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= 1)


@on(CLASSED)
def a_function_of_ones_own() -> Made:
    model = mlp(4, 8, 3)
    optimizer = us.optim.Adam(model.parameters())

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(Sign.apply(model[0](x) @ model[0].weight)), y)
        loss.backward()
        optimizer.step()
        return loss

    return list(model.parameters()), step


@on(CLASSED)
def hooks_checkpoint_and_no_grad() -> Made:
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Tanh(), nn.Linear(8, 3))
    model[0].weight.register_hook(lambda grad: grad.clamp(-0.1, 0.1))
    model[3].register_forward_hook(lambda module, args, out: out * 0.5)
    optimizer = us.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        hidden = us.utils.checkpoint.checkpoint(model[:3], x, use_reentrant=False)
        hidden.register_hook(lambda grad: grad * 2)
        loss = F.cross_entropy(model[3](hidden), y)
        loss.backward()
        optimizer.step()
        with us.no_grad():
            model.eval()
            right = (model(x).argmax(-1) == y).sum()
            model.train()
        return loss.detach(), right

    return list(model.parameters()), step


@on(CLASSED)
def tied_and_frozen_weights() -> Made:
    encode, decode, head = nn.Linear(4, 5), nn.Linear(5, 4), nn.Linear(5, 3)
    decode.weight = nn.Parameter(encode.weight.detach().T.clone())
    head.weight.requires_grad_(False)
    parameters = [*encode.parameters(), *decode.parameters(), *head.parameters()]
    optimizer = us.optim.Adam([p for p in parameters if p.requires_grad])

    def step(x: Any, y: Any) -> Any:
        code = encode(x)
        rebuilt = F.linear(code, encode.weight.t(), decode.bias)
        loss = (
            F.mse_loss(rebuilt, x) + F.cross_entropy(head(code), y) + 1e-3 * sum(p.norm() for p in parameters)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return parameters, step


@on(TEXTS)
def padded_sequences_with_masks() -> Made:
    embed, layer = nn.Embedding(7, 8, padding_idx=0), nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    head = nn.Linear(8, 7)
    parameters = [*embed.parameters(), *layer.parameters(), *head.parameters()]
    optimizer = us.optim.AdamW(parameters)

    def step(x: Any, y: Any) -> Any:
        is_padding = x == 0
        hidden = layer(embed(x), src_key_padding_mask=is_padding)
        each = F.cross_entropy(head(hidden).transpose(1, 2), y, reduction="none")
        weight = (~is_padding).float()
        loss = (each * weight).sum() / weight.sum().clamp(min=1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return parameters, step


@on([(numbers(4, 1, 8, 8, seed=i), labels(4, 3, seed=i)) for i in range(3)])
def images_with_noise_and_statistics() -> Made:
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout2d(0.2)),
        *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)),
    )
    optimizer = us.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-4)
    mean, std = [0.1], [0.9]

    def step(x: Any, y: Any) -> Any:
        x = (x - us.tensor(mean)[:, None, None]) / us.tensor(std)[:, None, None]
        x = us.where(us.rand(x.size(0), 1, 1, 1) < 0.5, x.flip(-1), x)
        loss = F.nll_loss(F.log_softmax(model(x), 1), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return [*model.parameters(), *model.buffers()], step


@pytest.mark.parametrize("name", MADE)
def test_a_step_gives_the_same_bits(name: str) -> None:
    make, batches = MADE[name]
    step = assert_same_bits(make, batches, 20)
    assert step.cache_info().misses <= 2
