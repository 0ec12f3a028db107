# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""RMSprop as torch.optim has it: eps outside the root; with momentum, lr scales what leaves the buffer.

Weight decay is L2. With `centered` the root is that of square_avg - grad_avg^2, and eps again stands outside.
"""

from scenario import scenario

SCENARIOS = {
    "rmsprop_default": scenario("RMSprop"),
    "rmsprop_alpha_eps": scenario("RMSprop", alpha=0.9, eps=1e-3),
    "rmsprop_weight_decay": scenario("RMSprop", weight_decay=0.1),
    "rmsprop_momentum": scenario("RMSprop", lr=0.002, momentum=0.8),
    "rmsprop_centered": scenario("RMSprop", alpha=0.95, centered=True),
    "rmsprop_centered_momentum": scenario("RMSprop", lr=0.002, alpha=0.95, momentum=0.8, centered=True),
    "rmsprop_maximize": scenario("RMSprop", weight_decay=0.05, maximize=True),
}
