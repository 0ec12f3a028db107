#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Trains 10 steps and hands over to C++, or takes over from C++ for 20 steps, or trains all 50 steps alone.

    train.py begin|end|whole FOLDER
"""

import pathlib
import sys

import torch

what, folder = sys.argv[1], pathlib.Path(sys.argv[2])

torch.manual_seed(1)
model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
optimizer = torch.optim.AdamW([{"params": weights}, {"params": biases, "weight_decay": 0.0}], lr=0.01)
x, y = torch.linspace(-1, 1, 12).view(4, 3), torch.linspace(1, 2, 8).view(4, 2)


def train(steps):
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()


if what == "begin":
    train(10)
    torch.save({"x": x, "y": y}, folder / "data.pt")
    torch.save(model.state_dict(), folder / "model.pt")
    torch.save(optimizer.state_dict(), folder / "optimizer.pt")
elif what == "end":
    model.load_state_dict(torch.load(folder / "model_of_cpp.pt", weights_only=True))
    optimizer.load_state_dict(torch.load(folder / "optimizer_of_cpp.pt", weights_only=True))
    train(20)
else:
    train(50)
print(f"loss {torch.nn.functional.mse_loss(model(x), y).item():.6f}")
