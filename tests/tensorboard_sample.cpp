// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Writes records of all kinds into <folder>, as an event file and as records.csv, for
// tensorboard_check.py to compare.

#include <agmohd/monitor/tensorboard.hpp>
#include <agmohd/monitor/watcher.hpp>
#include <cstdint>
#include <string>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string folder = argv[1];
  agmohd::monitor::TensorBoard board(folder);
  agmohd::monitor::CsvFile csv(folder + "/records.csv");
  for (std::int64_t step = 1; step <= 300; ++step) {  // steps of one byte, and of two
    const double x = double(step);
    agmohd::Record r;
    r.step = step;
    r.updates = step - 1;
    if (step % 10 != 0) r.loss = 5 / x;
    r.lr = 1e-3 / x;
    r.norm = x * x;
    r.update_rms = 1e-4 * x;
    r.level = step % 7 == 0 ? 0.5 : 0;
    r.clip_factor = 1 / (1 + x);
    r.momentum = 0.9 - 1e-3 * x;
    r.lr_factor = step % 13 == 0 ? 0.25 : 1;
    if (step % 100 < 3 && step > 3) r.flags = agmohd::Flag::explosion;
    board(r);
    csv(r);
  }
  board.scalar("validation/loss", 300, 1.25);
  board.text("note", 300, std::string(200, 'n'));  // a length of two bytes
}
