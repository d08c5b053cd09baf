# SPDX-License-Identifier: Apache-2.0
"""Muon: momentum whose matrix updates are orthogonalised (Jordan et al. 2024) by a few Newton-Schulz steps. Used for
1x1, 2x2 and 3x3 convolutions; AdamW does the rest."""
import torch


def orthogonal(g, steps=5):
    """[rows][columns] -> about U V^T of its singular value decomposition.

    A step is X <- P(X X^T) X with a polynomial P. All those P commute, so their product is built from the small Gram matrix alone and meets X once: half
    the work of doing each step on X, where the long side is four times the short one (a third of the time of a training step was here)."""
    turn = g.shape[0] > g.shape[1]
    x = (g.t() if turn else g) / (g.norm() + 1e-7)
    gram, product = x @ x.t(), None
    for i in range(steps):
        p = torch.addmm(gram, gram, gram, beta=-4.7750, alpha=2.0315)
        p.diagonal().add_(3.4445)
        product = p if product is None else p @ product
        if i + 1 < steps:
            gram = p @ gram @ p
    x = product @ x
    return x.t() if turn else x


class Muon(torch.optim.Optimizer):
    def __init__(self, params, lr, momentum=.95, weight_decay=.05):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                g, state = p.grad, self.state[p]
                if "m" not in state:
                    state["m"] = torch.zeros_like(g)
                m = state["m"]
                m.lerp_(g, 1 - group["momentum"])
                u = orthogonal(g.lerp(m, group["momentum"]).flatten(1))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(u.view_as(p), alpha=-group["lr"] * .2 * max(u.shape) ** .5)      # as large as AdamW's steps
