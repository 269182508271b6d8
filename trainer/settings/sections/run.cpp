#include <bit>
#include <string_view>

#include "trainer/settings/fault_injection.hpp"
#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {
namespace {

bool is_plain_name(const std::string& name) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !name.empty() && name.front() != '.' && name.find_first_not_of(kLetters) == std::string::npos;
}

bool is_power_of_two(const std::int64_t& value) {
  return std::has_single_bit(static_cast<std::uint64_t>(value));
}

}  // namespace

void add_run_settings(std::vector<Setting>& table) {
  const Section run(
      table, "run", [](auto& config) -> auto& { return config.run; });
  run.add("name", &RunConfig::name, Effect::place, {.help = "name of the run", .placeholder = "NAME"},
          {"letters, digits, '.', '_' and '-' only", is_plain_name});
  run.add("dir", &RunConfig::dir, Effect::place,
          {.help = "folder of the run: configuration, metrics, log and checkpoints",
           .placeholder = "DIR",
           .absent = "runs/<run.name>"});
  run.add("seed", &RunConfig::seed, Effect::identity,
          {.help = "seed of every random draw: order, crops, mixing, initial weights"});
  run.add(
      "lanes", &RunConfig::lanes, Effect::identity,
      {.help = "micro-batches per optimizer step, shared by the ranks (gradient accumulation); fixed for the "
               "run, and the upper limit of its world size",
       .bounds = from_to(1, 65536)},
      {"a power of two", is_power_of_two});
  run.add("epochs", &RunConfig::epochs, Effect::result,
          {.help = "length of the run, or else run.steps", .bounds = from_to(0, 1e6), .unit = "epochs"});
  run.add("steps", &RunConfig::steps, Effect::result,
          {.help = "length of the run, or else run.epochs", .bounds = from_to(0, 1e12), .unit = "steps"});
  run.add("threads", &RunConfig::threads, Effect::rounding,
          {.help = "compute threads of each rank; on a CPU the last bits of a result depend on it",
           .bounds = from_to(1, 1024),
           .unit = "threads"});
  run.add(
      "rehearsal", &RunConfig::memory_probe, Effect::place,
      {.help =
           "memory check: run the largest micro-batch once, forward and backward, before the first step"});
  run.add("stop_before", &RunConfig::stop_before, Effect::place,
          {.help = "safety margin before the Slurm job's time limit, added to one step and two checkpoint "
                   "writes, at which the run saves and stops; 0s disables"},
          {"a time: 30s, 10min, 2h", is_time});
  run.add(
      "fault", &RunConfig::fault, Effect::result,
      {.help = "fault injection: make a rank fail in a phase of a step; tests/faults/README.md has the words",
       .placeholder = "PHASE:RANK:STEP:KIND",
       .absent = "none"},
      {"as backward:1:12:kill",
       [](const std::string& text) { return text.empty() || parse_fault(text).has_value(); }});
  run.add(
      "peak_tflops", &RunConfig::peak_tflops, Effect::place,
      {.help = "peak of one rank's device, of which mfu is a share; 0: by its data sheet where its name is "
               "known, else no mfu",
       .bounds = from_to(0, 1e6),
       .unit = "TFLOP/s"});
  run.choice(
      "device", &RunConfig::device,
      {{trainer::Device::automatic, "auto"}, {trainer::Device::cpu, "cpu"}, {trainer::Device::cuda, "cuda"}},
      Effect::rounding,
      {.help = "where the model is computed; auto: on a GPU where there is one, or where Slurm or "
               "CUDA_VISIBLE_DEVICES promises one"});
}

}  // namespace vitrail::trainer
