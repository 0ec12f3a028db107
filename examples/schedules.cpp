// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// All schedules in one picture, schedules.svg: steps to the right, the factor of the rate upwards.
#include <agmohd/recipes.hpp>
#include <agmohd/schedule/by_name.hpp>
#include <agmohd/schedule/draw.hpp>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  std::vector<agmohd::schedule::Drawn> all;
  for (const char* text : {
           "constant,warmup_steps=200",
           "linear,total_steps=1000,warmup_steps=100",
           "polynomial,total_steps=1000,power=2",
           "exponential,gamma=0.995",
           "inverse_sqrt,timescale=100,warmup_steps=100",
           "noam,noam_steps=200",
           "step,step_size=250,gamma=0.5",
           "multi_step,milestones=300/600/800,gamma=0.4",
           "piecewise,points=0:0.2/200:1/400:0.3/999:0,interpolation=linear",
           "cosine,total_steps=1000,warmup_steps=100,min_factor=0.1",
           "cosine_restarts,restart_steps=143,restart_mult=2",
           "cyclical,cycle_steps=250",
           "cyclical,cycle_steps=250,cycle_mode=triangular2",
           "cyclical,cycle_steps=100,cycle_gamma=0.997,cycle_mode=exp_range",
           "one_cycle,total_steps=1000",
           "one_cycle,total_steps=1000,three_phase=true,anneal_strategy=linear",
           "trapezoid,total_steps=1000,warmup_steps=150,decay_steps=300",
           "wsd,total_steps=1000,warmup_steps=100,decay_steps=400,decay_curve=one_minus_sqrt",
       }) {
    const std::string shown = text;
    const std::string name = shown.substr(0, shown.find(','));
    all.push_back(
        {name + " " + shown.substr(shown.rfind(',') + 1), agmohd::schedule::from_text(shown)});
  }
  using Decayed = agmohd::schedule::Restart<agmohd::schedule::Linear>;
  all.push_back(
      {Decayed::name(),
       agmohd::schedule::function<Decayed>(
           {.restart_steps = 250, .restart_decay = 0.6, .schedule = {.total_steps = 250}})});
  std::ofstream(argc > 1 ? argv[1] : "schedules.svg") << agmohd::schedule::svg(all, 1000);
  std::fputs(agmohd::schedule::table(all, 1000, 250).c_str(), stdout);
  return all[1].factor(99) == 1 && all[1].factor(1000) == 0 ? 0 : 1;
}
