// --print-schedule of `launch` and `train`: learning rate and weight decay over the run, and nothing else.
#pragma once

#include <cstdint>
#include <optional>

#include "launcher/options/flag_table.hpp"

namespace vitrail::launcher {

struct PrintSchedule {
  bool print_schedule = false;
  std::optional<std::int64_t> images;
  OutputFormat format = OutputFormat::text;
};

// Of a command whose flags inherit PrintSchedule. `formatted`: on what --format depends.
template <class F>
Condition with_print_schedule() {
  return {"", "--print-schedule", [](const CommandLine& line) { return line.own<F>().print_schedule; }};
}

template <class F>
void add_print_schedule(FlagTable<F>& flags, const Condition& formatted = with_print_schedule<F>()) {
  flags.add("print-schedule", &F::print_schedule,
            {.help = "print learning rate and weight decay over the run, and do nothing else"});
  flags.add("images", &F::images,
            {.help = "size of the training set, where data.train cannot be read",
             .bounds = from_to(1, 1e12),
             .unit = "images",
             .absent = "that of data.train",
             .when = {with_print_schedule<F>()}});
  flags.choice("format", &F::format, {{OutputFormat::text, "text"}, {OutputFormat::json, "json"}},
               {.help = "a text to read, or one JSON document", .placeholder = "FORM", .when = {formatted}});
}

void refuse_two_prints(CommandLine& line);
ExitCode print_schedule(const trainer::Config& config, const PrintSchedule& flags);

}  // namespace vitrail::launcher
