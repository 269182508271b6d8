#include "datasets/loader/sampler.hpp"
#include "launcher/commands/schedule/training_images.hpp"
#include "launcher/options/flag_table.hpp"
#include "launcher/plan/input.hpp"
#include "launcher/plan/listing.hpp"
#include "launcher/plan/search.hpp"
#include "trainer/schedule.hpp"
#include "trainer/settings/sample_cost.hpp"
#include "trainer/settings/validate.hpp"

namespace vitrail::launcher {
namespace {

constexpr const char* kOfGpu = "that of --gpu";

Condition of_one_plan() {
  return {"up-to", "no --up-to", [](const CommandLine& line) { return !line.own<PlanFlags>().up_to; }};
}

void add_places(FlagTable<PlanFlags>& flags) {
  flags.add("ranks", &PlanFlags::ranks,
            {.help = "world size; at most run.lanes",
             .bounds = from_to(1, 65536),
             .unit = "ranks",
             .absent = "a full --nodes, else run.lanes",
             .when = {of_one_plan()},
             .letter = 'n'});
  flags.add("nodes", &PlanFlags::nodes,
            {.help = "spread over so many nodes",
             .bounds = from_to(1, 65536),
             .unit = "nodes",
             .absent = "as few as hold the ranks",
             .when = {of_one_plan()}});
  flags.add("gpus-per-node", &PlanFlags::gpus_per_node,
            {.help = "ranks that fit into a node", .bounds = from_to(1, 64), .unit = "GPUs", .absent = "8"});
}

void add_hardware(FlagTable<PlanFlags>& flags) {
  flags.choice(
      "gpu", &PlanFlags::gpu, gpu_names(),
      {.help = "data sheet of a device and of a usual node of it; the flags below and run.peak_tflops "
               "change or, by hand, give its numbers"});
  flags.add("memory-gb", &PlanFlags::memory_gb,
            {.help = "memory of a device", .bounds = above(0), .unit = "GB", .absent = kOfGpu});
  flags.add("memory-gb-per-s", &PlanFlags::memory_gb_per_s,
            {.help = "bandwidth of that memory", .bounds = above(0), .unit = "GB/s", .absent = kOfGpu});
  flags.add("node-gb-per-s", &PlanFlags::node_gb_per_s,
            {.help = "of a device to the others of its node, one direction",
             .bounds = above(0),
             .unit = "GB/s",
             .absent = kOfGpu});
  flags.add("network-gb-per-s", &PlanFlags::network_gb_per_s,
            {.help = "of a device to other nodes, one direction",
             .bounds = above(0),
             .unit = "GB/s",
             .absent = kOfGpu});
}

void add_assumptions(FlagTable<PlanFlags>& flags) {
  flags.add("mfu", &PlanFlags::mfu,
            {.help = "share of the peak that forward and backward passes reach",
             .bounds = above_to(0, 1),
             .absent = "0.4, CaiT 0.2"});
  flags.add("message-us", &PlanFlags::message_us,
            {.help = "time of a call for each other rank in it",
             .bounds = at_least(0),
             .unit = "us",
             .absent = "5, or as measured"});
  flags.add(
      "measured-links", &PlanFlags::measured_links,
      {.help =
           "file that `vitrail doctor --links` wrote on ranks: its bandwidths and message count as they are, "
           "without a data sheet's 80 %",
       .placeholder = "FILE",
       .absent = "none"});
  flags.add(
      "reserve-gb", &PlanFlags::reserve_gb,
      {.help = "memory of a device for contexts, libraries and gaps", .bounds = at_least(0), .unit = "GB"});
  flags.add("core-images-per-s", &PlanFlags::core_images_per_s,
            {.help = "what a core decodes and augments; `vitrail bench data` measures it",
             .bounds = above(0),
             .unit = "images/s",
             .absent = "979; 814 with colours, 552 with RandAugment"});
  flags.add("record-kb", &PlanFlags::record_kb,
            {.help = "size of an image on disk", .bounds = above(0), .unit = "kB"});
  flags.add("write-gb-per-s", &PlanFlags::write_gb_per_s,
            {.help = "of all ranks together to the file system", .bounds = above(0), .unit = "GB/s"});
  flags.add(
      "failure-gpu-hours", &PlanFlags::failure_gpu_hours,
      {.help = "hours of a device for one failure that ends a run", .bounds = above(0), .unit = "hours"});
}

std::vector<Option> plan_options() {
  FlagTable<PlanFlags> flags;
  add_places(flags);
  add_hardware(flags);
  add_assumptions(flags);
  flags.add("up-to", &PlanFlags::up_to,
            {.help = "a table with a row for 1, 2, 4, ... up to so many ranks, of the same batch",
             .bounds = from_to(1, 65536),
             .unit = "ranks",
             .absent = "one plan"});
  flags.add("measured", &PlanFlags::measured,
            {.help = "folder of a run, or its metrics.jsonl: the plan beside what was measured",
             .placeholder = "RUN",
             .absent = "none",
             .when = {of_one_plan()}});
  flags.add("images", &PlanFlags::images,
            {.help = "size of the training set, where data.train cannot be read",
             .bounds = from_to(1, 1e12),
             .unit = "images",
             .absent = "that of data.train"});
  flags.config_files();
  flags.format(&PlanFlags::format);
  return flags.done();
}

std::int64_t steps_of(const CommandLine& line) {
  if (line.config.run.steps > 0) return line.config.run.steps;
  const std::int64_t epoch = datasets::steps_per_epoch(
      training_images(line.config.data, line.own<PlanFlags>().images), line.config.data.global_batch_size);
  return trainer::total_steps(line.config.run, epoch);
}

void refuse_what_does_not_fit(const PlanInput& in) {
  if (fits(in)) return;
  const std::string change = smallest_change(in);
  throw Error(ExitCode::refused,
              fmt::format("{} on {}: a rank needs {:.1f} GB of its {} (estimate)", in.config.run.name,
                          in.gpu.name, plan_memory(in).total() / 1e9, in.gpu.memory_gb),
              change.empty() ? "no setting makes it fit: plan for devices with more memory" : change);
}

// A table of many numbers of ranks says of each whether it fits; a plan of one is refused after it was shown.
ExitCode run_plan(const CommandLine& line, const Environment&) {
  const auto& flags = line.own<PlanFlags>();
  PlanInput in = plan_input(line, steps_of(line));
  if (trainer::remembered_numbers(line.config) > 0)
    in.samples = training_images(line.config.data, flags.images);
  const bool json = flags.format == OutputFormat::json;
  if (flags.up_to) {
    fmt::print("{}", json ? plans_json(in, *flags.up_to) : plans_text(in, *flags.up_to));
    return ExitCode::done;
  }
  std::optional<MeasuredRun> run;
  if (!flags.measured.empty()) run = read_measured(flags.measured);
  fmt::print("{}", json ? plan_json(in, run) : plan_text(in, run));
  refuse_what_does_not_fit(in);
  return ExitCode::done;
}

}  // namespace

Command plan_command() {
  return {.name = "plan",
          .usage = "[--gpu NAME] [-n RANKS] [--config FILE ...] [--section.key VALUE ...]",
          .summary = "estimates for a cluster: memory, time, communication, checkpoints and the limit",
          .example = "vitrail plan --config configs/vit_h_21k.cfg --gpu h100 -n 32 --images 14197122",
          .uses = every_setting_of_runs,
          .flags = PlanFlags(),
          .options = plan_options(),
          .check = [](const CommandLine& line) { trainer::validate(line.config); },
          .run = run_plan};
}

}  // namespace vitrail::launcher
