# SPDX-License-Identifier: Apache-2.0
"""Muon: momentum whose matrix updates are orthogonalised (Jordan et al. 2024) by a few Newton-Schulz steps. Used for
1x1, 2x2 and 3x3 convolutions; AdamW does the rest."""
import torch


def orthogonal(g, steps=5):
    """[rows][columns] -> about U V^T of its singular value decomposition."""
    x = g / (g.norm() + 1e-7)
    turn = x.shape[0] > x.shape[1]
    if turn:
        x = x.t()
    for _ in range(steps):
        a = x @ x.t()
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
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
